//! What each hook of each built-in filter costs, as the chain itself measures it, beside a filter that has no hooks at all.

#[path = "../common/filters.rs"]
mod filters;
#[path = "../common/table.rs"]
mod table;
#[path = "../common/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use pooler_filter::{
    BuildError, Contract, Filter, FilterContext, FilterFactory, Hook, Observer, Outcome, OutcomeKind, async_trait,
};

use self::filters::{BUILTIN, Bench};
use self::table::Row;

/// Exchanges that are looked at, after as many that are not.
const EXCHANGES: usize = 20_000;

/// A filter with the hooks that every filter has: none of its own. Its times are those of the call and of the clock.
struct Nothing;

#[derive(serde::Deserialize)]
struct NoConfig {}

impl FilterFactory for Nothing {
    const NAME: &'static str = "nothing";
    const CONTRACT: Contract = Contract::new();
    type Config = NoConfig;

    fn build(_: NoConfig, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl Filter for Nothing {}

/// Every measurement, by hook and filter.
#[derive(Default)]
struct Times(Mutex<BTreeMap<(&'static str, &'static str), Vec<Duration>>>);

impl Observer for Times {
    fn took(&self, filter: &'static str, hook: Hook, time: Duration) {
        self.0.lock().entry((hook.as_str(), filter)).or_default().push(time);
    }
}

fn exchange(bench: &Bench, body: &bytes::Bytes) {
    let mut journey = bench.down(body);
    drop(bench.up(&mut journey));
    let outcome = Outcome::new(OutcomeKind::Succeeded, 200);
    let done = bench.chain().done(&outcome, &mut journey.cx, journey.reached).now_or_never();
    assert!(done.is_some(), "nothing is waited for");
    bench.forget();
}

fn main() -> io::Result<()> {
    table::header()?;
    let times = Arc::new(Times::default());
    let names: Vec<&str> = ["nothing"].into_iter().chain(BUILTIN).collect();
    let registry = filters::builtin().with::<Nothing>();
    let bench = Bench::new(&registry, &names, Arc::clone(&times) as Arc<dyn Observer>);
    let body = wire::request(1 << 10);
    for _ in 0..EXCHANGES {
        exchange(&bench, &body);
    }
    times.0.lock().clear();
    for _ in 0..EXCHANGES {
        exchange(&bench, &body);
    }
    let mut times = std::mem::take(&mut *times.0.lock());
    for hook in [Hook::Headers, Hook::Body, Hook::Response, Hook::Done] {
        for name in &names {
            let Some(times) = times.get_mut(&(hook.as_str(), *name)) else { continue };
            times.sort_unstable();
            let subject = if *name == "nothing" { "nothing (baseline)" } else { name };
            Row {
                p50: Some(times[times.len() / 2]),
                p99: Some(times[times.len() * 99 / 100]),
                ..Row::new("chain", hook.as_str(), subject)
            }
            .print()?;
        }
    }
    Ok(())
}
