//! Trust by fingerprint: looks at the chain that a host presents and finds the certificate that was named.
//!
//! The connection made here carries nothing. What it finds is then trusted as an authority, and every real connection
//! is checked against it in full, host name included.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::error::{ClusterError, ErrorKind, NO_TLS};

/// Finds, in the chain that `url` presents, the certificate whose SHA-256 is `fingerprint`; returns it as DER.
pub(super) async fn find(url: &Url, fingerprint: &str, timeout: Duration) -> Result<Vec<u8>, ClusterError> {
    let place = format!("TLS {url}");
    let wanted = parse(fingerprint).ok_or_else(|| {
        ClusterError::new(ErrorKind::Misconfigured, "cluster.tls.fingerprint", "it is not a SHA-256 fingerprint: 64 hexadecimal digits")
    })?;
    let chain = tokio::time::timeout(timeout, presented(url, &place))
        .await
        .map_err(|_| ClusterError::new(ErrorKind::TimedOut, place.clone(), "no TLS handshake"))??;
    chain
        .into_iter()
        .find(|der| Sha256::digest(der).as_slice() == wanted)
        .ok_or_else(|| ClusterError::new(ErrorKind::UntrustedCertificate, place, "no certificate of the chain has the fingerprint that was given"))
}

/// True when the port of an address speaks TLS, whoever it is.
pub(super) async fn speaks_tls(url: &Url, timeout: Duration) -> bool {
    tokio::time::timeout(timeout, presented(url, "TLS")).await.is_ok_and(|certificates| certificates.is_ok())
}

/// Reads 64 hexadecimal digits, with or without colons and in either case.
fn parse(fingerprint: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = fingerprint.trim().chars().filter(|&c| c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
    }
    Some(out)
}

/// The certificates that a host presents, its own first.
async fn presented(url: &Url, place: &str) -> Result<Vec<Vec<u8>>, ClusterError> {
    let unreachable = |e: std::io::Error| match e.to_string() {
        text if text.contains(NO_TLS) => ClusterError::plain_port(place),
        text => ClusterError::new(ErrorKind::Unreachable, place, text),
    };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|e| ClusterError::new(ErrorKind::Misconfigured, place, e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let look = Arc::new(Look { provider: provider.clone(), seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| ClusterError::new(ErrorKind::Misconfigured, place, e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(look.clone())
        .with_no_client_auth();
    let tcp = TcpStream::connect((host.as_str(), url.port_or_known_default().unwrap_or(443))).await.map_err(unreachable)?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(unreachable)?;
    Ok(std::mem::take(&mut *look.seen.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Accepts any certificate, to look at it; that the host holds its key is still checked.
#[derive(Debug)]
struct Look {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for Look {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|c| c.to_vec()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_in_both_spellings() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(parse(&plain), Some([0xab; 32]));
        assert_eq!(parse(&colons), parse(&plain));
        for bad in ["", "ab", "zz", &"ab".repeat(31)] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
