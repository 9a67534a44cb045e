//! The turn that is being answered: its delays, then its acts one by one.

use std::future::{Future, pending};
use std::pin::Pin;

use tokio::time::Sleep;

use super::super::state::InFlight;
use super::act::Act;
use super::turn::Planned;

pub(super) type Planning = Pin<Box<dyn Future<Output = Planned> + Send>>;

/// The turn that is being answered.
pub(super) struct Running {
    planning: Option<Planning>,
    /// What becomes of it, once that is decided.
    pub(super) planned: Option<Planned>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The response that it goes on from.
    pub(super) previous: Option<String>,
    /// Its id in the record.
    pub(super) record: u64,
    pub(super) flight: InFlight,
}

impl Running {
    pub(super) fn new(planning: Planning, previous: Option<String>, record: u64, flight: InFlight) -> Running {
        Running { planning: Some(planning), planned: None, sleep: None, previous, record, flight }
    }
}

/// The next act of the running turn, its pauses served; `None` when it is over. Waits for ever without a turn.
pub(super) async fn next_act(running: &mut Option<Running>) -> Option<Act> {
    let Some(running) = running else { return pending().await };
    if let Some(planning) = &mut running.planning {
        running.planned = Some(planning.await);
        running.planning = None;
    }
    loop {
        let acts = &mut running.planned.as_mut()?.acts;
        match acts.front() {
            Some(Act::Wait(pause)) => {
                running.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(*pause))).await;
                running.sleep = None;
                acts.pop_front();
            }
            Some(Act::Hang) => return pending().await,
            Some(_) => return acts.pop_front(),
            None => return None,
        }
    }
}
