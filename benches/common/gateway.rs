//! The gateway: the stock binary on a directory of its own, with a pool, a key and accounts that are made up.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use codex_pooler::admin::{self, Command as Order, Reply};
use codex_pooler::simulator::{SimulatorConfig, derive_accounts};
use pooler_filter::Secret;

use super::child::{self, Child};

const POOL: &str = "bench";

/// A gateway that listens.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// Where its metrics are.
    #[allow(dead_code, reason = "each bench uses its own part")]
    pub(crate) operations: SocketAddr,
    pub(crate) key: String,
}

/// Starts it and gives its address and a key; beside its addresses, only what `config` says is not its default.
pub(crate) async fn start(upstream: SocketAddr, config: &str) -> io::Result<(Child, SocketAddr, String)> {
    let dir = child::directory()?;
    let running = launch(dir.path(), &SimulatorConfig::default(), upstream, config).await?;
    Ok((running.child.holding(dir), running.address, running.key))
}

/// The same in a directory of the caller's, with its data in `data`, and with the accounts of this simulator.
pub(crate) async fn launch(
    dir: &Path,
    simulator: &SimulatorConfig,
    upstream: SocketAddr,
    config: &str,
) -> io::Result<Running> {
    let (file, data) = (dir.join("gateway.toml"), dir.join("data"));
    let text = format!(
        "[gateway]\nlisten = [\"127.0.0.1:0\"]\n[operations]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = \"data\"\n{config}"
    );
    std::fs::write(&file, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_codex-pooler"));
    command.arg("serve").arg("--config").arg(&file).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Child::spawn(&mut command, None)?;
    // Two lines tell of the root key that was made, and two of addresses.
    let lines = child::lines(&mut child, 4)?;
    let told = |what: &str| {
        let address = lines.iter().find_map(|line| line.strip_prefix(what)?.parse().ok());
        address.ok_or_else(|| io::Error::other(format!("the gateway said {lines:?}")))
    };
    let (address, operations) = (told("listening on http://")?, told("metrics and health on http://")?);
    let key = furnish(&data.join("admin.sock"), simulator, upstream).await?;
    Ok(Running { child, address, operations, key })
}

async fn furnish(socket: &Path, simulator: &SimulatorConfig, upstream: SocketAddr) -> io::Result<String> {
    let order = async |order: Order| admin::call(socket, &order).await.map_err(io::Error::other);
    order(Order::PoolCreate { slug: POOL.into(), name: None }).await?;
    let origin = Some(format!("http://{upstream}"));
    for account in derive_accounts(simulator) {
        let import = Order::AccountImport {
            auth_json: Secret::new(account.auth_json().to_string()),
            pool: POOL.into(),
            label: Some(account.label().into()),
            origin: origin.clone(),
            issuer: origin.clone(),
            simulated: true,
        };
        order(import).await?;
    }
    let create = Order::KeyCreate { pool: POOL.into(), name: POOL.into(), expires_at: None, models: None };
    let replies = order(create).await?;
    let key = replies.iter().find_map(|reply| if let Reply::NewKey(new) = reply { Some(&new.key) } else { None });
    key.map(|key| key.expose().to_owned()).ok_or_else(|| io::Error::other("no key was made"))
}
