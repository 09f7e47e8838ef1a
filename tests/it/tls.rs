//! TLS: an unknown authority is refused with words that help, a CA file or a fingerprint mends it.

use std::sync::Arc;

use elkhound::cluster::connect::plainly_said;
use elkhound::cluster::{Call, Cluster, ClusterError, ClusterOptions, ErrorKind, SimulatedTimer, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::script;

/// An HTTPS server for `localhost`, its authority as PEM, and the authority's fingerprint.
async fn server() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "elkhound test authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();

    let chain = vec![leaf.der().clone(), authority.der().clone()];
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").await;
            let _ = socket.shutdown().await;
        }
    });
    let fingerprint = Sha256::digest(authority.der()).iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":");
    (url, authority.pem(), fingerprint)
}

async fn ask(url: &str, tls: Tls) -> Result<(), ClusterError> {
    let options = ClusterOptions { tls, allow_http: false, ..script::options(url) };
    let cluster = Cluster::connect(&options, Arc::new(SimulatedTimer::default())).await?;
    cluster.send(Call::get("/")).await.map(|_| ())
}

/// A plain HTTP server.
async fn plain() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            let _ = socket.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn https_on_a_plain_port_and_http_on_a_port_with_tls_are_told_as_that() {
    let https = plain().await.replace("http://", "https://");
    for tls in [Tls::default(), Tls { fingerprint: Some("00".repeat(32)), ..Tls::default() }] {
        let error = ask(&https, tls).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("the port speaks plain HTTP: write http:// and set cluster.allow_http: true"), "{error}");
    }

    let (https, ..) = server().await;
    let options = script::options(&https.replace("https://", "http://"));
    let cluster = Cluster::connect(&options, Arc::new(SimulatedTimer::default())).await.unwrap();
    let error = cluster.send(Call::get("/")).await.unwrap_err();
    let said = plainly_said(error, &options).await;
    assert_eq!(said.kind, ErrorKind::Misconfigured, "{said}");
    assert!(said.to_string().contains("the port speaks TLS: write https://"), "{said}");

    let options = script::options("http://127.0.0.1:9");
    let gone = ClusterError::new(ErrorKind::Unreachable, "x", "refused");
    assert_eq!(plainly_said(gone.clone(), &options).await, gone, "a port where nobody listens stays what it is");
}

#[tokio::test]
async fn a_certificate_is_trusted_by_authority_or_fingerprint_and_not_otherwise() {
    let (url, pem, fingerprint) = server().await;
    let error = ask(&url, Tls::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UntrustedCertificate, "{error}");
    assert!(error.is_permanent() && error.to_string().contains("cluster.tls.ca_file"), "{error}");

    ask(&url, Tls { ca_pem: Some(pem.into_bytes()), ..Tls::default() }).await.unwrap();
    ask(&url, Tls { fingerprint: Some(fingerprint), ..Tls::default() }).await.unwrap();
    ask(&url, Tls { verify: false, ..Tls::default() }).await.unwrap();

    let wrong = ask(&url, Tls { fingerprint: Some("00".repeat(32)), ..Tls::default() }).await.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::UntrustedCertificate);
    let malformed = ask(&url, Tls { fingerprint: Some("beef".into()), ..Tls::default() }).await.unwrap_err();
    assert_eq!(malformed.kind, ErrorKind::Misconfigured);
    let no_pem = ask(&url, Tls { ca_pem: Some(b"not a certificate".to_vec()), ..Tls::default() }).await.unwrap_err();
    assert_eq!(no_pem.kind, ErrorKind::Misconfigured);

    // The name must fit too.
    let other = url.replace("localhost", "127.0.0.1");
    assert_eq!(ask(&other, Tls { fingerprint: Some("00".repeat(32)), ..Tls::default() }).await.unwrap_err().kind, ErrorKind::UntrustedCertificate);
}
