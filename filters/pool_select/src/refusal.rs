//! Why no account can serve a request, and how that reads (docs/errors.md, Gateway failures).

use pooler_filter::codex::{Facts, sentence};
use pooler_filter::{AccountView, Extra, Reject, RejectKind, Standing, Timestamp};

/// Why there is no candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Every account that works has used up its quota; the first is back at `resets_at`, if that is known.
    Exhausted { resets_at: Option<Timestamp>, now: Timestamp },
    /// No account works.
    NoneEligible,
}

impl Refusal {
    /// The reason why none of these accounts is ready. A reset that should have happened already tells nothing.
    pub(crate) fn of(accounts: &[AccountView], now: Timestamp) -> Self {
        let mut exhausted = accounts.iter().filter_map(|a| match a.standing {
            Standing::Exhausted(resets_at) => Some(resets_at),
            Standing::Ready | Standing::Unready => None,
        });
        let Some(first) = exhausted.next() else { return Self::NoneEligible };
        let resets_at = std::iter::once(first).chain(exhausted).flatten().filter(|&at| at > now).min();
        Self::Exhausted { resets_at, now }
    }
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        let (kind, code) = match refusal {
            Refusal::Exhausted { .. } => (RejectKind::UsageLimit, "quota_exhausted"),
            Refusal::NoneEligible => (RejectKind::Unavailable, "no_eligible_backend"),
        };
        let reject = Self::new(kind, code, sentence(code, Facts::default()));
        match refusal {
            Refusal::Exhausted { resets_at: Some(at), now } => {
                let wait = at.since(now);
                let in_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                reject.with_extra(Extra::QuotaReset { at, in_seconds }).retry_after(wait)
            }
            Refusal::Exhausted { resets_at: None, .. } | Refusal::NoneEligible => reject,
        }
    }
}
