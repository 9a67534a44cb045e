//! Moments as RFC 3339 texts in UTC, without a library of calendars: days are counted in eras of 400 years.

use pooler_filter::Timestamp;

const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01; years that begin in March have their leap day at the end.
const TO_EPOCH: u64 = 719_468;
const ERA: u64 = 146_097;

/// Such as `2026-11-22T09:30:00.123Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let (days, second) = (at.as_secs() / DAY, at.as_secs() % DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = at.as_millis() % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Reads `2026-11-22` (its beginning) and `2026-11-22T09:30:00Z`, with or without a fraction, from 1970 on. UTC only.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.trim().split_once(['T', 't', ' ']).map_or((text.trim(), None), |(d, t)| (d, Some(t)));
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let days = days(number(year, 4)?, number(month, 2)?, number(day, 2)?)?;
    let seconds = time.map_or(Some(0), seconds)?;
    Some(Timestamp::from_secs(days * DAY + seconds))
}

fn seconds(time: &str) -> Option<u64> {
    let time = time.strip_suffix(['Z', 'z'])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let fraction_fits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    let fits = parts.next().is_none() && hour < 24 && minute < 60 && second < 60 && fraction_fits;
    fits.then_some(hour * 3600 + minute * 60 + second)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let fits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let year_from_march = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - TO_EPOCH;
    // A day that its month does not have comes back as another one.
    (civil(days) == (year, month, day)).then_some(days)
}

fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + TO_EPOCH;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_known_moments() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_795_000_000, "2026-11-18T11:06:40.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_secs(secs)), text);
            assert_eq!(parse(text), Some(Timestamp::from_secs(secs)));
        }
    }

    #[test]
    fn reads_back_every_day_of_a_century_and_a_half() {
        for day in 0..365 * 150 {
            let at = Timestamp::from_secs(day * DAY + day % DAY);
            assert_eq!(parse(&rfc3339(at)), Some(at));
        }
    }

    #[test]
    fn refuses_what_is_no_moment() {
        assert_eq!(parse("2026-11-22"), parse("2026-11-22T00:00:00Z"));
        for text in [
            "",
            "now",
            "2026-11",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "1969-12-31",
            "2026-1-1",
            "2026-11-22T09:30",
            "2026-11-22T09:30:00",
            "2026-11-22T24:00:00Z",
            "2026-11-22T09:30:00+01:00",
            "2026-11-22T09:30:00.Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
