//! The upstream in words of tests.

use std::time::Duration;

use codex_pooler::simulator::{Fault, FaultSpec, ScriptStep, Simulator, SimulatorConfig, Who};

/// Starts the simulated backend; bodies are kept, so that tests see what arrived.
pub async fn start(accounts: usize) -> Simulator {
    let config = SimulatorConfig { accounts, record_bodies: true, ..SimulatorConfig::default() };
    Simulator::start(config).await.expect("a free port")
}

/// One event as the upstream would write it.
pub fn event(data: &serde_json::Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// Makes an account answer with exactly these bytes as an event stream that ends in good order.
pub fn sse(who: Who, simulator: &Simulator, text: impl Into<String>) {
    simulator.fault(who, Fault::sse(text.into().into_bytes()));
}

/// The same once, and then a cut of the connection.
pub fn sse_then_cut(who: Who, simulator: &Simulator, text: &str) {
    let steps = vec![
        ScriptStep::Status(200),
        ScriptStep::Header("content-type".into(), "text/event-stream".into()),
        ScriptStep::Send(text.to_owned().into()),
        ScriptStep::Cut,
    ];
    simulator.inject(FaultSpec::new(who, Fault::Script(steps)));
}

/// What waiting for the simulator is bounded by.
pub const PATIENCE: Duration = super::PATIENCE;
