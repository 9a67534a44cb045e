//! Which tokens of one account still count: single-use refresh tokens, replay, revocation.
//!
//! The state is empty after a start, so the first token of a login that comes with a good signature is believed and
//! becomes the floor: from then on older generations are replays.

use std::collections::HashMap;

use super::tokens::Refresh;

/// What the simulator remembers about the tokens of one account.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    logins: HashMap<u64, Login>,
    access_floor: u64,
    login_floor: u64,
}

#[derive(Debug, Default)]
struct Login {
    floor: u64,
    revoked: bool,
}

/// Why a refresh token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// It was used before.
    Reused,
    /// Its login was revoked.
    Revoked,
}

impl Lineage {
    /// Uses up a refresh token; answers the generation that follows it. A replay ends the whole login when
    /// `revoke_on_replay` says so (RFC 9700, 4.14.2).
    pub(super) fn consume(&mut self, token: Refresh, revoke_on_replay: bool) -> Result<u64, Denied> {
        if token.family < self.login_floor {
            return Err(Denied::Revoked);
        }
        let login = self.logins.entry(token.family).or_default();
        if login.revoked {
            return Err(Denied::Revoked);
        }
        if token.generation < login.floor {
            login.revoked = revoke_on_replay;
            return Err(Denied::Reused);
        }
        login.floor = token.generation.saturating_add(1);
        Ok(login.floor)
    }

    /// Whether an access token made at `stamp` is still accepted, its expiry aside.
    pub(super) fn accepts(&self, stamp: u64) -> bool {
        stamp >= self.access_floor
    }

    /// Refuses all access tokens made before `stamp`; refresh goes on working.
    pub(super) fn expire_access(&mut self, stamp: u64) {
        self.access_floor = stamp;
    }

    /// Ends all logins made before `stamp`: neither their access tokens nor their refresh tokens work any more.
    pub(super) fn revoke(&mut self, stamp: u64) {
        self.access_floor = stamp;
        self.login_floor = stamp;
        self.logins.clear();
    }
}
