//! The responses that one websocket has given, as far as a later turn on it may go on from them. Another socket knows
//! nothing of them.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::super::check::LITE_ITEM;
use super::super::given::Called;

const KEPT: usize = 64;

/// A response of this socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Known {
    pub(in crate::simulator) id: String,
    /// The calls it made, whose outputs have to be handed in.
    pub(in crate::simulator) calls: Vec<Called>,
    /// Tokens of the conversation up to its end.
    pub(in crate::simulator) tokens: u64,
    /// The item with the tools of the lite form, which a later turn does not repeat.
    pub(super) carrier: Option<Value>,
}

/// The last responses of one socket.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Thread(VecDeque<Known>);

impl Thread {
    /// Remembers a response; the oldest is forgotten for it.
    pub(super) fn remember(&mut self, known: Known) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(known);
    }

    /// Forgets a response: a turn that went on from it has failed.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.retain(|known| known.id != id);
    }

    /// The response with this id.
    pub(in crate::simulator) fn find(&self, id: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.id == id)
    }

    /// The item with the tools that a turn takes over from the conversation it goes on from.
    pub(in crate::simulator) fn carrier(&self, body: &Map<String, Value>, items: &[Value]) -> Option<Value> {
        let known = self.find(body.get("previous_response_id")?.as_str()?)?;
        if carrier_of(items).is_some() { None } else { known.carrier.clone() }
    }
}

/// The item with the tools of the lite form.
pub(super) fn carrier_of(items: &[Value]) -> Option<&Value> {
    items.iter().find(|item| item["type"] == LITE_ITEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_response_is_forgotten_first() {
        let mut thread = Thread::default();
        let known = |n: usize| Known { id: format!("resp_{n}"), calls: Vec::new(), tokens: 1, carrier: None };
        (0..=KEPT).for_each(|n| thread.remember(known(n)));
        assert_eq!((thread.find("resp_0"), thread.find("resp_1")), (None, Some(&known(1))));
        thread.forget("resp_1");
        assert_eq!((thread.find("resp_1"), thread.0.len()), (None, KEPT - 1));
    }
}
