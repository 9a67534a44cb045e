//! The order of the candidates: quota classes, a strategy within each, then steps that each move some of them (docs/routing.md, Ordering).

use pooler_filter::{AccountId, AccountView, Candidate, Plan, Reason};
use sha2::{Digest, Sha256};

/// Everything that the order of one request depends on, except the accounts.
pub(crate) struct Order {
    /// The seed of the strategy.
    pub(crate) seed: Sha256,
    /// The seed of prompt-cache locality, where it may take the strategy's place.
    pub(crate) locality: Option<Sha256>,
    /// The account that served this cache key before.
    pub(crate) prompt_cache: Option<AccountId>,
    /// The account that served this session before.
    pub(crate) session: Option<AccountId>,
    /// The account that issued the reasoning that comes back: only there it is of use.
    pub(crate) issuer: Option<AccountId>,
    /// The account that gave what a header of the request brings back: the state of its turn, or the response before.
    pub(crate) turn: Option<AccountId>,
    /// How many candidates stay; at least one does.
    pub(crate) ring_size: usize,
}

impl Order {
    /// Puts accounts that are all able to serve into order. Demotion comes last of all: no affinity lifts a demoted account.
    pub(crate) fn plan(self, ready: &[&AccountView]) -> Plan {
        let mut ranked = self.ranked(ready);
        // The sort is stable: within a class the order stays.
        ranked.sort_by_key(|r| r.view.quota);
        let lifted = [
            (self.prompt_cache, Reason::PromptCache),
            (self.session, Reason::Session),
            (self.turn, Reason::Turn),
            (self.issuer, Reason::Issuer),
        ];
        for (account, reason) in lifted {
            if let Some(place) = ranked.iter().position(|r| Some(r.view.account) == account) {
                ranked[..=place].rotate_right(1);
                ranked[0].reason = reason;
            }
        }
        for demoted in ranked.iter_mut().filter(|r| r.view.demoted) {
            demoted.reason = Reason::Demoted;
        }
        ranked.sort_by_key(|r| r.view.demoted);
        ranked.truncate(self.ring_size.max(1));
        Plan(ranked.into_iter().map(Ranked::candidate).collect())
    }

    /// By the strategy, or by locality in its place: with one account there is nothing to choose, and a stored binding says more.
    fn ranked<'a>(&self, ready: &[&'a AccountView]) -> Vec<Ranked<'a>> {
        let stored = |account: Option<AccountId>| ready.iter().any(|view| Some(view.account) == account);
        let unbound =
            [self.prompt_cache, self.session, self.turn, self.issuer].into_iter().all(|account| !stored(account));
        match &self.locality {
            Some(seed) if ready.len() >= 2 && unbound => rendezvous(seed, ready, Reason::PromptCache),
            _ => rendezvous(&self.seed, ready, Reason::Rendezvous),
        }
    }
}

#[derive(Clone, Copy)]
struct Ranked<'a> {
    view: &'a AccountView,
    reason: Reason,
}

impl Ranked<'_> {
    fn candidate(self) -> Candidate {
        Candidate { account: self.view.account, label: self.view.label.clone(), reason: self.reason }
    }
}

/// Rendezvous hashing: the SHA-256 of `seed:account` as one big-endian number, the highest first. When an account comes or goes, only its
/// own share of the seeds moves.
fn rendezvous<'a>(seed: &Sha256, ready: &[&'a AccountView], reason: Reason) -> Vec<Ranked<'a>> {
    let prefix = seed.clone().chain_update(":");
    let mut scored: Vec<([u8; 32], Ranked<'a>)> = ready
        .iter()
        .map(|&view| (prefix.clone().chain_update(view.account.to_string()).finalize().into(), Ranked { view, reason }))
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.cmp(a));
    scored.into_iter().map(|(_, ranked)| ranked).collect()
}
