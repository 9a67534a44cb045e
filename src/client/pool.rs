//! Connections that nobody uses, kept for the next request to the same endpoint.
//!
//! Pingora's pool watches each of them with a task and a timer of its own, so that every request costs a task, the wake-up of another thread and
//! system calls. Here a connection is looked at when it comes, when it is taken, and every few seconds between.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::Endpoint;

/// How often those are looked for that have ended or were kept for too long.
const SWEEP: Duration = Duration::from_secs(5);

/// The unused connections of a client.
#[derive(Debug)]
pub(super) struct Pool {
    kept: Mutex<Kept>,
    /// How long one is kept.
    keep: Duration,
    /// Most that are kept.
    size: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order in which they came.
    all: VecDeque<Idle>,
    /// Somebody sweeps, and goes on until there are none.
    swept: bool,
}

#[derive(Debug)]
struct Idle {
    endpoint: Arc<Endpoint>,
    stream: Stream,
    since: Instant,
}

impl Idle {
    fn is_good(&mut self, keep: Duration) -> bool {
        self.since.elapsed() < keep && is_quiet(&mut self.stream)
    }
}

impl Pool {
    pub(super) fn new(keep: Duration, size: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), keep, size })
    }

    /// The connection to this endpoint that was used last; one that ended meanwhile is dropped on the way. It may have ended unseen all the same.
    pub(super) fn take(&self, to: &Endpoint) -> Option<(Arc<Endpoint>, Stream)> {
        loop {
            let mut idle = {
                let mut kept = self.kept.lock();
                let at = kept.all.iter().rposition(|idle| *idle.endpoint == *to)?;
                kept.all.remove(at)?
            };
            if idle.is_good(self.keep) {
                return Some((idle.endpoint, idle.stream));
            }
        }
    }

    /// Keeps a connection, unless it has ended or bytes came that nobody asked for. The one that waited longest makes room.
    pub(super) fn put(self: &Arc<Self>, endpoint: Arc<Endpoint>, mut stream: Stream) {
        if self.size == 0 || !is_quiet(&mut stream) {
            return;
        }
        let since = Instant::now();
        let (_oldest, sweep) = {
            let mut kept = self.kept.lock();
            let oldest = if kept.all.len() >= self.size { kept.all.pop_front() } else { None };
            kept.all.push_back(Idle { endpoint, stream, since });
            (oldest, !std::mem::replace(&mut kept.swept, true))
        };
        if sweep {
            tokio::spawn(sweep_all(Arc::downgrade(self), SWEEP.min(self.keep)));
        }
    }

    /// Drops those that have ended or were kept for too long. Whether any is left.
    fn sweep(&self) -> bool {
        let mut kept = self.kept.lock();
        kept.all.retain_mut(|idle| idle.is_good(self.keep));
        kept.swept = !kept.all.is_empty();
        kept.swept
    }
}

async fn sweep_all(pool: Weak<Pool>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
            return;
        }
    }
}

/// Whether nothing has come over a connection: neither its end nor a byte.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
}

#[cfg(test)]
mod tests {
    use pingora_core::protocols::l4::stream::Stream as Socket;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use url::Url;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A connection, and its other end.
    async fn connection() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Box::new(Socket::from(near)), listener.accept().await.unwrap().0)
    }

    fn endpoint(url: &str) -> Arc<Endpoint> {
        Arc::new(Endpoint::of(&Url::parse(url).unwrap()).unwrap())
    }

    fn len(pool: &Pool) -> usize {
        pool.kept.lock().all.len()
    }

    #[tokio::test]
    async fn gives_the_last_one_of_the_endpoint_and_no_other() {
        let pool = Pool::new(MINUTE, 8);
        let (one, other) = (endpoint("http://one.test"), endpoint("https://one.test"));
        let mut far = Vec::new();
        let mut ids = Vec::new();
        for to in [&one, &one, &other] {
            let (near, end) = connection().await;
            ids.push(near.id());
            pool.put(Arc::clone(to), near);
            far.push(end);
        }
        assert_eq!(pool.take(&one).map(|(_, stream)| stream.id()), Some(ids[1]));
        assert_eq!(pool.take(&one).map(|(_, stream)| stream.id()), Some(ids[0]));
        assert!(pool.take(&one).is_none());
        assert_eq!(pool.take(&other).map(|(_, stream)| stream.id()), Some(ids[2]));
    }

    #[tokio::test]
    async fn what_has_ended_or_speaks_unasked_is_not_given() {
        let pool = Pool::new(MINUTE, 8);
        let to = endpoint("http://one.test");
        for ends in [true, false] {
            let ((near, far), (late, mut loud)) = (connection().await, connection().await);
            pool.put(Arc::clone(&to), near);
            pool.put(Arc::clone(&to), late);
            if ends {
                drop((far, loud));
            } else {
                drop(far);
                loud.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
            }
            // The runtime sees it in its time.
            while pool.sweep() {
                tokio::task::yield_now().await;
            }
            assert!(pool.take(&to).is_none());
        }
    }

    #[tokio::test]
    async fn keeps_no_more_than_its_size_and_the_newest_ones() {
        let pool = Pool::new(MINUTE, 2);
        let to = endpoint("http://one.test");
        let mut all = Vec::new();
        for _ in 0..3 {
            let (near, far) = connection().await;
            all.push((near.id(), far));
            pool.put(Arc::clone(&to), near);
        }
        let mut taken = Vec::new();
        while let Some((_, stream)) = pool.take(&to) {
            taken.push(stream.id());
        }
        assert_eq!(taken, [all[2].0, all[1].0]);
        let none = Pool::new(MINUTE, 0);
        none.put(Arc::clone(&to), connection().await.0);
        assert_eq!(len(&none), 0);
    }

    #[tokio::test]
    async fn one_that_was_kept_for_too_long_is_closed_unasked() {
        let pool = Pool::new(Duration::from_millis(20), 8);
        let (near, mut far) = connection().await;
        pool.put(endpoint("http://one.test"), near);
        assert_eq!(len(&pool), 1);
        // Its end is seen at the other end, and the sweeper is gone with the last one.
        let mut byte = [0; 1];
        let read = tokio::time::timeout(MINUTE, tokio::io::AsyncReadExt::read(&mut far, &mut byte)).await;
        assert_eq!(read.unwrap().unwrap(), 0);
        assert_eq!((len(&pool), pool.kept.lock().swept), (0, false));
    }
}
