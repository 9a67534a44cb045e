//! The upstream's vocabulary that host and filters share: which event is what, which failure means what, and our sentence for it.
//!
//! Sources: docs/upstream.md (Events, Errors), docs/errors.md (Sentences) and docs/decisions.md (E7, E13, R2).

mod bare;
mod compaction;
mod failure;
mod sentence;

pub use bare::bare_response;
pub use compaction::NoCompaction;
pub use failure::{Failure, Verdict};
pub use sentence::{Facts, sentence};

/// What an event of a response stream is, by its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `response.created`, `response.in_progress`, `response.queued`: the turn runs, nothing was produced.
    Lifecycle,
    /// `codex.*`, `response.metadata`: facts for a gateway, not part of an answer.
    Control,
    /// Everything else: part of the answer.
    Output,
    /// `response.completed`, or its old name `response.done`.
    Completed,
    /// `response.incomplete`: an ordinary end at a limit, or a failure in disguise ([`Failure::in_event`] tells).
    Incomplete,
    /// `response.failed`.
    Failed,
    /// `error`.
    Error,
}

impl EventKind {
    /// Classifies an event by its `type`.
    #[must_use]
    pub fn of(event_type: &str) -> Self {
        match event_type {
            "response.created" | "response.in_progress" | "response.queued" => Self::Lifecycle,
            "response.metadata" => Self::Control,
            "response.completed" | "response.done" => Self::Completed,
            "response.incomplete" => Self::Incomplete,
            "response.failed" => Self::Failed,
            "error" => Self::Error,
            other if other.starts_with("codex.") => Self::Control,
            _ => Self::Output,
        }
    }

    /// Whether this event ends a response.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Incomplete | Self::Failed | Self::Error)
    }
}
