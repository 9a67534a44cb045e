//! The HTTP client for upstreams, on Pingora's connector: a pool and deadlines of our own, no redirects and no retries of its own.

mod answer;
mod connection;
mod error;
mod framing;
mod pool;
mod request;
mod resolve;

#[cfg(any(test, fuzzing))]
pub(crate) use answer::fuzz;
pub use connection::{Call, Connection};
pub use error::NetError;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::time::timeout;
use url::{Host, Position, Url};

use self::error::told;
use self::pool::Pool;
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
    pool: Arc<Pool>,
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
        // Its own pool stays empty.
        let connector = TransportConnector::new(None);
        let (resolver, pool) = (Resolver::new(options.resolve_ttl), Pool::new(options.pool_idle, options.pool_size));
        Arc::new(Self { connector, resolver, options, pool })
    }

    /// Takes a connection from the pool, or connects. All addresses of the name are tried.
    pub async fn connect(self: &Arc<Self>, to: &Endpoint) -> Result<Connection, NetError> {
        if let Some((endpoint, stream)) = self.pool.take(to) {
            return Ok(Connection::reused_from(self, endpoint, stream));
        }
        let stream = self.reach(to, &|_| true).await?;
        Ok(Connection::for_the_pool(self, to, stream))
    }

    /// Connects anew, for a request that must not meet a stale connection: it is not from the pool, and does not go there afterwards.
    pub async fn connect_apart(self: &Arc<Self>, to: &Endpoint) -> Result<Connection, NetError> {
        self.connect_checked(to, &|_| true).await
    }

    /// Connects anew, and only to an address of the host that `allowed` allows: the very address that was asked about is dialled.
    pub async fn connect_checked(
        self: &Arc<Self>,
        to: &Endpoint,
        allowed: Allowed<'_>,
    ) -> Result<Connection, NetError> {
        let stream = self.reach(to, allowed).await?;
        Ok(Connection::apart(self, to, stream))
    }

    async fn reach(&self, to: &Endpoint, allowed: Allowed<'_>) -> Result<Stream, NetError> {
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
            let peer = HttpPeer::new(*address, to.tls, to.host.clone());
            // Much larger than a request that finds a connection.
            match timeout(share, Box::pin(self.connector.new_stream(&peer))).await {
                Ok(Ok(stream)) => return Ok(Cork::on(stream)),
                Ok(Err(error)) => last = told(&error),
                Err(_) => last = format!("{address} did not answer within {share:?}"),
            }
        }
        Err(failed(last))
    }
}

/// The address that a host text is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

#[cfg(test)]
mod tests;
