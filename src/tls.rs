//! Certificates of listeners: read from their files, checked, and replaced while the gateway runs.
//!
//! A connection keeps what it began with. A file that cannot be used changes nothing: the certificate that is there stays.

mod files;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora_core::listeners::tls::Acceptor;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};
use tokio::time::{MissedTickBehavior, interval};

use self::files::Stamp;
use crate::config::Tls;

/// What is offered to clients, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Which of the two files of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `certificate`
    Certificate,
    /// `key`
    Key,
}

/// A certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct TlsError {
    /// Which of `[[gateway.tls]]`, from 0.
    pub listener: usize,
    /// Which of its files.
    pub part: Part,
    path: PathBuf,
    message: String,
}

/// Reads the files of all listeners, as a start does, and drops what they say.
///
/// # Errors
/// The first file that cannot be used.
pub fn check(listeners: &[Tls]) -> Result<(), TlsError> {
    listeners.iter().enumerate().try_for_each(|(n, files)| load(n, files).map(drop))
}

/// The certificates of all listeners.
#[derive(Debug)]
pub(crate) struct Certificates {
    slots: Vec<Arc<Slot>>,
}

/// The certificate of one of `[[gateway.tls]]`, and where it is from.
pub(crate) struct Slot {
    listener: usize,
    files: Tls,
    current: ArcSwap<Acceptor>,
    /// What the files were when they were read last.
    read: Mutex<Stamp>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads all of them.
    pub(crate) fn load(listeners: &[Tls]) -> Result<Self, TlsError> {
        let slot = |(listener, files): (usize, &Tls)| {
            let read = Mutex::new(Stamp::of(files));
            let current = ArcSwap::from_pointee(load(listener, files)?);
            Ok(Arc::new(Slot { listener, files: files.clone(), current, read }))
        };
        Ok(Self { slots: listeners.iter().enumerate().map(slot).collect::<Result<_, _>>()? })
    }

    pub(crate) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// Reads all of them again. Those that cannot be used are told in the log, and stay as they are.
    pub(crate) fn reload(&self) {
        self.slots.iter().for_each(|slot| slot.reload());
    }

    /// Reads each of them again when its files have changed, for ever. What cannot be used is read again when it changes once more.
    pub(crate) async fn watch(self: Arc<Self>, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || this.reload_changed()).await;
            if looked.is_err() {
                tracing::error!("certificates could not be looked at");
            }
        }
    }

    fn reload_changed(&self) {
        self.slots.iter().filter(|slot| slot.has_changed()).for_each(|slot| slot.reload());
    }
}

impl Slot {
    /// What new connections are secured with now.
    pub(crate) fn acceptor(&self) -> Arc<Acceptor> {
        self.current.load_full()
    }

    fn has_changed(&self) -> bool {
        *self.read.lock() != Stamp::of(&self.files)
    }

    fn reload(&self) {
        // Held until the end, so that of two reloads the later one wins.
        let mut read = self.read.lock();
        // Taken before the files are read: a change meanwhile is seen the next time.
        *read = Stamp::of(&self.files);
        match load(self.listener, &self.files) {
            Ok(acceptor) => {
                self.current.store(Arc::new(acceptor));
                tracing::info!(certificate = %self.files.certificate.display(), "certificate read again; new connections get it");
            }
            Err(error) => {
                tracing::error!(%error, "certificate cannot be replaced; the one that is in use stays");
            }
        }
    }
}

/// A certificate with its key, ready for connections. Tickets of earlier sessions end with it, so that every new connection sees it.
fn load(listener: usize, files: &Tls) -> Result<Acceptor, TlsError> {
    let refuse = |part, message: String| {
        let path = match part {
            Part::Certificate => files.certificate.clone(),
            Part::Key => files.key.clone(),
        };
        TlsError { listener, part, path, message }
    };
    let chain = files::chain(&files.certificate).map_err(|message| refuse(Part::Certificate, message))?;
    let key = files::key(&files.key).map_err(|message| refuse(Part::Key, message))?;
    let provider = Arc::new(default_provider());
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| refuse(Part::Key, format!("the key cannot be used: {error}")))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => {}
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let message =
                format!("the key does not belong to the first certificate of {}", files.certificate.display());
            return Err(refuse(Part::Key, message));
        }
        Err(error) => return Err(refuse(Part::Certificate, format!("the first certificate cannot be used: {error}"))),
    }
    let unusable = |error: rustls::Error| refuse(Part::Certificate, error.to_string());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let resolver = Arc::new(SingleCertAndKey::from(certified));
    let mut config = versions.map_err(unusable)?.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    config.ticketer = Ticketer::new().map_err(unusable)?;
    Ok(Acceptor::from_server_config(Arc::new(config)))
}
