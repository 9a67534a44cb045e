//! The one table that all benches print their rows of: one line each, columns of fixed width, `-` where a figure makes no sense.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// One line. Ratios are to the first subject of its case that is called a baseline, which stands above.
pub(crate) struct Row<'a> {
    pub(crate) bench: &'a str,
    pub(crate) case: &'a str,
    pub(crate) subject: &'a str,
    /// How much, mostly in which time, with its unit.
    pub(crate) rate: Option<String>,
    pub(crate) rate_ratio: Option<f64>,
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
    /// CPU time for one operation.
    pub(crate) cpu: Option<Duration>,
    pub(crate) cpu_ratio: Option<f64>,
    /// What one of the figures has to be.
    pub(crate) target: Option<Target>,
}

/// What a figure may be at most, and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// None where there was nothing to compare with.
    pub(crate) figure: Option<f64>,
    pub(crate) limit: f64,
    /// Of both, such as ` ms`; empty for a ratio.
    pub(crate) unit: &'static str,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, limit, unit } = self;
        let Some(figure) = figure else { return write!(f, "<= {limit}{unit}") };
        let missed = figure > limit;
        // None for a number that needs none, else two, and more where they would hide which of both is the larger one.
        let tells = |text: &String| text.parse::<f64>().is_ok_and(|shown| (shown > *limit) == missed);
        let fewest = if figure.fract() == 0.0 { 0 } else { 2 };
        let shown = (fewest..9).map(|digits| format!("{figure:.digits$}")).find(tells);
        let shown = shown.unwrap_or_else(|| figure.to_string());
        let (sign, verdict) = if missed { (">", " MISSED") } else { ("<=", "") };
        write!(f, "{shown} {sign} {limit}{unit}{verdict}")
    }
}

impl<'a> Row<'a> {
    pub(crate) const fn new(bench: &'a str, case: &'a str, subject: &'a str) -> Self {
        let (rate_ratio, cpu_ratio) = (None, None);
        Self { bench, case, subject, rate: None, rate_ratio, p50: None, p99: None, cpu: None, cpu_ratio, target: None }
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let text = |value: Option<&String>| value.map_or_else(|| "-".to_owned(), Clone::clone);
        let ratio = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let time = |value: Option<Duration>| value.map_or_else(|| "-".to_owned(), show);
        line(&[
            self.bench,
            self.case,
            self.subject,
            &text(self.rate.as_ref()),
            &ratio(self.rate_ratio),
            &time(self.p50),
            &time(self.p99),
            &time(self.cpu),
            &ratio(self.cpu_ratio),
            &self.target.map_or_else(|| "-".to_owned(), |target| target.to_string()),
        ])
    }
}

/// The names of the columns, unless `--rows` says that another bench has printed them.
pub(crate) fn header() -> io::Result<()> {
    if std::env::args().any(|arg| arg == "--rows") {
        return Ok(());
    }
    line(&["BENCH", "CASE", "SUBJECT", "RATE", "RATIO", "P50", "P99", "CPU/OP", "RATIO", "TARGET"])
}

fn line(cells: &[&str; 10]) -> io::Result<()> {
    let [bench, case, subject, figures @ .., target] = cells;
    let mut text = format!("{bench:<11} {case:<26} {subject:<22}");
    for (cell, width) in figures.iter().zip([12, 7, 10, 10, 10, 7]) {
        text += &format!(" {cell:>width$}");
    }
    writeln!(io::stdout(), "{text}  {target}")
}

/// A time with its unit.
pub(crate) fn show(time: Duration) -> String {
    let ns = time.as_secs_f64() * 1e9;
    match ns {
        _ if ns < 1e3 => format!("{ns:.0} ns"),
        _ if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        _ if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}
