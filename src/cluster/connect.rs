//! How to reach a cluster: hosts, credentials, certificates.

use std::fmt;
use std::time::Duration;

use elasticsearch::auth;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use url::Url;

use super::error::{ClusterError, ErrorKind};
use super::limit::Limits;
use super::pin;

/// Who we are.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody: the cluster has no security.
    #[default]
    None,
    /// User and password.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// An API key, as the base64 of `id:key` that Elasticsearch calls "encoded".
    ApiKey(String),
    /// A bearer token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(redacted)",
            Self::ApiKey(_) => "ApiKey(redacted)",
            Self::Bearer(_) => "Bearer(redacted)",
        })
    }
}

/// How far to trust the cluster's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust beside the public ones, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// SHA-256 of a certificate in the chain the cluster presents (hex, colons allowed): usually its authority's,
    /// as Elasticsearch prints at first start. That certificate becomes the trusted one.
    pub fingerprint: Option<String>,
    /// False accepts any certificate: for experiments only.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca_pem: None, fingerprint: None, verify: true }
    }
}

/// Everything needed to reach a cluster.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Base addresses, such as `https://es1:9200`; the next one is used when one fails.
    pub hosts: Vec<String>,
    /// Who we are.
    pub credentials: Credentials,
    /// Whom we trust.
    pub tls: Tls,
    /// Whether `http://` addresses are accepted.
    pub allow_http: bool,
    /// Longest wait for an answer.
    pub request_timeout: Duration,
    /// Largest answer, decompressed.
    pub max_body_bytes: u64,
    /// Whether request bodies are compressed.
    pub compress: bool,
    /// The load budget.
    pub limits: Limits,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Default for ClusterOptions {
    /// The defaults of every option; hosts are empty.
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            credentials: Credentials::None,
            tls: Tls::default(),
            allow_http: false,
            request_timeout: Duration::from_secs(60),
            max_body_bytes: 64 << 20,
            compress: true,
            limits: Limits::default(),
            seed: 0,
        }
    }
}

/// Longest look at whether a port speaks TLS.
const LOOK: Duration = Duration::from_secs(5);

fn misconfigured(place: &str, detail: impl AsRef<str>) -> ClusterError {
    ClusterError::new(ErrorKind::Misconfigured, place, detail)
}

/// One transport per host, with the host's name for messages.
pub(super) async fn transports(options: &ClusterOptions) -> Result<Vec<(String, Transport)>, ClusterError> {
    if options.hosts.is_empty() {
        return Err(misconfigured("cluster.hosts", "no host is given"));
    }
    let credentials = transport_credentials(&options.credentials)?;
    let mut out = Vec::with_capacity(options.hosts.len());
    for host in &options.hosts {
        let url = host_url(host, options.allow_http)?;
        let name = url.as_str().trim_end_matches('/').to_owned();
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url.clone()))
            .enable_meta_header(false)
            .disable_proxy()
            .timeout(options.request_timeout)
            .request_body_compression(options.compress);
        if url.scheme() == "https" {
            builder = builder.cert_validation(validation(&options.tls, &url, options.request_timeout).await?);
        }
        if let Some(c) = &credentials {
            builder = builder.auth(c.clone());
        }
        let transport = builder.build().map_err(|e| misconfigured(&name, e.to_string()))?;
        out.push((name, transport));
    }
    Ok(out)
}

/// A plain HTTP request to a port that speaks TLS ends in as many ways as there are servers: looks whether it does, and says so.
pub async fn plainly_said(error: ClusterError, options: &ClusterOptions) -> ClusterError {
    if !matches!(error.kind, ErrorKind::Unreachable | ErrorKind::CutBody | ErrorKind::NotJson | ErrorKind::Busy) {
        return error;
    }
    for host in &options.hosts {
        let Some(url) = Url::parse(host).ok().filter(|u| u.scheme() == "http") else { continue };
        if pin::speaks_tls(&url, options.request_timeout.min(LOOK)).await {
            return ClusterError::tls_port(host);
        }
    }
    error
}

/// Checks one address.
fn host_url(host: &str, allow_http: bool) -> Result<Url, ClusterError> {
    let url = Url::parse(host).map_err(|e| misconfigured("cluster.hosts", format!("`{}`: {e}", without_password(host))))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(misconfigured("cluster.hosts", "user and password do not belong into the address: set cluster.user and cluster.password_file"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http => Ok(url),
        "http" => Err(misconfigured("cluster.hosts", format!("`{host}` is not encrypted: use https://, or set cluster.allow_http: true"))),
        other => Err(misconfigured("cluster.hosts", format!("`{other}://` is neither http nor https"))),
    }
}

/// An address that could not be parsed may still hold a password.
fn without_password(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, rest)| rest)
}

/// Credentials as the transport takes them; what a header cannot hold is refused here, the transport would panic.
pub(super) fn transport_credentials(credentials: &Credentials) -> Result<Option<auth::Credentials>, ClusterError> {
    let checked = |name: &str, secret: &str| {
        let secret = secret.trim();
        if secret.is_empty() || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(misconfigured(name, "it is empty or has characters that a header cannot hold"));
        }
        Ok(secret.to_owned())
    };
    Ok(match credentials {
        Credentials::None => None,
        Credentials::Basic { user, password } => Some(auth::Credentials::Basic(user.clone(), password.clone())),
        Credentials::ApiKey(key) => Some(auth::Credentials::EncodedApiKey(checked("cluster.api_key", key)?)),
        Credentials::Bearer(token) => Some(auth::Credentials::Bearer(checked("cluster.bearer", token)?)),
    })
}

/// How a host's certificate is checked.
async fn validation(tls: &Tls, url: &Url, timeout: Duration) -> Result<CertificateValidation, ClusterError> {
    if !tls.verify {
        return Ok(CertificateValidation::None);
    }
    let mut trusted: Option<Certificate> = None;
    if let Some(pem) = &tls.ca_pem {
        trusted = Some(Certificate::from_pem(pem).map_err(|e| misconfigured("cluster.tls.ca_file", e.to_string()))?);
    }
    if let Some(fingerprint) = &tls.fingerprint {
        let der = pin::find(url, fingerprint, timeout).await?;
        let pinned = Certificate::from_der(&der).map_err(|e| misconfigured("cluster.tls.fingerprint", e.to_string()))?;
        match &mut trusted {
            Some(list) => list.append(pinned),
            None => trusted = Some(pinned),
        }
    }
    Ok(trusted.map_or(CertificateValidation::Default, CertificateValidation::Full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_secrets_stay_out_of_messages() {
        assert!(host_url("https://es:9200", false).is_ok());
        assert!(host_url("http://es:9200", true).is_ok());
        for (bad, says) in [
            ("http://es:9200", "allow_http"),
            ("ftp://es", "neither"),
            ("https://u:hunter2@es:9200", "password_file"),
            ("u:hunter2@es:x", "cluster.hosts"),
        ] {
            let text = host_url(bad, false).unwrap_err().to_string();
            assert!(text.contains(says) && !text.contains("hunter2"), "{bad}: {text}");
        }
        let secret = Credentials::Basic { user: "u".into(), password: "hunter2".into() };
        assert!(!format!("{:?}", ClusterOptions { credentials: secret, ..ClusterOptions::default() }).contains("hunter2"));
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_refused() {
        assert!(transport_credentials(&Credentials::ApiKey("a\nb".into())).is_err());
        assert!(transport_credentials(&Credentials::ApiKey("abc\n".into())).is_ok());
        assert!(transport_credentials(&Credentials::Bearer(" ".into())).is_err());
    }
}
