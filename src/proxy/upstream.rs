//! A frozen request and an account become a call: the only place where credentials join (docs/v1.md, Upstream headers).

use std::fmt;
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pooler_filter::form::Chunks;
use pooler_filter::json::JsonObject;
use pooler_filter::{AccountId, Body, Exchange, Expects, Intent, Issuers, Replayed, Turn, TurnOwner, UpstreamRequest};

use crate::accounts::Credential;
use crate::client::Call;
use crate::pool::Account;

const ACCOUNT_ID: HeaderName = HeaderName::from_static("chatgpt-account-id");
const RESIDENCY: HeaderName = HeaderName::from_static("x-openai-internal-codex-residency");
const TURN_STATE: HeaderName = HeaderName::from_static("x-codex-turn-state");

/// The request as every attempt sends it, once the chain is through, but for what only one account can read.
pub(crate) struct Frozen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Chunks,
    /// How much memory the body keeps, in bytes: it shares that of the client's where it is the same.
    kept: usize,
    expects: Expects,
    replayed: Vec<Item>,
    /// Who gave the turn state, among the headers or in the body.
    turn_owner: Option<AccountId>,
    /// Where the turn state stands in the body, with a comma.
    turn_state: Option<Range<usize>>,
}

/// An item of the input that only the account that issued it can read.
struct Item {
    /// Its place in the body, without the commas around it.
    place: Range<usize>,
    issuer: Option<AccountId>,
}

/// Which of these items an attempt sends (docs/decisions.md, T19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Those that the account issued.
    Issued,
    /// None: the account refused them.
    Nothing,
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&HeaderName> = self.headers.keys().collect();
        f.debug_struct("Frozen")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body", &self.body.len())
            .field("expects", &self.expects)
            .field("replayed", &self.replayed.len())
            .finish()
    }
}

impl Frozen {
    /// Freezes what the chain made; `cx` knows who issued what.
    pub(crate) fn new(request: UpstreamRequest, cx: &Exchange) -> Self {
        let UpstreamRequest { method, path, mut headers, body, expects } = request;
        let mut replayed = Vec::new();
        let mut turn_state = None;
        let mut kept = None;
        let body = match &body {
            Body::Json(object) if !in_one_piece(cx) => {
                let (text, memory) = object.to_chunks();
                kept = Some(memory);
                text
            }
            Body::Json(object) => {
                turn_state = state_in(object, cx.get::<Intent>());
                let (text, input) = object.to_bytes_with_place("input");
                if let (Some(intent), Some(input)) = (cx.get::<Intent>(), input) {
                    replayed = items(&intent.replayed, cx.get::<Issuers>(), input, text.len());
                }
                text.into()
            }
            Body::Multipart(form) => {
                // Random, so that it occurs in no part.
                let boundary = uuid::Uuid::new_v4().simple().to_string();
                insert(&mut headers, http::header::CONTENT_TYPE, &format!("multipart/form-data; boundary={boundary}"));
                form.encode(&boundary)
            }
            body @ (Body::Empty | Body::Opaque(_) | _) => body.to_chunks(""),
        };
        let turn_owner = cx.get::<TurnOwner>().and_then(|TurnOwner(owner)| *owner);
        let kept = kept.unwrap_or(body.len());
        Self { method, path, headers, body, kept, expects, replayed, turn_owner, turn_state }
    }

    /// A question of our own, which no client asked.
    pub(crate) fn get(path: String, headers: HeaderMap) -> Self {
        let (body, replayed) = (Chunks::default(), Vec::new());
        let (method, expects) = (Method::GET, Expects::Json);
        Self { method, path, headers, body, kept: 0, expects, replayed, turn_owner: None, turn_state: None }
    }

    /// How much memory the body keeps, in bytes.
    pub(crate) const fn kept(&self) -> usize {
        self.kept
    }

    /// What a good answer looks like.
    pub(crate) const fn expects(&self) -> Expects {
        self.expects
    }

    /// Whether the account gets items back that it issued.
    pub(crate) fn replays_to(&self, account: AccountId) -> bool {
        self.replayed.iter().any(|item| item.issuer == Some(account))
    }

    /// The call for one account. Whatever the chain wrote, identity headers are the account's own.
    pub(crate) fn call(&self, account: &Account, credential: &Credential, replay: Replay) -> Call {
        let mut headers = self.headers.clone();
        headers.insert(http::header::AUTHORIZATION, credential.authorization.clone());
        headers.remove(ACCOUNT_ID);
        headers.remove(RESIDENCY);
        // Another account's token: it means nothing here, and is nobody else's to see.
        if self.turn_owner != Some(account.id) {
            headers.remove(TURN_STATE);
        }
        let id = account.chatgpt_account_id.as_str();
        // Ids of our own making mean nothing to the upstream.
        if !id.starts_with("email_") && !id.starts_with("local_") {
            insert(&mut headers, ACCOUNT_ID, id);
        }
        if let Some(residency) = &account.residency {
            insert(&mut headers, RESIDENCY, residency);
        }
        Call { method: self.method.clone(), path: self.path.clone(), headers, body: self.body_for(account.id, replay) }
    }

