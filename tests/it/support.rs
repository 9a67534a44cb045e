//! Three nouns for tests: a gateway on port 0, the Codex backend behind it, a client that sends exactly the bytes it is told to.

#![allow(dead_code, reason = "each test module uses its own part")]

pub mod caller;
pub mod client;
pub mod codex;
pub mod frames;
pub mod gateway;
pub mod identity;
pub mod socket;
pub mod upstream;

#[allow(unused_imports, reason = "each test module uses its own part")]
pub use client::Client;
pub use gateway::Gateway;

use std::time::Duration;

/// No condition takes longer; a test that gets there has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until a condition holds; looks again every few milliseconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}
