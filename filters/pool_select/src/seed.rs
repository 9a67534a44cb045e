//! What decides the order of accounts: the seeds that a request brings. None of them is ever stored, only hashes of them.

use pooler_filter::{AffinityKey, Exchange, Intent, KeyFacts, RequestHead, Slot};
use sha2::{Digest, Sha256};

/// Headers that name a client's session, the most telling first (docs/routing.md, Continuity).
const SESSION_HEADERS: [&str; 7] = [
    "x-codex-window-id",
    "x-codex-session-id",
    "session-id",
    "x-session-id",
    "x-session-affinity",
    "session_id",
    "x-codex-conversation-id",
];

/// A token of the upstream that goes with the requests of one turn.
pub(crate) const TURN_STATE: &str = "x-codex-turn-state";
/// Names the response that the client goes on from. It is for us alone.
const PREVIOUS_RESPONSE: &str = "x-codex-previous-response-id";

/// The seeds of one request.
#[derive(Clone, Copy)]
pub(crate) struct Seeds<'a> {
    cx: &'a Exchange,
    key: &'a KeyFacts,
    model: &'a str,
    session: Option<&'a str>,
    idempotency: Option<&'a str>,
    prompt_cache: Option<&'a str>,
}

impl<'a> Seeds<'a> {
    pub(crate) fn read(cx: &'a Exchange, key: &'a KeyFacts, intent: &'a Intent) -> Self {
        let head = cx.head();
        let prompt_cache =
            intent.prompt_cache_key.as_deref().filter(|k| !k.is_empty() && key.pool.prompt_cache_affinity);
        Self {
            cx,
            key,
            model: &intent.model,
            session: SESSION_HEADERS.iter().find_map(|name| text(head, name)),
            idempotency: text(head, "idempotency-key"),
            prompt_cache,
        }
    }

    /// What the strategy hashes: the session, else the idempotency key, else the request's id, the client's own first.
    pub(crate) fn strategy(&self) -> Sha256 {
        let named = self.session.or(self.idempotency).or_else(|| text(self.cx.head(), "x-request-id"));
        match named {
            Some(seed) => Sha256::new_with_prefix(seed),
            None => Sha256::new_with_prefix(self.cx.id().to_string()),
        }
    }

    /// What is hashed instead, so that requests with one cache key meet on one account. A session and an idempotency key say more.
    pub(crate) fn locality(&self) -> Option<Sha256> {
        let free = self.session.is_none() && self.idempotency.is_none();
        self.prompt_cache.filter(|_| free).map(|key| self.scoped("prompt_cache", key))
    }

    /// Under which keys the account that serves the request is remembered.
    pub(crate) fn bindings(&self) -> Bindings {
        let bind = |kind, value| -> AffinityKey { self.scoped(kind, value).finalize().into() };
        Bindings {
            session: self.session.map(|value| bind("session", value)),
            prompt_cache: self.prompt_cache.map(|value| bind("prompt_cache", value)),
        }
    }

    /// `pool:key:model:kind:value`: one key's sessions never meet another's.
    fn scoped(&self, kind: &str, value: &str) -> Sha256 {
        let Self { key, model, .. } = self;
        Sha256::new_with_prefix(format!("{}:{}:{model}:{kind}:", key.pool.id, key.id)).chain_update(value)
    }
}

/// The turn state that the head brings back.
pub(crate) fn turn_in(head: &RequestHead) -> Option<&str> {
    text(head, TURN_STATE)
}

/// Whether a turn state has the form of those that this gateway gives with a websocket: a UUID.
pub(crate) fn may_be_ours(state: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let fits = |(at, byte): (usize, u8)| if hyphens.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    state.len() == 36 && state.bytes().enumerate().all(fits)
}

/// The key of the account that gave the response which a header of the request names.
pub(crate) fn response_in(head: &RequestHead, key: &KeyFacts) -> Option<AffinityKey> {
    text(head, PREVIOUS_RESPONSE).map(|id| response(key, id))
}

/// The key of the account that gave a turn state.
pub(crate) fn turn(key: &KeyFacts, state: &str) -> AffinityKey {
    unmodelled(key, "turn_state", state.as_bytes())
}

/// The key of the account that issued an item, by the SHA-256 of its `encrypted_content`.
pub(crate) fn issuer(key: &KeyFacts, digest: &[u8; 32]) -> AffinityKey {
    unmodelled(key, "issuer", digest)
}

/// The key of the account that gave a response.
pub(crate) fn response(key: &KeyFacts, id: &str) -> AffinityKey {
    unmodelled(key, "response", id.as_bytes())
}

/// What holds across models: clients switch them within one conversation.
fn unmodelled(key: &KeyFacts, kind: &str, value: &[u8]) -> AffinityKey {
    Sha256::new_with_prefix(format!("{}:{}::{kind}:", key.pool.id, key.id)).chain_update(value).finalize().into()
}

/// A header that says something.
fn text<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    head.header(name).map(str::trim).filter(|value| !value.is_empty())
}

/// Under which keys the account that serves the request is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bindings {
    pub(crate) session: Option<AffinityKey>,
    pub(crate) prompt_cache: Option<AffinityKey>,
}

impl Slot for Bindings {
    const NAME: &'static str = "pool_select.bindings";
}
