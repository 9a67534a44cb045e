//! Names to addresses, asynchronously, remembered for a while.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::literal;

/// How many names are remembered at the most; origins come from the operator, so this is never reached in earnest.
const MOST_NAMES: usize = 1024;

/// The addresses of one name, and when they were learned.
type Known = (Arc<[SocketAddr]>, Instant);

#[derive(Debug)]
pub(super) struct Resolver {
    ttl: Duration,
    known: Mutex<HashMap<(String, u16), Known>>,
}

impl Resolver {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, known: Mutex::default() }
    }

    /// All addresses of the name, at least one.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(ip) = literal(host) {
            return Ok(Arc::new([SocketAddr::new(ip, port)]));
        }
        let name = (host.to_owned(), port);
        if let Some((addresses, since)) = self.known.lock().get(&name)
            && since.elapsed() < self.ttl
        {
            return Ok(Arc::clone(addresses));
        }
        let found: Arc<[SocketAddr]> = tokio::net::lookup_host((name.0.as_str(), name.1)).await?.collect();
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        let mut known = self.known.lock();
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        known.insert(name, (Arc::clone(&found), Instant::now()));
        Ok(found)
    }
}
