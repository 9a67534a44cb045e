//! What a server was measured to do under load, and its rows in the table.

use std::io;
use std::time::Duration;

use super::table::Row;

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
    /// One round. `times`: of the answers; `operations`: how many there were in the time that it `took`; `cpu`: of all of them.
    pub(crate) fn of(mut times: Vec<Duration>, operations: usize, took: Duration, cpu: Option<Duration>) -> Self {
        times.sort_unstable();
        let count = u32::try_from(operations).unwrap_or(u32::MAX).max(1);
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let per_second = f64::from(count) / took.as_secs_f64();
        Self { per_second, p50: at(50), p99: at(99), cpu: cpu.map(|cpu| cpu / count) }
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

/// Prints the rows of a case: each subject by its name. Ratios are to the one called `baseline`, if it is among them.
pub(crate) fn print(bench: &str, case: &str, baseline: &str, medians: &[(&str, Measured)]) -> io::Result<()> {
    let base = medians.iter().find(|(name, _)| *name == baseline).map(|(_, measured)| *measured);
    for (name, measured) in medians {
        let cpu_ratio = base.zip(measured.cpu).and_then(|(b, cpu)| Some(cpu.as_secs_f64() / b.cpu?.as_secs_f64()));
        let mark = if *name == baseline { " (baseline)" } else { "" };
        Row {
            rate: Some(format!("{:.0}/s", measured.per_second)),
            rate_ratio: base.map(|base| measured.per_second / base.per_second),
            p50: Some(measured.p50),
            p99: Some(measured.p99),
            cpu: measured.cpu,
            cpu_ratio,
            ..Row::new(bench, case, &format!("{name}{mark}"))
        }
        .print()?;
    }
    Ok(())
}
