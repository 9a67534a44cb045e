//! What the way up must know of the request: the members that an answer repeats when the backend leaves them out.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use pooler_filter::Slot;

/// The private fact of this filter, written on the way down and read on the way up.
#[derive(Clone, Default)]
pub(crate) struct Echo {
    /// The model that the client named: every answer names it again (docs/decisions.md, T15).
    pub(crate) model: String,
    /// Members of the request as raw JSON, by their name in a response object (docs/v1.md, Neutral values).
    pub(crate) members: Vec<(&'static str, Bytes)>,
    /// The namespace of each declared tool that has one, by the tool's name.
    pub(crate) namespaces: HashMap<String, String>,
    /// The form of the answer, as far as the route does not say it.
    pub(crate) form: Form,
}

/// The form of the answer, as far as the route does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// There is but one.
    #[default]
    Plain,
    /// A response that is the compaction of its input (docs/v1.md, Compaction trigger).
    CompactionTrigger {
        /// The upstream was asked for a stream.
        streamed: bool,
    },
    /// The same on the native surface (docs/native.md, Compaction).
    NativeTrigger {
        /// The upstream was asked for a stream.
        streamed: bool,
    },
    /// A chat stream with its usage in a chunk of its own.
    ChatUsage,
    /// A transcript as plain text.
    PlainText,
}

impl Slot for Echo {
    const NAME: &'static str = "codex_rewrite.echo";
}

/// Tells sizes: the members hold what the client wrote.
impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Echo({} members, {} namespaces)", self.members.len(), self.namespaces.len())
    }
}