    /// The body without what is another account's: items that this one cannot read, and a turn state that it did not give.
    fn body_for(&self, account: AccountId, replay: Replay) -> Chunks {
        let foreign = |item: &&Item| replay == Replay::Nothing || item.issuer != Some(account);
        let places: Vec<Range<usize>> = self.replayed.iter().filter(foreign).map(|item| item.place.clone()).collect();
        let state = self.turn_state.clone().filter(|_| self.turn_owner != Some(account));
        if places.is_empty() && state.is_none() {
            return self.body.clone();
        }
        let text = self.body.to_bytes();
        let mut left = Chunks::default();
        let mut from = 0;
        let mut cuts = cuts(&text, places);
        cuts.extend(state);
        cuts.sort_by_key(|cut| cut.start);
        for cut in cuts {
            left.push(text.slice(from..cut.start));
            from = cut.end;
        }
        left.push(text.slice(from..));
        left
    }
}

/// Whether the body has to be in one piece: it is one message on a websocket, or an account may get less than the whole of it, and places in
/// it are counted from its begin.
fn in_one_piece(cx: &Exchange) -> bool {
    let is_cut =
        |intent: &Intent| intent.turn_state.is_some() || intent.replayed.iter().any(|item| item.place.is_some());
    cx.get::<Turn>().is_some() || cx.get::<Intent>().is_some_and(is_cut)
}

/// Where in the text of the body the turn state stands that it brings back.
fn state_in(object: &JsonObject, intent: Option<&Intent>) -> Option<Range<usize>> {
    let state = intent?.turn_state.as_ref()?;
    let (text, metadata) = object.to_bytes_with_place("client_metadata");
    let place = metadata? + state.place.start..metadata? + state.place.end;
    (place.end <= text.len()).then_some(place)
}

/// The items that may be left out, by their places in the body. A place that does not fit says that a filter is wrong: it counts as none.
fn items(replayed: &[Replayed], issuers: Option<&Issuers>, input: usize, len: usize) -> Vec<Item> {
    let issuer = |at: usize| issuers.and_then(|Issuers(known)| known.get(at).copied().flatten());
    let places = replayed.iter().enumerate().filter_map(|(at, item)| {
        let place = item.place.as_ref()?;
        let place = input + place.start..input + place.end;
        (place.start < place.end && place.end <= len).then(|| Item { place, issuer: issuer(at) })
    });
    places.collect()
}

/// What to cut out of a list so that these items of it are gone, each with one of its commas. Places are in order.
fn cuts(text: &[u8], places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let after = |at: usize| at + text[at..].iter().take_while(|byte| blank(byte)).count();
    let mut cuts: Vec<Range<usize>> = Vec::with_capacity(places.len());
    for place in places {
        let next = after(place.end);
        let end = if text.get(next) == Some(&b',') { after(next + 1) } else { place.end };
        match cuts.last_mut() {
            Some(last) if last.end == place.start => last.end = end,
            _ => cuts.push(place.start..end),
        }
    }
    // After the last item of the list there is no comma: the one before it goes.
    if let Some(last) = cuts.last_mut()
        && text.get(after(last.end)) == Some(&b']')
    {
        let before = text[..last.start].iter().rposition(|byte| !blank(byte));
        last.start = before.filter(|at| text[*at] == b',').unwrap_or(last.start);
    }
    cuts
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(_) => tracing::warn!(header = %name, "a value of the account is not a valid header and is not sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts the items with these numbers out of a list written with this separator.
    fn without(items: &[&str], separator: &str, gone: &[usize]) -> String {
        let mut text = String::from("{\"input\": [ ");
        let mut places = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                text.push_str(separator);
            }
            places.push(text.len()..text.len() + item.len());
            text.push_str(item);
        }
        text.push_str(" ], \"x\": 1}");
        let gone = gone.iter().map(|at| places[*at].clone()).collect();
        let (mut left, mut from) = (String::new(), 0);
        for cut in cuts(text.as_bytes(), gone) {
            left.push_str(&text[from..cut.start]);
            from = cut.end;
        }
        left + &text[from..]
    }

    #[test]
    fn whatever_items_are_cut_out_the_rest_is_the_list_of_the_others() {
        let items = ["{\"a\":1}", "[2]", "\"three\"", "4"];
        for separator in [",", " , ", "\n,", ",\n\n"] {
            for mask in 0..16_usize {
                let gone: Vec<usize> = (0..4).filter(|at| mask & (1 << at) != 0).collect();
                let kept: Vec<&str> = (0..4).filter(|at| !gone.contains(at)).map(|at| items[at]).collect();
                let left: serde_json::Value = serde_json::from_str(&without(&items, separator, &gone)).unwrap();
                let wanted: serde_json::Value = serde_json::from_str(&format!("[{}]", kept.join(","))).unwrap();
                assert_eq!(left["input"], wanted, "{separator:?} {gone:?}");
            }
        }
    }
}
