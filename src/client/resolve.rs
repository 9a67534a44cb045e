//! Names to addresses, asynchronously, remembered for a while; what was known last serves when a name cannot be looked up.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::literal;

/// How many names are remembered at the most: origins of operators, and the few hosts that files are uploaded to.
const MOST_NAMES: usize = 1024;
/// How long addresses that could not be looked up anew serve before the next try: not every request waits for a resolver that is down.
const AGAIN: Duration = Duration::from_secs(5);

type Name = (String, u16);

/// The addresses of one name, and until when they serve without another lookup.
#[derive(Debug, Clone)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    until: Instant,
}

#[derive(Debug)]
pub(super) struct Resolver {
    ttl: Duration,
    known: Mutex<HashMap<Name, Known>>,
}

impl Resolver {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, known: Mutex::default() }
    }

    /// All addresses of the name, at least one. A lookup takes no longer than `limit`.
    pub(super) async fn addresses(&self, host: &str, port: u16, limit: Duration) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(ip) = literal(host) {
            return Ok(Arc::new([SocketAddr::new(ip, port)]));
        }
        let lookup = async { Ok(tokio::net::lookup_host((host, port)).await?.collect()) };
        self.known_or(lookup, (host.to_owned(), port), limit).await
    }

    async fn known_or(
        &self,
        lookup: impl Future<Output = io::Result<Arc<[SocketAddr]>>>,
        name: Name,
        limit: Duration,
    ) -> io::Result<Arc<[SocketAddr]>> {
        let known = self.known.lock().get(&name).cloned();
        if let Some(known) = known.as_ref().filter(|known| Instant::now() < known.until) {
            return Ok(Arc::clone(&known.addresses));
        }
        let found = match timeout(limit, lookup).await {
            Ok(Ok(found)) if found.is_empty() => Err(io::Error::from(io::ErrorKind::NotFound)),
            Ok(found) => found,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        match (found, known) {
            (Ok(found), _) => {
                self.remember(name, &found, self.ttl);
                Ok(found)
            }
            (Err(error), Some(Known { addresses, .. })) => {
                tracing::warn!(host = name.0, %error, "a name cannot be looked up, its last addresses are used");
                self.remember(name, &addresses, AGAIN.min(self.ttl));
                Ok(addresses)
            }
            (Err(error), None) => Err(error),
        }
    }

    pub(super) fn remember(&self, name: Name, addresses: &Arc<[SocketAddr]>, serves: Duration) {
        let mut known = self.known.lock();
        if known.len() >= MOST_NAMES && !known.contains_key(&name) {
            known.clear();
        }
        known.insert(name, Known { addresses: Arc::clone(addresses), until: Instant::now() + serves });
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const TTL: Duration = Duration::from_secs(60);
    const LIMIT: Duration = Duration::from_secs(7);

    fn name() -> Name {
        ("a.example".to_owned(), 443)
    }

    fn found(last: u8) -> io::Result<Arc<[SocketAddr]>> {
        Ok(Arc::new([SocketAddr::from(([192, 0, 2, last], 443))]))
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_addresses_serve_when_a_lookup_fails() {
        let resolver = Resolver::new(TTL);
        let down = || ready(Err(io::Error::other("down")));
        assert!(resolver.known_or(down(), name(), LIMIT).await.is_err());
        assert_eq!(resolver.known_or(ready(found(1)), name(), LIMIT).await.unwrap(), found(1).unwrap());
        tokio::time::advance(TTL).await;
        assert_eq!(resolver.known_or(down(), name(), LIMIT).await.unwrap(), found(1).unwrap());
        let nothing = ready(Ok(Arc::new([]) as Arc<[SocketAddr]>));
        tokio::time::advance(AGAIN).await;
        assert_eq!(resolver.known_or(nothing, name(), LIMIT).await.unwrap(), found(1).unwrap());
        assert_eq!(resolver.known_or(ready(found(2)), name(), LIMIT).await.unwrap(), found(1).unwrap());
        tokio::time::advance(AGAIN).await;
        assert_eq!(resolver.known_or(ready(found(2)), name(), LIMIT).await.unwrap(), found(2).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_has_a_deadline() {
        let resolver = Resolver::new(TTL);
        let since = Instant::now();
        let error = resolver.known_or(pending(), name(), LIMIT).await.unwrap_err();
        assert_eq!((error.kind(), since.elapsed().as_secs()), (io::ErrorKind::TimedOut, LIMIT.as_secs()));
    }
}
