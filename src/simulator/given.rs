//! The responses that were given, as far as a later turn may refer to them: by id, on the same account, for a while.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use serde_json::Value;

const KEPT: usize = 4_096;

/// A call that the model made: the type of its item and its `call_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) kind: String,
    pub(super) call_id: String,
}

/// The last responses of all accounts.
#[derive(Debug, Default)]
pub(super) struct Given(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, (usize, Vec<Called>)>,
    order: VecDeque<String>,
}

impl Called {
    /// The calls among finished items, each of them JSON text.
    pub(super) fn among(items: &[String]) -> Vec<Called> {
        let text = |item: &Value, key: &str| Some(item.get(key)?.as_str()?.to_owned());
        let call = |item: &String| {
            let item = serde_json::from_str(item).ok()?;
            Some(Called { kind: text(&item, "type")?, call_id: text(&item, "call_id")? })
        };
        items.iter().filter_map(call).collect()
    }
}

impl Given {
    /// Remembers a response; the oldest is forgotten for it.
    pub(super) fn remember(&self, account: usize, id: &str, calls: Vec<Called>) {
        let mut inner = self.0.lock();
        if inner.order.len() >= KEPT
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.by_id.remove(&oldest);
        }
        inner.order.push_back(id.to_owned());
        inner.by_id.insert(id.to_owned(), (account, calls));
    }

    /// The calls of a response that this account gave.
    pub(super) fn calls(&self, account: usize, id: &str) -> Option<Vec<Called>> {
        let inner = self.0.lock();
        inner.by_id.get(id).filter(|(owner, _)| *owner == account).map(|(_, calls)| calls.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_response_is_forgotten_first() {
        let given = Given::default();
        let call = Called { kind: "function_call".into(), call_id: "call_1".into() };
        given.remember(0, "resp_0", vec![call.clone()]);
        assert_eq!(given.calls(0, "resp_0"), Some(vec![call]));
        assert_eq!(given.calls(1, "resp_0"), None);
        (1..=KEPT).for_each(|n| given.remember(0, &format!("resp_{n}"), Vec::new()));
        assert_eq!((given.calls(0, "resp_0"), given.calls(0, "resp_1")), (None, Some(Vec::new())));
        let inner = given.0.lock();
        assert_eq!((inner.by_id.len(), inner.order.len()), (KEPT, KEPT));
    }

    #[test]
    fn only_items_that_are_calls_are_remembered() {
        let items = [r#"{"type":"message"}"#, r#"{"type":"custom_tool_call","call_id":"c"}"#, "x"].map(str::to_owned);
        assert_eq!(Called::among(&items), [Called { kind: "custom_tool_call".into(), call_id: "c".into() }]);
    }
}
