//! Compaction: `POST /backend-api/codex/responses/compact`, and the content that stands for a conversation.

use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::Account;
use super::answer::Output;
use super::check::{self, Turn};
use super::clock;
use super::faults::Route;
use super::front;
use super::refusal::Refusal;
use super::reply::Reply;
use super::responses;
use super::routes::Call;
use super::size;
use super::state::{InFlight, State};
use super::tokens::Sealed;

/// What the sealed content of a compaction says: how much it stands for, never what was said.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Summary {
    /// Items of the input.
    items: usize,
    /// Their tokens.
    tokens: u64,
    /// No other compaction has it.
    unique: String,
}

impl Summary {
    pub(super) fn of(state: &State, turn: &Turn) -> Summary {
        let items = turn.items().iter().filter(|item| item["type"] != "compaction_trigger");
        let (count, tokens) = items.fold((0, 0), |(count, tokens), item| (count + 1, tokens + size::of_item(item)));
        Summary { items: count, tokens, unique: state.unique() }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        // Two numbers and a text are always JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(super) fn read(content: &[u8]) -> Option<Summary> {
        serde_json::from_slice(content).ok()
    }
}

/// Answers one compaction, as one JSON document.
pub(super) async fn serve(call: &Call<'_>, incoming: Incoming, flight: &mut InFlight) -> Result<Reply, Refusal> {
    let (account, object) = front::object(call, incoming).await?;
    flight.count();
    let turn = check::compaction(object, &front::asker(call, account))?;
    let turn_state = front::turn_state(call, account)?;
    call.sealed_content_expired(account, &turn)?;
    let faults = call.faults(Some(account), Route::Other);
    front::answer(call.state, account, &faults, turn_state, || Ok(reply(call.state, account, &turn))).await
}

/// What the user said stays, the rest becomes one sealed item.
fn reply(state: &State, account: &Account, turn: &Turn) -> Reply {
    let content = Summary::of(state, turn).write();
    let unique = state.unique();
    let sealed = state.mint.seal(account.id(), Sealed::Compaction, &content);
    let mut output: Vec<Value> = turn.items().iter().filter(|item| item["role"] == "user").cloned().collect();
    output.push(json!({"type": "compaction", "id": format!("cmp_{unique}"), "encrypted_content": sealed}));
    let usage = responses::usage(state, account, turn, &[Output::Compaction(content)]);
    let body = json!({
        "id": format!("resp_{unique}"),
        "object": "response.compaction",
        "created_at": clock::unix(),
        "output": output,
        "usage": usage.render(),
    });
    let mut reply = Reply::json(200, &body);
    front::stamp(state, account, &unique, usage.fresh(), &mut reply);
    reply.set("openai-model", turn.model());
    reply
}
