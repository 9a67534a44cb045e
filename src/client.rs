//! The HTTP client for upstreams, on Pingora's connector: pooled connections, deadlines of our own, no redirects and no retries of its own.

mod connection;
mod error;
mod framing;
mod resolve;

pub use connection::{Call, Connection};
pub use error::NetError;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use url::{Host, Position, Url};

use self::error::told;
use self::resolve::Resolver;
use crate::config::Origin;
use crate::cork::Cork;

/// Scheme, host and port of an origin, ready to be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
}

impl From<&Origin> for Endpoint {
    fn from(origin: &Origin) -> Self {
        // An `Origin` is scheme, host and port of a URL that was parsed before; what cannot be read again cannot be dialled either.
        let nowhere = Self { tls: false, host: String::new(), port: 0, authority: String::new() };
        Url::parse(origin.as_str()).ok().and_then(|url| Self::of(&url)).unwrap_or(nowhere)
    }
}

impl Endpoint {
    /// Where a URL leads to; none for one that has no host, or is neither https nor http.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let authority = url[Position::BeforeHost..Position::AfterPort].to_owned();
        Some(Self { tls, host, port: url.port_or_known_default()?, authority })
    }
}

/// Deadlines and sizes of the client.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// To connect: the lookup of the name, all its addresses and handshakes in sum.
    pub connect_timeout: Duration,
    /// Between two bytes of an answer, and to the first.
    pub idle_timeout: Duration,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
    /// Most unused connections that are kept.
    pub pool_size: usize,
    /// How long a resolved name is remembered.
    pub resolve_ttl: Duration,
}

/// Which addresses of a host may be dialled.
pub type Allowed<'a> = &'a (dyn Fn(IpAddr) -> bool + Send + Sync);

/// Reaches origins.
pub struct Client {
    connector: TransportConnector,
    resolver: Resolver,
    options: ClientOptions,
    /// How many connections were made that are not for the pool.
    apart: AtomicU64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with an empty pool.
    #[must_use]
    pub fn new(options: ClientOptions) -> Arc<Self> {
        let connector = TransportConnector::new(Some(ConnectorOptions::new(options.pool_size)));
        let resolver = Resolver::new(options.resolve_ttl);
        Arc::new(Self { connector, resolver, options, apart: AtomicU64::new(0) })
    }

    /// Connects, or takes a connection from the pool. All addresses of the name are tried.
    pub async fn connect(self: &Arc<Self>, to: &Endpoint) -> Result<Connection, NetError> {
        self.reach(to, 0, &|_| true).await
    }

    /// Connects anew, for a request that must not meet a stale connection: it is not from the pool, and does not go there afterwards.
    pub async fn connect_apart(self: &Arc<Self>, to: &Endpoint) -> Result<Connection, NetError> {
        self.reach(to, self.new_group(), &|_| true).await
    }

    /// Connects anew, and only to an address of the host that `allowed` allows: the very address that was asked about is dialled.
    pub async fn connect_checked(
        self: &Arc<Self>,
        to: &Endpoint,
        allowed: Allowed<'_>,
    ) -> Result<Connection, NetError> {
        self.reach(to, self.new_group(), allowed).await
    }

    fn new_group(&self) -> u64 {
        self.apart.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// `group`: 0 for the pool; any other number has no connection there.
    async fn reach(self: &Arc<Self>, to: &Endpoint, group: u64, allowed: Allowed<'_>) -> Result<Connection, NetError> {
        let failed = |why: String| NetError::Connect(to.authority.clone(), why);
        let limit = self.options.connect_timeout;
        let deadline = Instant::now() + limit;
        // A name that cannot be looked up leaves time for the addresses that it had.
        let addresses = self.resolver.addresses(&to.host, to.port, limit / 2).await;
        let mut addresses = addresses.map_err(|error| failed(error.to_string()))?.to_vec();
        addresses.retain(|address| allowed(address.ip()));
        if addresses.is_empty() {
            return Err(failed("no address of the host may be dialled".to_owned()));
        }
        let mut last = String::from("no time was left");
        for (left, address) in (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev().zip(addresses.iter()) {
            // One that does not answer leaves time for the others.
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            if share.is_zero() {
                break;
            }
            let peer = self.peer(to, *address, share, group);
            match self.connector.get_stream(&peer).await {
                Ok((stream, reused)) => {
                    let session = HttpSession::new_with_options(Cork::on(stream), &peer);
                    return Ok(Connection::new(session, peer, reused, Arc::clone(self), to.authority.clone()));
                }
                Err(error) => last = told(&error),
            }
        }
        Err(failed(last))
    }

    fn peer(&self, to: &Endpoint, address: SocketAddr, limit: Duration, group: u64) -> HttpPeer {
        let mut peer = HttpPeer::new(address, to.tls, to.host.clone());
        peer.group_key = group;
        peer.options.connection_timeout = Some(limit);
        peer.options.total_connection_timeout = Some(limit);
        peer.options.idle_timeout = Some(self.options.pool_idle);
        peer
    }
}

/// The address that a host text is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

#[cfg(test)]
mod tests;
