//! The least that a proxy on Pingora can be: `ProxyHttp` with one upstream and every hook at its default.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::thread::available_parallelism;

use async_trait::async_trait;
use pingora_core::server::Server;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use super::child::{self, Child};

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

/// Serves until the parent is gone; with as many threads as the gateway has.
pub(crate) fn run(upstream: SocketAddr) -> io::Result<()> {
    child::end_with_parent();
    let address = child::free_address()?;
    let threads = available_parallelism().map_or(1, Into::into);
    let conf = ServerConf { threads, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&address.to_string());
    server.add_service(service);
    writeln!(io::stdout(), "{address}")?;
    server.run_forever()
}

pub(crate) async fn start(upstream: SocketAddr) -> io::Result<(Child, SocketAddr)> {
    let (child, address) = child::role("bare", &[upstream.to_string()])?;
    child::wait_for(address).await?;
    Ok((child, address))
}
