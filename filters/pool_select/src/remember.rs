//! Remembers who served a session, and who issued what a client may bring back: as soon as that is known, and before the client knows it, which
//! may send its next turn at once.

mod beginning;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::memmem;
use pooler_filter::codex::EventKind;
use pooler_filter::json::Value;
use pooler_filter::{AccountId, Affinity, AffinityKey, Exchange, Frame, FrameKind, KeyFacts, Out, Reject, Stage};
use sha2::{Digest, Sha256};

use crate::seed;

/// Events that repeat headers of the answer.
const METADATA: [&str; 2] = ["response.metadata", "codex.response.metadata"];
/// The event that carries a whole item.
const ITEM_DONE: &str = "response.output_item.done";

/// Looks at most frames only by their label, and into those that have none.
pub(crate) struct Remember {
    affinity: Arc<dyn Affinity>,
    /// To be bound when the answer is whole.
    keys: Vec<AffinityKey>,
    account: AccountId,
    /// Whose items and responses are to be remembered, for answers that have some.
    issued: Option<Arc<KeyFacts>>,
    /// The client gets to see turn states.
    native: bool,
    /// The response was found already.
    named: bool,
    /// Items were found already.
    items: bool,
}

impl fmt::Debug for Remember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remember").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Remember {
    pub(crate) fn new(
        affinity: Arc<dyn Affinity>,
        keys: Vec<AffinityKey>,
        account: AccountId,
        issued: Option<Arc<KeyFacts>>,
        native: bool,
    ) -> Self {
        Self { affinity, keys, account, issued, native, named: false, items: false }
    }

    /// Reads the turn state of an event that repeats headers.
    fn read_state(&self, frame: &Frame, name: Option<&str>) {
        let Some(key) = self.issued.as_ref().filter(|_| self.native) else { return };
        if !name.is_some_and(|name| METADATA.contains(&name)) {
            return;
        }
        let Some(json) = frame.json_data() else { return };
        let headers = json.root().get("headers").into_iter().flat_map(|headers| headers.entries());
        let state = headers.filter(|(name, _)| name.as_str().eq_ignore_ascii_case(seed::TURN_STATE));
        for state in state.filter_map(|(_, state)| state.as_str()).filter(|state| !state.trim().is_empty()) {
            self.affinity.put(seed::turn(key, state.trim()), self.account);
        }
    }

    /// Reads what the account issued in a frame, if it can hold something.
    fn read(&mut self, frame: &Frame, name: Option<&str>, kind: Option<EventKind>) {
        let Some(key) = self.issued.clone() else { return };
        let first = !self.named && matches!(kind, Some(EventKind::Lifecycle | EventKind::Completed));
        let item = name == Some(ITEM_DONE);
        let whole = frame.kind() == FrameKind::Json;
        // The last event repeats the items that had events of their own.
        let last = !self.items && kind == Some(EventKind::Completed);
        let sealed = (item || last || whole) && memmem::find(frame.data(), b"\"encrypted_content\"").is_some();
        if !(first || sealed || whole) {
            return;
        }
        // An event that says what it is and brings no items is looked into no further than that.
        let label = frame.label() == Some(EventKind::Lifecycle);
        if let Some(id) = Some(frame.data()).filter(|_| label && !sealed).and_then(|data| beginning::response_id(data))
        {
            self.affinity.put(seed::response(&key, id), self.account);
            self.named = true;
            return;
        }
        let Some(json) = frame.json_data() else { return };
        let root = json.root();
        let response = if whole { Some(root) } else { root.get("response") };
        if let Some(id) = response.and_then(|response| response.get("id")?.as_str()) {
            self.affinity.put(seed::response(&key, &id), self.account);
            self.named = true;
        }
        if sealed {
            self.items = true;
            let output = response.and_then(|response| response.get("output"));
            let items = root.get("item").into_iter().chain(output.iter().flat_map(Value::items));
            items.filter_map(|item| item.get("encrypted_content")?.as_str()).for_each(|content| {
                let digest = Sha256::digest(content.as_bytes()).into();
                self.affinity.put(seed::issuer(&key, &digest), self.account);
            });
        }
    }
}

impl Stage for Remember {
    fn wants(&self, frame: &Frame) -> bool {
        match (frame.kind(), frame.label()) {
            (FrameKind::Sse, None) => !frame.data().is_empty(),
            (FrameKind::Sse, Some(EventKind::Completed)) | (FrameKind::Json, _) => true,
            (FrameKind::Sse, Some(EventKind::Lifecycle)) => !self.named,
            (FrameKind::Sse, Some(EventKind::Control)) => self.native,
            (FrameKind::Sse, Some(EventKind::Output)) => self.issued.is_some() && frame.is_named(ITEM_DONE),
            (FrameKind::Sse, Some(EventKind::Incomplete | EventKind::Failed | EventKind::Error))
            | (FrameKind::Opaque, _) => false,
        }
    }

    fn may_want(&self, kind: EventKind, name: &[u8]) -> bool {
        match kind {
            EventKind::Output => self.issued.is_some() && name == ITEM_DONE.as_bytes(),
            EventKind::Lifecycle => !self.named,
            EventKind::Control => self.native,
            EventKind::Completed => true,
            EventKind::Incomplete | EventKind::Failed | EventKind::Error => false,
        }
    }

    fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        let name = name(&frame);
        let kind = frame.label().or_else(|| name.as_deref().map(EventKind::of));
        let whole = match frame.kind() {
            FrameKind::Sse => kind == Some(EventKind::Completed),
            FrameKind::Json => true,
            FrameKind::Opaque => false,
        };
        self.read(&frame, name.as_deref(), kind);
        self.read_state(&frame, name.as_deref());
        if whole {
            for key in self.keys.drain(..) {
                self.affinity.put(key, self.account);
            }
        }
        out.push(frame);
        Ok(())
    }
}

/// The name of the event: its label, else its type.
fn name(frame: &Frame) -> Option<Cow<'_, str>> {
    match (frame.kind(), frame.name()) {
        (FrameKind::Sse, None) if !frame.data().is_empty() => {
            Some(Cow::Owned(frame.json_data()?.root().get("type")?.as_str()?.into_owned()))
        }
        (_, name) => name.map(Cow::Borrowed),
    }
}
