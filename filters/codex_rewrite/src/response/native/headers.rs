//! Which headers of the backend a native client gets (docs/native.md, Headers).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pooler_filter::Frame;
use pooler_filter::json::{Key, Value};

use super::super::edits::Members;

const TURN_STATE: &str = "x-codex-turn-state";
const MODEL: &str = "openai-model";
const REASONING: &str = "x-reasoning-included";
const SAFETY: &str = "x-codex-safety-buffering-";
const ETAG: HeaderName = HeaderName::from_static("x-models-etag");
/// Tells headers within a stream.
const METADATA: &str = "codex.response.metadata";
/// The longest name of a header that is looked at, in bytes.
const LONGEST: usize = 128;

/// What the rules need to know.
pub(super) struct Relayed {
    /// The model as the client named it.
    pub(super) model: Box<str>,
    /// `ETag` of the models that this client is shown.
    pub(super) etag: Option<HeaderValue>,
}

impl Relayed {
    /// Those of the headers that are relayed. The served model is told only where it is the one that was asked for: of any other the client
    /// would warn its user (docs/decisions.md, T15).
    pub(super) fn of(&self, given: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            if self.passes(name.as_str(), value.as_bytes()) {
                headers.append(name, value.clone());
            }
        }
        headers
    }

    /// Puts our own `x-models-etag` on a stream, so that the client asks for the models again when ours have changed.
    pub(super) fn stamp(&self, headers: &mut HeaderMap) {
        if let Some(etag) = &self.etag {
            headers.insert(ETAG, etag.clone());
        }
    }

    /// The same for the headers that an event repeats; None when all of them may stay.
    pub(super) fn members(&self, headers: Value<'_>) -> Option<Vec<u8>> {
        let mut members = Members::default();
        let mut changed = false;
        for (key, value) in headers.entries() {
            match self.member(key, value) {
                Some(Some(own)) => {
                    changed |= !value.is_str(&own);
                    members.add_str(ETAG.as_str(), &own);
                }
                Some(None) => members.add(&key.as_str(), &value.raw_bytes()),
                None => changed = true,
            }
        }
        changed.then(|| members.into_object())
    }

    /// None: it goes. A text: it stands in place of the value.
    fn member(&self, key: Key<'_>, value: Value<'_>) -> Option<Option<String>> {
        let name = key.as_str().to_ascii_lowercase();
        if name == ETAG.as_str() {
            return Some(Some(self.etag.as_ref()?.to_str().ok()?.to_owned()));
        }
        let text = value.as_str().unwrap_or_default();
        self.passes(&name, text.as_bytes()).then_some(None)
    }

    fn passes(&self, name: &str, value: &[u8]) -> bool {
        match name {
            MODEL => value == self.model.as_bytes(),
            TURN_STATE | REASONING => true,
            _ => name.len() <= LONGEST && name.starts_with(SAFETY) && name.bytes().all(plain),
        }
    }
}

/// The event that tells a turn what stands in the head of a stream; none when nothing does.
pub(super) fn event(headers: &HeaderMap) -> Option<Frame> {
    let mut members = Members::default();
    let told = headers.iter().filter(|(name, _)| *name != header::CONTENT_TYPE);
    let mut told = told.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).peekable();
    told.peek()?;
    told.for_each(|(name, value)| members.add_str(name, value));
    let headers = members.into_object();
    let data = [&b"{\"type\":\"codex.response.metadata\",\"headers\":"[..], &headers, b"}"].concat();
    Some(Frame::event(METADATA, data))
}

/// Whether a byte may stand in the name of a header here; so none of them needs an escape.
const fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}
