//! `POST /backend-api/codex/responses` over HTTP: checks, faults, then a stream.

use bytes::Bytes;
use hyper::body::Incoming;
use serde_json::Value;

use super::accounts::Account;
use super::answer::{self, Output};
use super::bearer;
use super::body;
use super::check::{self, Turn};
use super::dice::Dice;
use super::envelope::{Envelope, Usage};
use super::events;
use super::faults::{Route, usage_limit};
use super::given::Called;
use super::head_faults::{self, canned};
use super::refusal::Refusal;
use super::reply::{Payload, Reply};
use super::routes::Call;
use super::shape::Shape;
use super::size;
use super::state::{InFlight, State};

const TURN_STATE: &str = "x-codex-turn-state";

/// Answers one turn.
pub(super) async fn serve(call: &Call<'_>, incoming: Incoming, flight: &mut InFlight) -> Result<Reply, Refusal> {
    // The body first: a refusal must not close the connection on a client that is still sending.
    let wire = body::read(incoming).await?;
    call.received(wire.len());
    let account = bearer::account(call.state, &call.parts.headers)?;
    call.belongs_to(account);
    flight.count();
    let turn = understand(call, account, &wire)?;
    let turn_state = turn_state(call, account)?;
    let faults = call.faults(Some(account), Route::Responses);
    let shape = Shape::of(&faults);
    let intercepted = head_faults::intercept(&faults, account.plan()).await;
    intercepted.or(|| {
        let mut reply = match spent(call.state, account) {
            Some(refusal) => refusal,
            None => stream(call.state, account, &turn, &shape),
        };
        if reply.status == 200
            && let Some(state) = turn_state
        {
            reply.set(TURN_STATE, &state);
        }
        Ok(reply)
    })
}

fn understand(call: &Call<'_>, account: &Account, wire: &Bytes) -> Result<Turn, Refusal> {
    let object = body::object(&call.parts.headers, wire)?;
    call.keep(&object);
    let knows = |slug: &str| call.state.catalog.find(slug, account.plan()).is_some();
    let recall = |id: &str| call.state.given.calls(account.index(), id);
    let has_file = |id: &str| call.state.files.usable(account.index(), id);
    check::turn(object, account.id(), &call.state.mint, knows, recall, has_file)
}

/// A turn state for the first request of a turn; that of another account is refused.
fn turn_state(call: &Call<'_>, account: &Account) -> Result<Option<String>, Refusal> {
    let Some(value) = call.parts.headers.get(TURN_STATE) else {
        return Ok(Some(call.state.mint.turn_state(account.id())));
    };
    match value.to_str() {
        Ok(state) if call.state.mint.owns_turn(account.id(), state) => Ok(None),
        _ => {
            let message = "The turn state is not valid for this account.";
            Err(Refusal::invalid("turn_state", Some("invalid_turn_state"), None, message))
        }
    }
}

/// The refusal of an account that has nothing left.
fn spent(state: &State, account: &Account) -> Option<Reply> {
    let reading = state.meters.get(account.index())?.lock().exhausted()?;
    Some(canned(usage_limit(account.plan(), std::time::Duration::from_secs(reading.resets_in))))
}

fn stream(state: &State, account: &Account, turn: &Turn, shape: &Shape) -> Reply {
    let mut dice = Dice::of(&[turn.get("input").map(Value::to_string).unwrap_or_default().as_bytes()]);
    let outputs = answer::outputs(turn, &mut dice, shape.deltas);
    let usage = usage(state, account, turn, &outputs);
    let unique = state.unique();
    let id = format!("resp_{unique}");
    let envelope = Envelope::new(turn, &id);
    let story = events::tell(&envelope, &outputs, &unique, |filler| {
        let bytes = [unique.as_bytes(), filler].concat();
        state.mint.seal(account.id(), &bytes)
    });
    state.given.remember(account.index(), &id, Called::among(&story.items));
    let mut reply = Reply::new(200, Payload::Whole(Bytes::new())).typed("text/event-stream");
    let mut limits = Value::Null;
    if let Some(meter) = state.meters.get(account.index()) {
        let mut meter = meter.lock();
        meter.spend(usage.input - usage.cached + usage.output);
        meter.stamp(&mut reply, account.plan());
        limits = meter.event(account.plan());
    }
    reply.set("openai-model", if shape.wrong_model { "gpt-5.2-fallback" } else { turn.model() });
    reply.set("x-models-etag", &state.catalog.page(account.plan()).etag);
    reply.set("x-request-id", &format!("req_{unique}"));
    reply.set("cf-ray", &format!("{}-FRA", &unique[..16]));
    reply.set("set-cookie", &format!("__cf_bm={unique}; path=/; HttpOnly; Secure; SameSite=None"));
    reply.set("cache-control", "no-cache");
    reply.payload = Payload::Steps(shape.steps(&envelope, story, usage, &limits));
    reply
}

fn usage(state: &State, account: &Account, turn: &Turn, outputs: &[Output]) -> Usage {
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
            Output::Text(deltas) => output += deltas.iter().map(|delta| size::text_size(delta)).sum::<u64>(),
            Output::Function { arguments, .. } => output += size::text_size(arguments) + 8,
            Output::Custom { input, .. } => output += size::text_size(input) + 8,
        }
    }
    Usage::new(input.max(1), cached.min(input), output + reasoning, reasoning)
}
