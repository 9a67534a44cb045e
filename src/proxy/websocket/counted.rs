//! A connection that counts its bytes: whoever takes or sends anything at all is alive.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::toll::Toll;
use crate::proxy::downstream::Gone;

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(super) struct Moved {
    read: AtomicU64,
    written: AtomicU64,
}

impl Moved {
    /// Bytes that came.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes that went.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Waits for something that writes. The patience is with each byte: who reads slowly, reads.
    pub(super) async fn patiently<T>(&self, patience: Duration, writing: impl Future<Output = T>) -> Result<T, Gone> {
        let mut writing = std::pin::pin!(writing);
        loop {
            let before = self.written.load(Ordering::Relaxed);
            match timeout(patience, &mut writing).await {
                Ok(done) => return Ok(done),
                Err(_) if self.written.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(Gone),
            }
        }
    }
}

/// The connection.
#[derive(Debug)]
pub(super) struct Counted<S> {
    inner: S,
    moved: Arc<Moved>,
    toll: Option<Toll>,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, moved: Arc::default(), toll: None }
    }

    /// The same, where what comes is paid for with memory.
    pub(super) fn tolled(inner: S, toll: Toll) -> Self {
        Self { inner, moved: Arc::default(), toll: Some(toll) }
    }

    /// The counts, which go on.
    pub(super) fn moved(&self) -> Arc<Moved> {
        Arc::clone(&self.moved)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(toll) = &mut self.toll {
            ready!(toll.poll_paid(cx))?;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Some(toll) = &mut self.toll {
            toll.note(&buf.filled()[before..]);
        }
        self.moved.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.moved.written.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for_and_one_who_stopped_is_not() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Counted::new(near);
        let moved = near.moved();
        let slow = async {
            let mut sip = [0; 4];
            for _ in 0..8 {
                tokio::time::sleep(PATIENCE / 2).await;
                far.read_exact(&mut sip).await.unwrap();
            }
        };
        let (sent, ()) = tokio::join!(moved.patiently(PATIENCE, near.write_all(&[0; 40])), slow);
        assert!(sent.unwrap().is_ok(), "it took four times the patience");
        assert!(moved.patiently(PATIENCE, near.write_all(&[0; 40])).await.is_err(), "nobody reads");
    }

    #[tokio::test]
    async fn what_comes_is_counted() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Counted::new(near);
        far.write_all(b"hello").await.unwrap();
        near.read_exact(&mut [0; 5]).await.unwrap();
        assert_eq!(near.moved().read(), 5);
    }
}
