//! Drives the simulator over real loopback sockets.

mod client;
mod compaction;
mod control;
mod faults;
mod files;
mod forms;
mod hosted;
mod lite;
mod oauth;
mod refusals;
mod schemas;
mod streams;
mod websocket;

use std::time::Duration;

use super::{Simulator, SimulatorConfig};

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

async fn simulator() -> Simulator {
    let control = Some("127.0.0.1:0".parse().unwrap());
    Simulator::start(SimulatorConfig { control, record_bodies: true, ..SimulatorConfig::default() }).await.unwrap()
}
