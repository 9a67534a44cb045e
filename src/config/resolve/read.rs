//! Readers of single values: each puts what is written over the default, or says what is wrong with it and where.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use toml::Spanned;

use crate::config::units::{parse_duration, parse_size, show_duration, show_size};
use crate::config::{Mistake, raw};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// zstd itself knows no smaller window than 1 KiB, and none above 128 MiB is needed to read what others write.
const WINDOW_LOGS: RangeInclusive<u32> = 10..=27;

/// Anything that has its own way to be read from text.
pub(super) fn read<T: FromStr<Err: Display>>(out: &mut T, written: raw::Text) -> Result<(), Mistake> {
    if let Some(written) = written {
        *out = written.get_ref().parse().map_err(|e: T::Err| Mistake::new(written.span(), e.to_string()))?;
    }
    Ok(())
}

pub(super) fn flag(out: &mut bool, written: raw::Switch) {
    if let Some(written) = written {
        *out = written;
    }
}

pub(super) fn time(out: &mut Duration, written: raw::Text, bounds: RangeInclusive<Duration>) -> Result<(), Mistake> {
    let Some(written) = written else { return Ok(()) };
    let span = parse_duration(written.get_ref()).map_err(|m| Mistake::new(written.span(), m))?;
    *out = within(span, &bounds, written.span(), show_duration)?;
    Ok(())
}

/// The same where "0" stands for never.
pub(super) fn optional_time(out: &mut Option<Duration>, written: raw::Text, most: Duration) -> Result<(), Mistake> {
    let mut span = out.unwrap_or_default();
    time(&mut span, written, Duration::ZERO..=most)?;
    *out = (!span.is_zero()).then_some(span);
    Ok(())
}

pub(super) fn bytes(out: &mut usize, written: raw::Text, bounds: RangeInclusive<usize>) -> Result<(), Mistake> {
    let Some(written) = written else { return Ok(()) };
    let size = parse_size(written.get_ref()).map_err(|m| Mistake::new(written.span(), m))?;
    *out = within(size, &bounds, written.span(), show_size)?;
    Ok(())
}

pub(super) fn number<T>(out: &mut T, written: raw::Number, bounds: RangeInclusive<T>) -> Result<(), Mistake>
where
    T: TryFrom<u64> + PartialOrd + Copy + Display,
{
    let Some(written) = written else { return Ok(()) };
    let too_large = || Mistake::new(written.span(), format!("must be at most {}", bounds.end()));
    let value = T::try_from(*written.get_ref()).map_err(|_| too_large())?;
    *out = within(value, &bounds, written.span(), |n| n.to_string())?;
    Ok(())
}

/// A zstd window is a power of two; what the decoder is told is its logarithm.
pub(super) fn window_log(out: &mut u32, written: raw::Text) -> Result<(), Mistake> {
    let Some(written) = written else { return Ok(()) };
    let size = parse_size(written.get_ref()).map_err(|m| Mistake::new(written.span(), m))?;
    if !size.is_power_of_two() {
        return Err(Mistake::new(written.span(), "must be a power of two, such as \"8MiB\""));
    }
    *out = within(size.ilog2(), &WINDOW_LOGS, written.span(), |log| show_size(1 << log))?;
    Ok(())
}

fn within<T: PartialOrd + Copy>(
    value: T,
    bounds: &RangeInclusive<T>,
    span: Range<usize>,
    show: impl Fn(T) -> String,
) -> Result<T, Mistake> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(Mistake::new(span, format!("must be from {} to {}", show(*bounds.start()), show(*bounds.end()))))
}

pub(super) fn address(written: Spanned<String>) -> Result<SocketAddr, Mistake> {
    let span = written.span();
    let text = written.into_inner();
    text.parse().map_err(|_| {
        Mistake::new(
            span,
            format!("expected an address such as \"127.0.0.1:4000\" or \"[::1]:4000\", found \"{text}\""),
        )
    })
}

pub(super) fn text(written: &Spanned<String>) -> Result<String, Mistake> {
    let text = written.get_ref().trim();
    if text.is_empty() { Err(Mistake::new(written.span(), "must not be empty")) } else { Ok(text.to_owned()) }
}

pub(super) fn path(written: &Spanned<String>, base: &Path) -> Result<PathBuf, Mistake> {
    Ok(base.join(text(written)?))
}

pub(super) fn header(written: &Spanned<String>) -> Result<String, Mistake> {
    let value = text(written)?;
    HeaderValue::from_str(&value).map_err(|_| Mistake::new(written.span(), "is not a valid header value"))?;
    Ok(value)
}
