//! `[gateway]`: where clients are met.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::GIB;
use super::read::{DAY, HOUR, SECOND, address, bytes, flag, number, optional_time, path, time};
use crate::config::settings::{Gateway, Tls};
use crate::config::{Mistake, raw};

pub(super) fn gateway(raw: raw::Gateway, base: &Path, out: &mut Gateway) -> Result<(), Mistake> {
    match raw.listen {
        // Where there is TLS, nothing else needs to be there.
        Some(written) if written.get_ref().is_empty() && !raw.tls.is_empty() => out.listen.clear(),
        Some(written) => out.listen = addresses(written)?,
        None => {}
    }
    out.tls = raw.tls.into_iter().map(|written| tls(written, base)).collect::<Result<_, _>>()?;
    flag(&mut out.h2c, raw.h2c);
    watch(&mut out.certificate_watch, raw.certificate_watch)?;
    let mut threads = out.threads.get();
    number(&mut threads, raw.threads, 1..=1024)?;
    out.threads = NonZeroUsize::new(threads).unwrap_or(out.threads);
    time(&mut out.shutdown_grace, raw.shutdown_grace, SECOND..=DAY)?;
    time(&mut out.keep_alive, raw.keep_alive, SECOND..=HOUR)?;
    time(&mut out.write_timeout, raw.write_timeout, SECOND..=HOUR)?;
    bytes(&mut out.write_min_rate, raw.write_min_rate, 0..=GIB)
}

fn tls(raw: raw::Tls, base: &Path) -> Result<Tls, Mistake> {
    let raw::Tls { listen, certificate, key } = raw;
    Ok(Tls { listen: addresses(listen)?, certificate: path(&certificate, base)?, key: path(&key, base)? })
}

fn addresses(written: Spanned<Vec<Spanned<String>>>) -> Result<Vec<SocketAddr>, Mistake> {
    if written.get_ref().is_empty() {
        return Err(Mistake::new(written.span(), "needs at least one address"));
    }
    written.into_inner().into_iter().map(address).collect()
}

/// An idle gateway does not wake up more often than once a second.
fn watch(out: &mut Option<Duration>, written: raw::Text) -> Result<(), Mistake> {
    let span = written.as_ref().map_or(0..0, Spanned::span);
    optional_time(out, written, DAY)?;
    match *out {
        Some(every) if every < SECOND => Err(Mistake::new(span, "must be from 1s to 24h, or \"0\" for never")),
        Some(_) | None => Ok(()),
    }
}
