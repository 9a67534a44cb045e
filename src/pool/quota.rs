//! What the upstream told of each account's quota: evidence, kept in memory and bounded (docs/routing.md, Quota evidence).
//!
//! Evidence is taken over under a lock. Requests read none of it, but a table of verdicts that is replaced as a whole when one changes.

mod book;
mod class;
mod headers;
mod json;
mod rows;
mod sync;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use http::HeaderMap;
use parking_lot::Mutex;
use pooler_filter::codex::EventKind;
use pooler_filter::{AccountId, Frame, Timestamp};

use self::book::{Book, Told};
pub(crate) use self::book::{Credits, Evidence, Limit};
pub(crate) use self::class::{Class, Verdict};
use self::rows::Source;
pub(crate) use self::rows::Window;
pub(crate) use self::sync::{Parts as QuotaSyncParts, Sync as QuotaSync};

/// Above this many accounts the one that was heard of longest ago is forgotten.
const MOST_ACCOUNTS: usize = 4096;
/// Most limits of one account.
const MOST_LIMITS: usize = 8;
/// Longest id, name, plan and balance, in bytes.
const LONGEST: usize = 64;
/// Most of an event or a refusal that is read, in bytes.
const MOST_TEXT: usize = 16 * 1024;
/// The id of the limit of the account as a whole.
const ACCOUNT_LIMIT: &str = "codex";
/// The slots of a limit, each with the length in minutes that its window has when nobody tells.
const SLOTS: [(&str, u64); 2] = [("primary", 300), ("secondary", 10_080)];

/// Events beside failures that may tell of quota.
const TELLING: [&str; 3] = ["codex.rate_limits", "response.metadata", "codex.response.metadata"];

type Verdicts = HashMap<AccountId, Arc<Verdict>>;

/// The evidence of each account, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    books: Mutex<HashMap<AccountId, Book>>,
    verdicts: ArcSwap<Verdicts>,
}

/// The verdicts as they stood at one moment.
pub(crate) struct Look<'a> {
    quota: &'a Quota,
    verdicts: Guard<Arc<Verdicts>>,
}

/// Whether an event may tell of quota. Ordinary events are known by their label, so this costs next to nothing.
#[inline]
pub(crate) fn may_tell(frame: &Frame) -> bool {
    match frame.label() {
        Some(EventKind::Output | EventKind::Lifecycle | EventKind::Completed | EventKind::Incomplete) => false,
        Some(EventKind::Control) => frame.name().is_some_and(|name| TELLING.contains(&name)),
        Some(EventKind::Failed | EventKind::Error) => true,
        None => frame.data().starts_with(b"{\"type\":\"codex."),
    }
}

impl Quota {
    /// Takes over what the headers of an answer tell. An answer that tells nothing changes nothing.
    pub(crate) fn note(&self, account: AccountId, headers: &HeaderMap, now: Timestamp) {
        if let Some(told) = headers::read(headers, now) {
            self.learn(account, Source::Headers, told, now);
        }
    }

    /// Takes over what an event tells, if it [`may_tell`] something.
    pub(crate) fn note_event(&self, account: AccountId, frame: &Frame, now: Timestamp) {
        if frame.data().len() > MOST_TEXT {
            return;
        }
        let told = frame.json_data().map(|json| json::event(json.root(), now));
        told.into_iter().flatten().for_each(|(source, told)| self.learn(account, source, told, now));
    }

    /// Takes over what the body of a refusal tells.
    pub(crate) fn note_refusal(&self, account: AccountId, body: &[u8], now: Timestamp) {
        if let Some(told) = json::refusal(body, now) {
            self.learn(account, Source::Refusal, told, now);
        }
    }

    /// Takes over what the usage endpoint tells; whether that is something.
    fn note_usage(&self, account: AccountId, body: &[u8], now: Timestamp) -> bool {
        let told = json::usage(body, now);
        let is_some = told.is_some();
        told.into_iter().for_each(|told| self.learn(account, Source::Usage, told, now));
        is_some
    }

    fn learn(&self, account: AccountId, source: Source, told: Told, now: Timestamp) {
        let mut books = self.books.lock();
        let mut forgotten = None;
        if books.len() >= MOST_ACCOUNTS && !books.contains_key(&account) {
            forgotten = books.iter().min_by_key(|(_, book)| book.heard_at).map(|(id, _)| *id);
            forgotten.map(|id| books.remove(&id));
        }
        let book = books.entry(account).or_default();
        book.take_over(source, told, now);
        self.publish(account, Verdict::of(book, now), forgotten);
    }

    /// Replaces the table, if this verdict changes it. The books are locked, so that an older verdict never replaces a newer one.
    fn publish(&self, account: AccountId, verdict: Verdict, forgotten: Option<AccountId>) -> Arc<Verdict> {
        let verdicts = self.verdicts.load();
        let before = verdicts.get(&account);
        if let Some(before) = before.filter(|before| forgotten.is_none() && verdict.is_like(before)) {
            return Arc::clone(before);
        }
        let known = before.map_or((Verdict::UNKNOWN.class, Verdict::UNKNOWN.why), |before| (before.class, before.why));
        if known.0.as_str() != verdict.class.as_str() {
            let (before, class, why) = (known.0.as_str(), verdict.class.as_str(), verdict.why.as_str());
            tracing::info!(account = %account, before, class, why, "the quota of an account has another class");
        }
        let verdict = Arc::new(verdict);
        let mut next = Verdicts::clone(&verdicts);
        forgotten.map(|id| next.remove(&id));
        next.insert(account, Arc::clone(&verdict));
        self.verdicts.store(Arc::new(next));
        verdict
    }

    /// The verdicts, for one request.
    pub(crate) fn look(&self) -> Look<'_> {
        Look { quota: self, verdicts: self.verdicts.load() }
    }

    /// A verdict that has run out is made anew, by the first who wants it.
    fn judge_again(&self, account: AccountId, now: Timestamp) -> Arc<Verdict> {
        let books = self.books.lock();
        let verdict = books.get(&account).map_or(Verdict::UNKNOWN, |book| Verdict::of(book, now));
        self.publish(account, verdict, None)
    }

    /// What is known of the account, without the windows that have begun anew since.
    pub(crate) fn of(&self, account: AccountId, now: Timestamp) -> Option<Evidence> {
        self.books.lock().get(&account).map(|book| book.shown(now))
    }

    /// Whether the account was heard of since then.
    fn heard_since(&self, account: AccountId, since: Timestamp) -> bool {
        self.books.lock().get(&account).is_some_and(|book| book.heard_at >= since)
    }
}

impl Look<'_> {
    /// What is known of the account now.
    pub(crate) fn verdict(&self, account: AccountId, now: Timestamp) -> Arc<Verdict> {
        match self.verdicts.get(&account) {
            Some(verdict) if verdict.until > now => Arc::clone(verdict),
            Some(_) => self.quota.judge_again(account, now),
            None => Arc::new(Verdict::UNKNOWN),
        }
    }

    /// Where the account stands for this model.
    pub(crate) fn class(&self, account: AccountId, model: &str, now: Timestamp) -> Class {
        match self.verdicts.get(&account) {
            Some(verdict) if verdict.until > now => verdict.for_model(model),
            Some(_) => self.quota.judge_again(account, now).for_model(model),
            None => Verdict::UNKNOWN.class,
        }
    }
}

#[cfg(test)]
mod tests;
