//! The processes that are asked: the upstream itself, and what stands before it.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::io;
use std::net::SocketAddr;

use super::child::Child;
use super::{bare, gateway, nginx};

pub(crate) const DIRECT: &str = "direct";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const BARE: &str = "pingora";
pub(crate) const GATEWAY: &str = "codex-pooler";
pub(crate) const QUIET: &str = "codex-pooler, log off";

/// Where the backend takes responses.
pub(crate) const BACKEND: &str = "/backend-api/codex/responses";
/// Where gateways take them.
pub(crate) const RESPONSES: &str = "/v1/responses";

/// One of them.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// What its clients send, if it asks for that.
    pub(crate) key: Option<String>,
    /// None where the upstream is asked itself.
    pub(crate) child: Option<Child>,
}

/// Starts all that are `wanted`; nginx only where it is installed.
pub(crate) async fn start(upstream: SocketAddr, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Server>> {
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
