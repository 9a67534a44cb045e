//! The HTTP client for upstreams, on Pingora's connector: pooled connections, deadlines of our own, no redirects and no retries of its own.

mod connection;
mod resolve;

pub use connection::{Call, Connection, NetError};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use url::{Host, Url};

use self::resolve::Resolver;
use crate::config::Origin;

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
        let url = Url::parse(origin.as_str()).ok();
        let host = match url.as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => String::new(),
        };
        let tls = url.as_ref().is_some_and(|u| u.scheme() == "https");
        let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
        let authority = origin.as_str().split_once("://").map_or("", |(_, rest)| rest).to_owned();
        Self { tls, host, port, authority }
    }
}

/// Deadlines and sizes of the client.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// To connect, handshake included, for each address.
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

/// Reaches origins.
pub struct Client {
    connector: Connector,
    resolver: Resolver,
    options: ClientOptions,
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
        let connector = Connector::new(Some(ConnectorOptions::new(options.pool_size)));
        Arc::new(Self { connector, resolver: Resolver::new(options.resolve_ttl), options })
    }

    /// Connects, or takes a connection from the pool. All addresses of the name are tried.
    pub async fn connect(self: &Arc<Self>, to: &Endpoint) -> Result<Connection, NetError> {
        let failed = |why: String| NetError::Connect(to.authority.clone(), why);
        let addresses = self.resolver.addresses(&to.host, to.port).await.map_err(|e| failed(e.to_string()))?;
        let mut last = String::from("no address");
        for address in addresses.iter() {
            let peer = self.peer(to, *address);
            match self.connector.get_http_session(&peer).await {
                Ok((session, reused)) => {
                    return Ok(Connection::new(session, peer, reused, Arc::clone(self), to.authority.clone()));
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(failed(last))
    }

    fn peer(&self, to: &Endpoint, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, to.tls, to.host.clone());
        peer.options.connection_timeout = Some(self.options.connect_timeout);
        peer.options.total_connection_timeout = Some(self.options.connect_timeout);
        peer.options.idle_timeout = Some(self.options.pool_idle);
        peer
    }
}

/// The address that a host text is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_the_parts_of_its_origin() {
        let table = [
            ("https://chatgpt.com", true, "chatgpt.com", 443, "chatgpt.com"),
            ("http://127.0.0.1:9000", false, "127.0.0.1", 9000, "127.0.0.1:9000"),
            ("http://[::1]:9000", false, "::1", 9000, "[::1]:9000"),
            ("https://a.example:8443", true, "a.example", 8443, "a.example:8443"),
        ];
        for (text, tls, host, port, authority) in table {
            let endpoint = Endpoint::from(&text.parse::<Origin>().unwrap());
            assert_eq!(endpoint, Endpoint { tls, host: host.into(), port, authority: authority.into() });
        }
    }
}
