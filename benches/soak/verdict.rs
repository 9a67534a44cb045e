//! What has to hold, a line each, and whether it does.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use codex_pooler::store::records::RequestState;
use codex_pooler::store::{LedgerStore as _, SledOptions, SledStore, verify};
use pooler_filter::{Clock as _, SystemClock};

use super::sample::{Sample, Slope};
use super::tally::{Counts, KINDS, Kind, Tally};

/// The most that memory may grow, in MiB a minute: 15 minutes of it are 15 MiB, which is what fragments and tables may still do; 300
/// requests a second that each leave 100 bytes are 1.7.
const MEMORY: f64 = 1.0;
/// Above that, by as much as the store, while the cache of its engine fills: until the store has twice the 64 MiB of that.
const FILLING: f64 = 128.0;
/// Descriptors a minute. Each request that lost one would make thousands.
const DESCRIPTORS: f64 = 1.0;
/// Bytes of the store for each request.
const STORE: f64 = 4_096.0;
/// More descriptors than before the load, at rest.
const KEPT: f64 = 8.0;
const MIB: f64 = 1_048_576.0;

/// Prints verdicts and knows whether one was bad.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    pub(super) failed: bool,
}

impl Verdicts {
    fn line(&mut self, what: &str, told: &str, good: bool, otherwise: &str) -> io::Result<()> {
        self.failed |= !good;
        writeln!(io::stdout(), "{what:<34} {told:<58} {}", if good { "ok" } else { otherwise })
    }

    fn slope(&mut self, what: &str, slope: Slope, limit: f64, unit: &str) -> io::Result<()> {
        let told = format!("{:+.2} +- {:.2} {unit}, at most {limit:.2}", slope.slope, 2.0 * slope.error);
        self.line(what, &told, !slope.is_above(limit), "GROWS")
    }

    fn none(&mut self, what: &str, count: u64) -> io::Result<()> {
        self.line(what, &count.to_string(), count == 0, "FAILED")
    }

    /// How the figures grow in the second half; the first is warm-up.
    pub(super) fn slopes(&mut self, samples: &[Sample]) -> io::Result<()> {
        let half = &samples[samples.len() / 2..];
        let of = |x: fn(&Sample) -> f64, y: fn(&Sample) -> f64| {
            Slope::of(&half.iter().map(|s| (x(s), y(s))).collect::<Vec<_>>())
        };
        let minutes = |sample: &Sample| sample.minutes;
        // Files grow in steps, so that a short run does not tell well how much.
        let stored = of(minutes, |s| s.store / MIB);
        let stored = (stored.slope + 2.0 * stored.error).max(0.0);
        let is_filling = half.first().is_some_and(|sample| sample.store / MIB < FILLING);
        let memory = if is_filling { MEMORY + stored } else { MEMORY };
        self.slope("memory", of(minutes, |s| s.memory / MIB), memory, "MiB a minute")?;
        self.slope("descriptors", of(minutes, |s| s.descriptors), DESCRIPTORS, "a minute")?;
        self.slope("store", of(|s| s.requests, |s| s.store), STORE, "bytes a request")
    }

    /// Each kind of load did what it is for, and each client got an answer.
    pub(super) fn load(&mut self, tally: &Tally) -> io::Result<()> {
        for (kind, name, _) in KINDS {
            let (good, sent) = (tally.counts(kind).good.load(Relaxed), tally.counts(kind).sent.load(Relaxed));
            // These get the answer of the gateway whatever goes wrong upstream.
            let holds = if kind == Kind::Refused { good == sent } else { good > 0 };
            self.line(name, &format!("{good} of {sent} as without faults"), holds, "FAILED")?;
        }
        self.ends("requests without an answer", tally, |counts| &counts.unanswered)?;
        self.ends("answers without an end", tally, |counts| &counts.hanging)
    }

    /// None of a way to end badly, in all and of each kind that has some.
    fn ends(&mut self, what: &str, tally: &Tally, of: fn(&Counts) -> &AtomicU64) -> io::Result<()> {
        let counts = KINDS.map(|(kind, name, _)| (name, of(tally.counts(kind)).load(Relaxed)));
        self.none(what, counts.iter().map(|(_, count)| count).sum())?;
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.none(&format!("  of these: {name}"), count)?;
        }
        Ok(())
    }

    /// At rest nothing is held for requests that are over.
    pub(super) fn rest(&mut self, metrics: &str, first: Sample, last: Sample) -> io::Result<()> {
        for name in ["codex_pooler_in_flight", "codex_pooler_admission", "codex_pooler_body_memory_bytes"] {
            let values = metrics.lines().filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
            });
            let (count, sum) = values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
            self.line(name, &format!("{sum} at rest"), count > 0 && sum == 0.0, "FAILED")?;
        }
        let (before, after) = (first.descriptors, last.descriptors);
        let told = format!("{after} at rest, {before} before the load");
        self.line("descriptors at rest", &told, after <= before + KEPT, "GROWS")?;
        let told = format!("{} at rest, {} before the load", last.threads, first.threads);
        self.line("threads at rest", &told, last.threads <= first.threads + KEPT, "GROWS")
    }

    /// The ledger of the gateway, which has ended, has what clients saw, and all of it has an end.
    pub(super) async fn ledger(&mut self, store: &Path, tally: &Tally) -> io::Result<()> {
        let options = SledOptions::new(store);
        let report = verify(&options).map_err(io::Error::other)?;
        let wrong = report.damaged() + report.orphans();
        self.none("damaged rows, orphans", wrong)?;
        let rows = |table| report.tables.get(table).map_or(0, |table| table.rows);

        let ids: Vec<_> = tally.ids.lock().iter().copied().collect();
        let ledger = SledStore::open(&options).map_err(io::Error::other)?;
        let (mut settled, mut missing) = (0_u64, Vec::new());
        for id in ids {
            match ledger.get(id).await.map_err(io::Error::other)? {
                Some(row) if row.state() == RequestState::Settled => settled += 1,
                Some(_) | None => missing.push(id),
            }
        }
        // What the next start would have to end.
        let open = ledger.recover(SystemClock.now()).await.map_err(io::Error::other)?;
        self.none("open reservations", open)?;
        ledger.close();
        for id in missing.iter().take(10) {
            writeln!(io::stdout(), "not settled: {id}")?;
        }
        let begun = settled + u64::try_from(missing.len()).unwrap_or(u64::MAX);
        let told = format!("{settled} of {begun} answers that began");
        self.line("settled in the ledger", &told, missing.is_empty() && begun > 0, "LOST")?;
        // A turn on a websocket has no id that its client sees, and a client that left early saw none.
        let (least, most) = (begun + tally.turns.load(Relaxed), tally.all_sent());
        let rows = rows("requests");
        let told = format!("{rows}, {least} to {most} expected");
        self.line(
            "rows of requests",
            &told,
            (least..=most).contains(&rows),
            if rows < least { "LOST" } else { "TWICE" },
        )?;
        Ok(())
    }
}
