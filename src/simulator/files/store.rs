//! What is known of each file: whose it is, how large it is to be, and how far its upload has come. Never its bytes.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use serde::Serialize;

const KEPT: usize = 4_096;

/// A file as the simulator knows it. Its bytes are not kept.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileSeen {
    /// `file_` and hex digits.
    pub id: String,
    /// Index of the account it belongs to.
    pub account: usize,
    /// Bytes that were promised.
    pub size: u64,
    /// Bytes that were uploaded, once they were.
    pub uploaded: Option<u64>,
    /// SHA-256 of them, in hex.
    pub sha256: Option<String>,
    /// `content-type` of the upload.
    pub mime_type: Option<String>,
    /// Times that `uploaded` was asked for it.
    pub polls: u32,
    /// It may be named in a request.
    pub ready: bool,
}

/// The last files of all accounts, oldest forgotten first.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Files(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, Kept>,
    order: VecDeque<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) seen: FileSeen,
    pub(super) name: String,
}

impl Files {
    /// Promises a file.
    pub(super) fn add(&self, account: usize, id: &str, name: String, size: u64) {
        let seen = FileSeen {
            id: id.to_owned(),
            account,
            size,
            uploaded: None,
            sha256: None,
            mime_type: None,
            polls: 0,
            ready: false,
        };
        let mut inner = self.0.lock();
        if inner.order.len() >= KEPT
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.by_id.remove(&oldest);
        }
        inner.order.push_back(id.to_owned());
        inner.by_id.insert(id.to_owned(), Kept { seen, name });
    }

    /// Changes a file and gives what it is then.
    pub(super) fn edit(&self, id: &str, change: impl FnOnce(&mut FileSeen)) -> Option<Kept> {
        let mut inner = self.0.lock();
        let kept = inner.by_id.get_mut(id)?;
        change(&mut kept.seen);
        Some(kept.clone())
    }

    /// The file as it stands.
    pub(super) fn get(&self, id: &str) -> Option<Kept> {
        self.0.lock().by_id.get(id).cloned()
    }

    /// Whether this account may name the file in a request.
    pub(in crate::simulator) fn usable(&self, account: usize, id: &str) -> bool {
        self.get(id).is_some_and(|kept| kept.seen.account == account && kept.seen.ready)
    }

    /// All files, oldest first.
    pub(in crate::simulator) fn all(&self) -> Vec<FileSeen> {
        let inner = self.0.lock();
        inner.order.iter().filter_map(|id| inner.by_id.get(id)).map(|kept| kept.seen.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_file_is_forgotten_first() {
        let files = Files::default();
        (0..=KEPT).for_each(|n| files.add(0, &format!("file_{n}"), "x".into(), 1));
        assert!(files.get("file_0").is_none());
        assert_eq!((files.all().len(), files.all()[0].id.as_str()), (KEPT, "file_1"));
    }
}
