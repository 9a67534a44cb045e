//! What follows from the evidence for the order of accounts: pure functions of the rows and the time (docs/routing.md, Quota classes).

use pooler_filter::{QuotaClass, Timestamp};

use super::ACCOUNT_LIMIT;
use super::book::{Book, LimitRows};
use super::rows::{FRESH, Row, SKEW, is_fresh, select};

/// The model that the limit called Spark is of.
const SPARK: &str = "gpt-5.3-codex-spark";

/// Where an account stands with its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It may be asked.
    Usable(QuotaClass),
    /// It is known to have nothing left, until then if that is known.
    Exhausted(Option<Timestamp>),
}

/// Why an account stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing was told.
    EvidenceMissing,
    /// All of it is known, and something is left.
    Fresh,
    /// What was told is too old.
    NotFresh,
    /// The window that was told of has begun anew.
    ResetPassed,
    /// No window was told with its end.
    ResetMissing,
    /// No window but that of the week was told.
    PrimaryMissing,
    /// The primary window is full.
    PrimaryExhausted,
    /// The week's window is full.
    WeeklyExhausted,
    /// The week's window is full, and there are credits.
    CreditsLeft,
    /// The upstream says that it allows nothing.
    NotAllowed,
    /// A request was refused.
    Refused,
}

/// All that requests need to know of an account's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) class: Class,
    pub(crate) why: Why,
    /// Models whose own limit is used up, in lower case, until then if that is known.
    pub(super) models: Vec<(String, Option<Timestamp>)>,
    /// From then on it has to be looked at anew.
    pub(super) until: Timestamp,
}

impl Class {
    /// The word for operators.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Usable(class) => class.as_str(),
            Self::Exhausted(_) => "exhausted",
        }
    }
}

impl Why {
    /// The word for operators.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::EvidenceMissing => "evidence_missing",
            Self::Fresh => "fresh",
            Self::NotFresh => "not_fresh",
            Self::ResetPassed => "reset_passed",
            Self::ResetMissing => "reset_missing",
            Self::PrimaryMissing => "primary_missing",
            Self::PrimaryExhausted => "primary_exhausted",
            Self::WeeklyExhausted => "weekly_exhausted",
            Self::CreditsLeft => "credits_left",
            Self::NotAllowed => "not_allowed",
            Self::Refused => "refused",
        }
    }
}

impl Verdict {
    /// Of an account that nothing is known of.
    pub(crate) const UNKNOWN: Self = Self {
        class: Class::Usable(QuotaClass::Unknown),
        why: Why::EvidenceMissing,
        models: Vec::new(),
        until: Timestamp::from_millis(u64::MAX),
    };

    /// Judges all that is known of an account.
    pub(super) fn of(book: &Book, now: Timestamp) -> Self {
        let credits = book.has_credits(now);
        let (class, why) = match book.limits.iter().find(|limit| limit.id == ACCOUNT_LIMIT) {
            Some(limit) => account(limit, credits, now),
            None if book.credits.is_some() => (Class::Usable(QuotaClass::Unmetered), Why::ResetMissing),
            None => (Class::Usable(QuotaClass::Unknown), Why::EvidenceMissing),
        };
        let models = book.limits.iter().filter_map(|limit| {
            let model = model_of(limit)?;
            used_up(limit, now).map(|(resets_at, _)| (model, resets_at))
        });
        Self { class, why, models: models.collect(), until: changes_at(book, now) }
    }

    /// The upstream has refused a request since.
    pub(crate) fn refused(&mut self, resets_at: Option<Timestamp>) {
        (self.class, self.why) = (Class::Exhausted(resets_at), Why::Refused);
    }

    /// Where it stands for this model.
    pub(crate) fn for_model(&self, model: &str) -> Class {
        let own = self.models.iter().find(|(name, _)| name.eq_ignore_ascii_case(model));
        match (self.class, own) {
            (Class::Usable(_), Some((_, resets_at))) => Class::Exhausted(*resets_at),
            (class, _) => class,
        }
    }

    /// Whether it says the same as another one to requests, for about as long.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        // A minute's delay of what is read off later costs nothing; a moment's, of what is read off sooner, neither.
        let until = self.until.since(other.until).as_secs() < 60 && other.until.since(self.until).as_secs() < 5;
        until && (self.class, self.why) == (other.class, other.why) && self.models == other.models
    }
}

