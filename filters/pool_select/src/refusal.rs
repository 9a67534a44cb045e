//! Why no account can serve a request, and how that reads (docs/errors.md, Gateway failures).

use pooler_filter::codex::{Facts, sentence};
use pooler_filter::{AccountView, Reject, RejectKind, Standing, Timestamp};

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
            Standing::Ready | Standing::Unready | Standing::LoginLost => None,
        });
        let Some(first) = exhausted.next() else { return Self::NoneEligible };
        let resets_at = std::iter::once(first).chain(exhausted).flatten().filter(|&at| at > now).min();
        Self::Exhausted { resets_at, now }
    }
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Exhausted { resets_at, now } => Self::quota_exhausted(resets_at, now),
            Refusal::NoneEligible => {
                let code = "no_eligible_backend";
                Self::new(RejectKind::Unavailable, code, sentence(code, Facts::default()))
            }
        }
    }
}
