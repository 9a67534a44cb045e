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

/// Starts it and gives its address and a key; beside its addresses, only what `config` says is not its default.
pub(crate) async fn start(upstream: SocketAddr, config: &str) -> io::Result<(Child, SocketAddr, String)> {
    let dir = child::directory()?;
    let (file, data) = (dir.path().join("gateway.toml"), dir.path().join("data"));
    let text = format!(
        "[gateway]\nlisten = [\"127.0.0.1:0\"]\n[operations]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = \"data\"\n{config}"
    );
    std::fs::write(&file, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_codex-pooler"));
    command.arg("serve").arg("--config").arg(&file).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Child::spawn(&mut command, Some(dir))?;
    // Two lines tell of the root key that was made, and two of addresses.
    let lines = child::lines(&mut child, 4)?;
    let address = lines.iter().find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
    let address = address.ok_or_else(|| io::Error::other(format!("the gateway said {lines:?}")))?;
    let key = furnish(&data.join("admin.sock"), upstream).await?;
    Ok((child, address, key))
}

async fn furnish(socket: &Path, upstream: SocketAddr) -> io::Result<String> {
    let order = async |order: Order| admin::call(socket, &order).await.map_err(io::Error::other);
    order(Order::PoolCreate { slug: POOL.into(), name: None }).await?;
    let origin = Some(format!("http://{upstream}"));
    for account in derive_accounts(&SimulatorConfig::default()) {
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
