//! `POST /backend-api/codex/responses` over HTTP: checks, faults, then a stream; buffered only for a compaction.

use bytes::Bytes;
use hyper::body::Incoming;
use serde_json::Value;

use super::accounts::Account;
use super::answer::{self, Output};
use super::check::{self, Turn};
use super::compact;
use super::dice::Dice;
use super::envelope::{Envelope, Usage};
use super::events::{self, Story};
use super::faults::Route;
use super::front;
use super::given::Called;
use super::refusal::Refusal;
use super::reply::{Payload, Reply};
use super::routes::Call;
use super::shape::Shape;
use super::size;
use super::state::{InFlight, State};
use super::tokens::Sealed;

/// Answers one turn.
pub(super) async fn serve(call: &Call<'_>, incoming: Incoming, flight: &mut InFlight) -> Result<Reply, Refusal> {
    let (account, wire) = front::bytes(call, incoming).await?;
    flight.count();
    let turn = check::turn(front::decoded(call, &wire)?, &front::asker(call, account))?;
    let turn_state = front::turn_state(call, account)?;
    call.sealed_content_expired(account, &turn)?;
    let faults = call.faults(Some(account), Route::Responses);
    let shape = Shape::of(&faults);
    front::answer(call.state, account, &faults, turn_state, || Ok(reply(call.state, account, &turn, &shape))).await
}

/// An answer before it has bytes.
#[derive(Debug)]
pub(super) struct Composed {
    /// 32 hex digits that are in all its ids.
    unique: String,
    /// Id of the response.
    pub(super) id: String,
    pub(super) envelope: Envelope,
    pub(super) story: Story,
    pub(super) usage: Usage,
}

/// What the model makes of a turn; nothing when it is not to generate.
pub(super) fn compose(state: &State, account: &Account, turn: &Turn, shape: &Shape, generates: bool) -> Composed {
    let outputs = if !generates {
        Vec::new()
    } else if turn.compacts {
        vec![Output::Compaction(compact::Summary::of(state, turn).write())]
    } else {
        let mut dice = Dice::of(&[turn.get("input").map(Value::to_string).unwrap_or_default().as_bytes()]);
        answer::outputs(turn, &mut dice, &shape.wanted)
    };
    let usage = usage(state, account, turn, &outputs);
    let unique = state.unique();
    let id = format!("resp_{unique}");
    let envelope = Envelope::new(turn, &id, pictures(&outputs));
    let story = events::tell(&envelope, &outputs, &unique, |what, content| match what {
        Sealed::Reasoning => state.mint.seal(account.id(), what, &[unique.as_bytes(), content].concat()),
        Sealed::Compaction => state.mint.seal(account.id(), what, content),
    });
    Composed { unique, id, envelope, story, usage }
}

/// The model that an answer says it comes from.
pub(super) fn served_model<'a>(turn: &'a Turn, shape: &Shape) -> &'a str {
    if shape.wrong_model { "gpt-5.2-fallback" } else { turn.model() }
}

fn reply(state: &State, account: &Account, turn: &Turn, shape: &Shape) -> Reply {
    let Composed { unique, id, envelope, story, usage } = compose(state, account, turn, shape, true);
    state.given.remember(account.index(), &id, Called::among(&story.items));
    let mut reply = if turn.streams() {
        Reply::new(200, Payload::Whole(Bytes::new())).typed("text/event-stream")
    } else {
        let output = format!("[{}]", story.items.join(","));
        Reply::whole(200, "application/json", envelope.render("completed", &output, None, &usage))
    };
    let limits = front::stamp(state, account, &unique, usage.fresh(), &mut reply);
    reply.set("openai-model", served_model(turn, shape));
    reply.set("x-models-etag", &state.models_page(account).etag);
    if turn.streams() {
        reply.payload = Payload::Steps(shape.steps(&envelope, story, usage, &limits));
    }
    reply
}

/// Token counts of the pictures among `outputs`, if there is one.
fn pictures(outputs: &[Output]) -> Option<Value> {
    outputs.iter().find_map(|one| match one {
        Output::Picture { picture, failed: None } => Some(picture.usage(1)),
        Output::Picture { failed: Some(_), .. }
        | Output::Reasoning { .. }
        | Output::Text { .. }
        | Output::Refusal(_)
        | Output::Function { .. }
        | Output::Custom { .. }
        | Output::WebSearch { .. }
        | Output::Shell { .. }
        | Output::ToolSearch { .. }
        | Output::Compaction(_) => None,
    })
}

/// Token counts of a turn; remembers its input as cached.
pub(super) fn usage(state: &State, account: &Account, turn: &Turn, outputs: &[Output]) -> Usage {
    let text = |key: &str| turn.get(key).map(Value::to_string).unwrap_or_default();
    let (instructions, tools) = (text("instructions"), text("tools"));
    let before = size::text_size(&instructions) + turn.get("tools").map_or(0, size::of);
    let item = |item: &Value| (item.to_string().into_bytes(), size::of_item(item));
    let items: Vec<_> = turn.items().iter().map(item).collect();
    let key = text("prompt_cache_key");
    let scope =
        [account.id().as_bytes(), key.as_bytes(), turn.model().as_bytes(), instructions.as_bytes(), tools.as_bytes()];
    let input = before + items.iter().map(|(_, size)| size).sum::<u64>();
    let cached = state.prefixes.visit(&scope, before, &items);
    let (mut output, mut reasoning) = (0, 0);
    for one in outputs {
        match one {
            Output::Reasoning { filler, .. } => reasoning += u64::try_from(filler.len() / 4).unwrap_or(0),
            Output::Text { deltas, .. } | Output::Refusal(deltas) => {
                output += deltas.iter().map(|delta| size::text_size(delta)).sum::<u64>();
            }
            Output::Function { arguments, .. } => output += size::text_size(arguments) + 8,
            Output::Custom { input, .. } => output += size::text_size(input) + 8,
            Output::WebSearch { query, .. } | Output::ToolSearch { query } => output += size::text_size(query) + 8,
            Output::Shell { command, .. } => output += size::text_size(command) + 8,
            Output::Compaction(content) => output += u64::try_from(content.len()).unwrap_or(0),
            // Pictures are counted on their own.
            Output::Picture { .. } => output += 1,
        }
    }
    Usage::new(input.max(1), cached.min(input), output + reasoning, reasoning)
}
