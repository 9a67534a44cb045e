//! Wall-clock time as the wire shows it: unix seconds and RFC 3339.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch.
pub(super) fn unix() -> u64 {
    micros() / 1_000_000
}

/// Microseconds since the epoch; 0 when the clock stands before it.
pub(super) fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// `micros` as RFC 3339 in UTC with nanoseconds, as `auth.json` writes it.
pub(super) fn rfc3339(micros: u64) -> String {
    let secs = micros / 1_000_000;
    let nanos = (micros % 1_000_000) * 1_000;
    let (year, month, day) = civil(secs / 86_400);
    let (hour, minute, second) = (secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Days since 1970-01-01 to a date of the Gregorian calendar, counted in eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn renders_dates_of_leap_years_and_year_ends() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(1_709_210_096_000_001), "2024-02-29T12:34:56.000001000Z");
        assert_eq!(rfc3339(1_798_761_599_000_000), "2026-12-31T23:59:59.000000000Z");
    }
}
