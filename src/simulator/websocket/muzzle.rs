//! The stream under a websocket of the server. It can swallow the next pong, which the protocol layer sends on its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PONG: u8 = 0xa;

/// A stream that knows where the frames begin that are written to it.
#[derive(Debug)]
pub(super) struct Muzzle<S> {
    inner: S,
    /// The next pong is not sent.
    mute: bool,
    /// Bytes left of the frame that is being written.
    left: u64,
    /// That frame is swallowed.
    swallow: bool,
}

impl<S> Muzzle<S> {
    pub(super) fn new(inner: S) -> Muzzle<S> {
        Muzzle { inner, mute: false, left: 0, swallow: false }
    }

    /// The next pong is not sent.
    pub(super) fn mute_next_pong(&mut self) {
        self.mute = true;
    }

    /// Looks at the frame that `bytes` begin with. The protocol layer hands over whole frames, so the header is all there.
    fn begin(&mut self, bytes: &[u8]) {
        let Some((opcode, length)) = measure(bytes) else { return };
        self.left = length;
        self.swallow = opcode == PONG && std::mem::take(&mut self.mute);
    }
}

/// Opcode and length, header included, of an unmasked frame.
fn measure(bytes: &[u8]) -> Option<(u8, u64)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (header, payload) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    Some((first & 0xf, payload.saturating_add(header)))
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Muzzle<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.left == 0 {
            this.begin(bytes);
        }
        let part = match usize::try_from(this.left) {
            Ok(0) | Err(_) => bytes,
            Ok(left) => &bytes[..left.min(bytes.len())],
        };
        let written = if this.swallow { part.len() } else { ready!(Pin::new(&mut this.inner).poll_write(cx, part))? };
        this.left = this.left.saturating_sub(u64::try_from(written).unwrap_or(u64::MAX));
        this.swallow &= this.left > 0;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Muzzle<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn swallows_one_pong_and_nothing_else() {
        let mut muzzle = Muzzle::new(Vec::new());
        muzzle.mute_next_pong();
        let long = [&[0x81, 126, 1, 0][..], &[b'a'; 256]].concat();
        let longest = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[0x8a; 65_536]].concat();
        let bytes = [&long[..], &[0x8a, 2, 1, 2], &[0x8a, 1, 3], &longest].concat();
        muzzle.write_all(&bytes).await.unwrap();
        assert!(muzzle.inner == [&long[..], &[0x8a, 1, 3], &longest].concat());
    }
}
