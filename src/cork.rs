//! A connection whose writes can be held back for a moment, so that a head and what follows it leave in one piece.
//!
//! Pingora flushes a head by itself, then each piece of a body, then the end of it: three packets, three system calls and three times a peer that
//! is woken up. Who knows that more follows at once holds the flushes back with a [`Gate`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes that are held back.
const MOST: usize = 64 * 1024;
/// Most in one piece: to copy a larger one costs more than a packet of its own.
const PIECE: usize = 32 * 1024;

/// Memory for what follows a piece: the framing around the next one.
const ROOM: usize = 512;

/// Holds the flushes of one connection back. Whoever holds must release, and then flush.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    /// The gate of a connection, if it has one.
    pub(crate) fn of(stream: &Stream) -> Option<Self> {
        stream.as_any().downcast_ref::<Cork>().map(|cork| cork.gate.clone())
    }

    /// From now on nothing has to leave.
    pub(crate) fn hold(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The next flush sends what was held back.
    pub(crate) fn release(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_held(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection with a gate.
#[derive(Debug)]
pub(crate) struct Cork {
    inner: Stream,
    gate: Gate,
    /// Written by its owner, and not handed on yet.
    held: BytesMut,
}

impl Cork {
    /// The connection with a gate; one that has it already stays as it is.
    pub(crate) fn on(stream: Stream) -> Stream {
        if Gate::of(&stream).is_some() {
            return stream;
        }
        Box::new(Self { inner: stream, gate: Gate::default(), held: BytesMut::new() })
    }

    /// Whether these bytes wait for those that follow.
    fn keeps(&self, bytes: usize) -> bool {
        (self.gate.is_held() || !self.held.is_empty()) && bytes <= PIECE && self.held.len() + bytes <= MOST
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        // Its memory is not kept while the connection waits.
        self.held = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cork {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.keeps(bytes.len()) {
            if self.held.capacity() - self.held.len() < bytes.len() {
                self.held.reserve(bytes.len() + ROOM);
            }
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        if self.keeps(len) {
            self.held.reserve(len + ROOM);
            slices.iter().for_each(|slice| self.held.extend_from_slice(slice));
            return Poll::Ready(Ok(len));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gate.is_held() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gate.release();
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncRead for Cork {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

#[async_trait]
impl Shutdown for Cork {
    async fn shutdown(&mut self) {
        self.gate.release();
        // What was held back still leaves; if it cannot, the connection ends all the same.
        let _ = tokio::io::AsyncWriteExt::flush(self).await;
        self.inner.shutdown().await;
    }
}

impl UniqueID for Cork {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Cork {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for Cork {
    async fn try_peek(&mut self, into: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(into).await
    }
}

impl GetTimingDigest for Cork {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Cork {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Cork {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    fn pair(room: usize) -> (Stream, Gate, DuplexStream) {
        let (near, far) = tokio::io::duplex(room);
        let stream = Cork::on(Box::new(near));
        let gate = Gate::of(&stream).unwrap();
        (stream, gate, far)
    }

    async fn there(far: &mut DuplexStream) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 256];
        let read = tokio::task::unconstrained(far.read(&mut bytes));
        let read = futures_util::FutureExt::now_or_never(read)?.unwrap();
        bytes.truncate(read);
        Some(bytes)
    }

    #[tokio::test]
    async fn what_is_held_back_leaves_in_one_piece() {
        let (mut stream, gate, mut far) = pair(1024);
        gate.hold();
        stream.write_all(b"head ").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(there(&mut far).await, None);
        stream.write_all(b"body ").await.unwrap();
        gate.release();
        stream.write_all(b"end").await.unwrap();
        assert_eq!(there(&mut far).await, None);
        stream.flush().await.unwrap();
        assert_eq!(there(&mut far).await.unwrap(), b"head body end");
        stream.write_all(b"at once").await.unwrap();
        assert_eq!(there(&mut far).await.unwrap(), b"at once");
    }

    #[tokio::test]
    async fn what_is_too_much_to_hold_back_goes_on_in_order() {
        let (mut stream, gate, mut far) = pair(1 << 20);
        gate.hold();
        stream.write_all(b"first").await.unwrap();
        stream.write_all(&vec![b'x'; MOST]).await.unwrap();
        gate.release();
        stream.flush().await.unwrap();
        drop(stream);
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!((all.len(), &all[..6]), (5 + MOST, &b"firstx"[..]));
    }

    #[tokio::test]
    async fn what_is_held_back_leaves_before_the_connection_ends() {
        let (mut stream, gate, mut far) = pair(1024);
        gate.hold();
        stream.write_all(b"last words").await.unwrap();
        Shutdown::shutdown(&mut *stream).await;
        drop(stream);
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"last words");
    }

    #[tokio::test]
    async fn a_connection_gets_one_gate() {
        let (stream, gate, _far) = pair(64);
        let again = Cork::on(stream);
        assert!(Arc::ptr_eq(&gate.0, &Gate::of(&again).unwrap().0));
    }
}
