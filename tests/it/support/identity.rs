//! Certificates made for a test, the files they are in, and clients that trust them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codex_pooler::config::Tls;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

/// A certificate for this machine.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Identity {
    pub fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// Puts it where a listener reads it.
    pub fn write(&self, files: &Tls) {
        fs::write(&files.certificate, &self.certificate).expect("a file");
        fs::write(&files.key, &self.key).expect("a file");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).expect("a file");
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM")
    }

    /// Connects with these protocols; it stops the test unless the other end has this certificate.
    pub async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
        self.try_connect(address, protocols).await.expect("a handshake")
    }

    pub async fn try_connect(&self, address: SocketAddr, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        connect_with(&self.connector(protocols), address).await
    }

    /// What connects, and resumes sessions where it can.
    pub fn connector(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let mut config = config
            .with_safe_default_protocol_versions()
            .expect("its own versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

pub async fn connect_with(connector: &TlsConnector, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").expect("a name");
    timeout(PATIENCE, connector.connect(name, stream)).await.expect("a handshake within the patience of the test")
}

/// A listener on any free port with its files in this directory.
pub fn listener(dir: &Path) -> Tls {
    let file = |name: &str| -> PathBuf { dir.join(name) };
    Tls { listen: vec![([127, 0, 0, 1], 0).into()], certificate: file("cert.pem"), key: file("key.pem") }
}