/// The class of an account, by the limit of the account as a whole.
fn account(limit: &LimitRows, credits: bool, now: Timestamp) -> (Class, Why) {
    let [primary, secondary] = select(&limit.rows, now);
    let usable = |class, why| (Class::Usable(class), why);
    match used_up(limit, now) {
        Some((_, Why::PrimaryExhausted)) if credits && primary.is_some_and(|row| row.window.is_monthly()) => {
            let week = secondary.is_some_and(|row| row.is_fresh(now) && row.is_full());
            return usable(if week { QuotaClass::CreditBacked } else { QuotaClass::Precise }, Why::CreditsLeft);
        }
        Some((_, Why::WeeklyExhausted)) if credits => return usable(QuotaClass::CreditBacked, Why::CreditsLeft),
        Some((resets_at, why)) => return (Class::Exhausted(resets_at), why),
        None => {}
    }
    match (primary.filter(|row| row.window.reset_at.is_some()), secondary) {
        (Some(primary), _) if primary.is_fresh(now) => usable(QuotaClass::Precise, Why::Fresh),
        (Some(primary), _) => usable(QuotaClass::Unknown, stale(primary, now)),
        // A week is long: what is left of it is believed until its end.
        (None, Some(weekly)) if weekly.window.reset_at.is_some() => {
            if weekly.is_over(now) || weekly.is_full() {
                usable(QuotaClass::Unknown, stale(weekly, now))
            } else {
                usable(QuotaClass::WeeklyOnly, Why::PrimaryMissing)
            }
        }
        (None, _) => usable(QuotaClass::Unmetered, Why::ResetMissing),
    }
}

fn stale(row: &Row, now: Timestamp) -> Why {
    if row.is_over(now) { Why::ResetPassed } else { Why::NotFresh }
}

/// Why a limit is known to be used up, and until when. A full primary window comes first: credits do not help against it.
fn used_up(limit: &LimitRows, now: Timestamp) -> Option<(Option<Timestamp>, Why)> {
    let full = |row: &Option<&Row>| row.is_some_and(|row| row.is_fresh(now) && row.is_full());
    let [primary, secondary] = select(&limit.rows, now);
    let (short, week) = (primary.filter(|_| full(&primary)), secondary.filter(|_| full(&secondary)));
    let ends = [short, week].into_iter().flatten().map(|row| row.window.reset_at);
    // With two full windows the later end counts; one that is not known is later than any.
    let last = ends.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b)));
    let refused = limit.allowed.is_some_and(|(allowed, at)| !allowed && is_fresh(at, now));
    match (short, week) {
        (Some(_), _) => Some((last.flatten(), Why::PrimaryExhausted)),
        (None, Some(_)) => Some((last.flatten(), Why::WeeklyExhausted)),
        (None, None) if refused => Some((None, Why::NotAllowed)),
        (None, None) => None,
    }
}

/// The model that a limit is of, in lower case; none for limits of something else.
fn model_of(limit: &LimitRows) -> Option<String> {
    if limit.id == ACCOUNT_LIMIT {
        return None;
    }
    let name = limit.name.as_deref().unwrap_or_default().to_ascii_lowercase();
    if limit.id.contains("spark") || name.contains("spark") {
        return Some(SPARK.to_owned());
    }
    (!name.is_empty()).then_some(name)
}

/// The first moment at which the verdict may be another one without anything new being told.
fn changes_at(book: &Book, now: Timestamp) -> Timestamp {
    let rows = book.limits.iter().flat_map(|limit| &limit.rows);
    let ends = rows.clone().filter_map(|row| row.window.reset_at);
    let allowed = book.limits.iter().filter_map(|limit| limit.allowed).map(|(_, at)| at);
    let told = rows.map(|row| row.observed_at).chain(allowed).chain(book.credits.iter().map(|(_, at)| *at));
    // What is ahead of the clock counts from when the clock comes near it.
    let nears = |at: Timestamp| Timestamp::from_millis(at.as_millis().saturating_sub(SKEW.as_secs() * 1000));
    let moments = ends.chain(told.flat_map(|at| [at.plus(FRESH), nears(at)]));
    moments.filter(|at| *at > now).min().unwrap_or(Verdict::UNKNOWN.until)
}

#[cfg(test)]
mod tests;
