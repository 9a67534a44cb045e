//! The simulated upstream: the stock binary, with the accounts that the gateway is given.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use codex_pooler::simulator::SimulatorConfig;

use super::child::{self, Child};

/// It, while it runs.
pub(super) struct Upstream {
    _child: Child,
    pub(super) address: SocketAddr,
    /// Origin of the storage that files go to.
    pub(super) uploads: String,
}

/// Starts it.
pub(super) fn start() -> io::Result<Upstream> {
    let dir = child::directory()?;
    let seed = dir.path().join("seed");
    let hex: String = SimulatorConfig::default().seed.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&seed, hex)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_codex-pooler"));
    command.args(["simulate", "--listen", "127.0.0.1:0", "--uploads", "127.0.0.1:0", "--seed-file"]).arg(&seed);
    let mut child = Child::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()), Some(dir))?;
    let lines = child::lines(&mut child, 2)?;
    let told = |what: &str| lines.iter().find_map(|line| line.strip_prefix(what));
    let address = told("simulated upstream on http://").and_then(|address| address.parse().ok());
    let uploads = told("file uploads on ").map(str::to_owned);
    let (Some(address), Some(uploads)) = (address, uploads) else {
        return Err(io::Error::other(format!("the simulator said {lines:?}")));
    };
    Ok(Upstream { _child: child, address, uploads })
}
