//! Contracts: what a filter needs and gives, checked when the chain is built, so that a wrong order never starts.

use crate::Port;

/// The slots of one hook.
#[derive(Debug, Clone, Copy)]
pub struct HookSlots {
    /// Slots that must be written before the hook runs.
    pub requires: &'static [&'static str],
    /// Slots that the hook may write.
    pub provides: &'static [&'static str],
}

impl HookSlots {
    const NONE: Self = Self { requires: &[], provides: &[] };
}

/// What a filter needs and gives. Built with [`Contract::new`] and the methods below, all `const`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Contract {
    /// Slots of `on_request_headers`.
    pub headers: HookSlots,
    /// Slots of `on_request_body`.
    pub body: HookSlots,
    /// Slots of `on_response` and of the stage.
    pub response: HookSlots,
    /// The ports that the filter uses.
    pub ports: &'static [Port],
    /// Whether the filter takes the client's credential.
    pub credential: bool,
}

impl Default for Contract {
    fn default() -> Self {
        Self::new()
    }
}

impl Contract {
    /// Needs nothing and gives nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            headers: HookSlots::NONE,
            body: HookSlots::NONE,
            response: HookSlots::NONE,
            ports: &[],
            credential: false,
        }
    }

    /// Slots of `on_request_headers`.
    #[must_use]
    pub const fn on_headers(mut self, requires: &'static [&'static str], provides: &'static [&'static str]) -> Self {
        self.headers = HookSlots { requires, provides };
        self
    }

    /// Slots of `on_request_body`.
    #[must_use]
    pub const fn on_body(mut self, requires: &'static [&'static str], provides: &'static [&'static str]) -> Self {
        self.body = HookSlots { requires, provides };
        self
    }

    /// Slots of `on_response` and of the stage.
    #[must_use]
    pub const fn on_response(mut self, requires: &'static [&'static str], provides: &'static [&'static str]) -> Self {
        self.response = HookSlots { requires, provides };
        self
    }

    /// The ports that the filter uses.
    #[must_use]
    pub const fn ports(mut self, ports: &'static [Port]) -> Self {
        self.ports = ports;
        self
    }

    /// The filter takes the client's credential.
    #[must_use]
    pub const fn takes_credential(mut self) -> Self {
        self.credential = true;
        self
    }
}
