//! What a server was measured to do under load, and its rows in the table.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::io;
use std::time::Duration;

use super::table::{Row, Target};

/// One round, or the middle of many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Of the server's process, for one operation.
    pub(crate) cpu: Option<Duration>,
}

impl Measured {
    /// One round. `times`: of the answers; `operations`: how many there were in the time that it `took`; `cpu`: of all of them. Where there
    /// were none, nothing is known of one.
    pub(crate) fn of(mut times: Vec<Duration>, operations: usize, took: Duration, cpu: Option<Duration>) -> Self {
        times.sort_unstable();
        let count = u32::try_from(operations).unwrap_or(u32::MAX);
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let per_second = f64::from(count) / took.as_secs_f64();
        Self { per_second, p50: at(50), p99: at(99), cpu: cpu.and_then(|cpu| cpu.checked_div(count)) }
    }

    /// The middle of each figure.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        fn middle<T: Copy + PartialOrd>(rounds: &[Measured], figure: impl Fn(&Measured) -> T) -> T {
            let mut figures: Vec<T> = rounds.iter().map(figure).collect();
            figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
            figures[figures.len() / 2]
        }
        Self {
            per_second: middle(rounds, |round| round.per_second),
            p50: middle(rounds, |round| round.p50),
            p99: middle(rounds, |round| round.p99),
            cpu: middle(rounds, |round| round.cpu),
        }
    }
}

/// A time, unless there was no answer to have one.
pub(crate) fn told(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}

/// Prints the rows of a case: each subject by its name. Ratios are to the one called `baseline`, if it is among them; `target`: name of a
/// subject, and the most that its ratio of CPU time may be.
pub(crate) fn print(
    bench: &str,
    case: &str,
    baseline: &str,
    target: Option<(&str, f64)>,
    medians: &[(&str, Measured)],
) -> io::Result<()> {
    let base = medians.iter().find(|(name, _)| *name == baseline).map(|(_, measured)| *measured);
    for (name, measured) in medians {
        let cpu_ratio = base.zip(measured.cpu).and_then(|(b, cpu)| Some(cpu.as_secs_f64() / b.cpu?.as_secs_f64()));
        let mark = if *name == baseline { " (baseline)" } else { "" };
        let limit = target.filter(|(of, _)| of == name).map(|(_, limit)| limit);
        Row {
            rate: Some(format!("{:.0}/s", measured.per_second)),
            rate_ratio: base.map(|base| measured.per_second / base.per_second),
            p50: told(measured.p50),
            p99: told(measured.p99),
            cpu: measured.cpu,
            cpu_ratio,
            target: limit.map(|limit| Target { figure: cpu_ratio, limit, unit: "" }),
            ..Row::new(bench, case, &format!("{name}{mark}"))
        }
        .print()?;
    }
    Ok(())
}
