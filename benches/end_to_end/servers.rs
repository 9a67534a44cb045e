//! The processes that are asked: the upstream itself, and what stands before it.

use std::io;
use std::net::SocketAddr;

use super::child::Child;
use super::{bare, gateway, nginx};

pub(super) const DIRECT: &str = "direct";
pub(super) const NGINX: &str = "nginx";
pub(super) const BARE: &str = "pingora";
pub(super) const GATEWAY: &str = "codex-pooler";
pub(super) const QUIET: &str = "codex-pooler, log off";

/// One of them.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// What its clients send, if it asks for that.
    pub(super) key: Option<String>,
    /// None where the upstream is asked itself.
    pub(super) child: Option<Child>,
}

/// Starts all that are `wanted`; nginx only where it is installed.
pub(super) async fn start(upstream: SocketAddr, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Server>> {
    let open = |name, (child, address)| Server { name, address, key: None, child: Some(child) };
    let mut servers = vec![Server { name: DIRECT, address: upstream, key: None, child: None }];
    if wanted(NGINX) {
        servers.extend(nginx::start(upstream).await?.map(|started| open(NGINX, started)));
    }
    if wanted(BARE) {
        servers.push(open(BARE, bare::start(upstream).await?));
    }
    for (name, log) in [(GATEWAY, "info"), (QUIET, "warn")] {
        if wanted(name) {
            let config = format!("[log]\nfilter = \"{log}\"\n");
            let (child, address, key) = gateway::start(upstream, &config).await?;
            servers.push(Server { name, address, key: Some(key), child: Some(child) });
        }
    }
    Ok(servers)
}
