//! What comes first on a connection of a client: TLS, and which protocol it speaks. Everything here has a deadline.
//!
//! Pingora's own way waits a minute for a handshake, and for ever for the first bytes of a connection that may be HTTP/2.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Peek as _;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::{ALPN, Ssl as _, Stream};
use pingora_core::server::ShutdownWatch;
use tokio::time::timeout;

use super::multiplex;
use crate::cork::Cork;
use crate::proxy::Gateway;
use crate::tls::Slot;

/// How HTTP/2 without TLS begins (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much of it is looked at, step by step: never more than the shortest request of HTTP/1 that begins in the same way.
const STEPS: [usize; 4] = [1, 4, 16, PREFACE.len()];

/// The gateway as a listener needs it.
pub(super) struct Front {
    gateway: Arc<Gateway>,
    /// The certificate of this listener; none: no TLS here.
    certificate: Option<Arc<Slot>>,
}

/// A connection that is ready for requests.
enum Opened {
    Http1(Stream),
    Http2(Stream),
    /// Its client said too little in time.
    Silent(Stream),
    /// There is nobody, or nobody that can be understood.
    Nothing,
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut stopping = shutdown.clone();
        let opened = tokio::select! {
            biased;
            opened = self.open(stream) => opened,
            _ = stopping.wait_for(|stop| *stop) => return None,
        };
        match opened {
            Opened::Http1(stream) => self.gateway.connection(Cork::on(stream), shutdown).await,
            // Apart, here and below: connections of HTTP/1.1 have no room for it.
            Opened::Http2(stream) => Box::pin(multiplex::serve(&self.gateway, stream, shutdown)).await,
            Opened::Silent(stream) => Box::pin(self.gateway.refuse_silence(stream)).await,
            Opened::Nothing => {}
        }
        None
    }
}

impl Front {
    pub(super) const fn plain(gateway: Arc<Gateway>) -> Self {
        Self { gateway, certificate: None }
    }

    pub(super) const fn secure(gateway: Arc<Gateway>, certificate: Arc<Slot>) -> Self {
        Self { gateway, certificate: Some(certificate) }
    }

    async fn open(&self, stream: Stream) -> Opened {
        let Ok(socket) = stream.into_any().downcast::<Socket>() else { return Opened::Nothing };
        match &self.certificate {
            Some(certificate) => Box::pin(self.secured(certificate, *socket)).await,
            None if self.gateway.settings.gateway.h2c => self.recognized(socket).await,
            None => Opened::Http1(socket),
        }
    }

    /// The protocol is what both ends agreed to; a client that names none speaks HTTP/1.1.
    async fn secured(&self, certificate: &Slot, socket: Socket) -> Opened {
        let acceptor = certificate.acceptor();
        match timeout(self.gateway.settings.limits.head_timeout, acceptor.tls_handshake(socket)).await {
            Ok(Ok(stream)) if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) => Opened::Http2(Box::new(stream)),
            Ok(Ok(stream)) => Opened::Http1(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::debug!(cause = error.etype().as_str(), "a TLS handshake failed");
                Opened::Nothing
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                Opened::Nothing
            }
        }
    }

    /// The protocol is told by the first bytes, which stay to be read.
    async fn recognized(&self, mut socket: Box<Socket>) -> Opened {
        match timeout(self.gateway.settings.limits.head_timeout, begins_with_preface(&mut socket)).await {
            Ok(Ok(true)) => Opened::Http2(socket),
            Ok(Ok(false)) => Opened::Http1(socket),
            Ok(Err(_)) => Opened::Nothing,
            Err(_) => Opened::Silent(socket),
        }
    }
}

async fn begins_with_preface(socket: &mut Socket) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    for length in STEPS {
        socket.try_peek(&mut seen[..length]).await?;
        if seen[..length] != PREFACE[..length] {
            return Ok(false);
        }
    }
    Ok(true)
}
