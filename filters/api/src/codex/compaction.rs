//! Why an answer of the backend is no compaction.

use crate::{Reject, RejectKind};

/// What is wrong with an answer where a compaction should be (docs/v1.md, Compaction trigger).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCompaction {
    /// It is no JSON object.
    NotJson,
    /// It has no item that is one, or not a valid one.
    NoContent,
    /// A stream that does not end as it should.
    BadStream,
}

impl NoCompaction {
    /// The sentence for the client: ours, so it is kept (docs/decisions.md, E7).
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotJson => "upstream compact response was not valid JSON",
            Self::NoContent => "upstream compact response did not include encrypted compaction content",
            Self::BadStream => "upstream compact stream was invalid",
        }
    }
}

/// 502 `invalid_compaction_response`.
impl From<NoCompaction> for Reject {
    fn from(why: NoCompaction) -> Self {
        Self::new(RejectKind::BadGateway, "invalid_compaction_response", why.message())
    }
}
