//! The record of a request's attempts, for the ledger, the metrics and the log.

use std::time::Instant;

use parking_lot::Mutex;
use pooler_filter::codex::Failure;
use pooler_filter::{AttemptReport, AttemptResult, Candidate};

use crate::proxy::Gateway;

/// Every try so far. It outlives a walk that is given up because the client left.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    ended: Mutex<Vec<AttemptReport>>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug, Clone)]
struct Running {
    candidate: Candidate,
    since: Instant,
}

impl Attempts {
    /// An attempt at this account begins; its number, from 1.
    pub(super) fn begin(&self, candidate: &Candidate) -> u32 {
        *self.running.lock() = Some(Running { candidate: candidate.clone(), since: Instant::now() });
        u32::try_from(self.ended.lock().len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The attempt that runs has ended so.
    pub(crate) fn end(&self, gateway: &Gateway, result: AttemptResult, failure: Option<&Failure>) {
        let Some(running) = self.running.lock().take() else { return };
        let mut ended = self.ended.lock();
        let report = AttemptReport {
            number: u32::try_from(ended.len()).unwrap_or(u32::MAX).saturating_add(1),
            account: running.candidate.account,
            label: running.candidate.label,
            result,
            upstream_status: failure.and_then(|f| f.status),
            code: failure.and_then(|f| f.code.clone()),
            latency: running.since.elapsed(),
        };
        gateway.metrics.attempted(&report);
        ended.push(report);
    }

    /// All tries, in order.
    pub(crate) fn reports(&self) -> Vec<AttemptReport> {
        self.ended.lock().clone()
    }
}
