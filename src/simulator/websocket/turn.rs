//! One turn on a websocket: the checks of HTTP, the faults, and then what the backend does, act by act.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

use super::super::accounts::Account;
use super::super::bearer;
use super::super::check::{self, Asker, Turn};
use super::super::faults::{Fault, Route, SocketFault};
use super::super::front::{self, TURN_STATE};
use super::super::given::Called;
use super::super::head_faults;
use super::super::refusal::Refusal;
use super::super::reply::{Payload, Reply, Step};
use super::super::responses;
use super::super::routes::RESPONSES;
use super::super::shape::Shape;
use super::super::state::State;
use super::act::{self, Act};
use super::error;
use super::frames::Create;
use super::thread::{Known, Thread, carrier_of};
use super::{Agreed, limit_reached};

/// The member of `client_metadata` that announces the lite form.
const LITE: &str = "ws_request_header_x_openai_internal_codex_responses_lite";

/// A turn that passed the checks.
#[derive(Debug)]
pub(super) struct Prepared {
    turn: Turn,
    generates: bool,
    /// The turn state that the turn gets, unless it came with one.
    turn_state: Option<String>,
    /// Tokens of the conversation that it goes on from.
    before: u64,
    /// The item with the tools of the lite form, of this turn or an earlier one.
    carrier: Option<Value>,
    faults: Vec<Fault>,
}

/// What becomes of a turn.
#[derive(Debug)]
pub(super) struct Planned {
    /// As HTTP would have it.
    pub(super) status: u16,
    pub(super) acts: VecDeque<Act>,
    /// What a later turn may go on from, once the acts are done.
    pub(super) remember: Option<Known>,
}

/// Checks a turn.
pub(super) fn prepare(agreed: &Agreed, thread: &Thread, create: Create) -> Result<Prepared, Refusal> {
    let Agreed { state, .. } = agreed;
    let account = bearer::account(state, &agreed.headers)?;
    let Create { body, generates } = create;
    let lite = body.get("client_metadata").and_then(|metadata| metadata[LITE].as_str()).map(str::to_owned);
    let lite = lite.as_deref().map(str::as_bytes);
    let turn = check::turn(body, &Asker { state, account, lite, thread: Some(thread) })?;
    let before = previous_of(&turn.body).and_then(|id| thread.find(id)).map_or(0, |known| known.tokens);
    let carrier = carrier_of(turn.items()).cloned().or_else(|| thread.carrier(&turn.body, turn.items()));
    let turn_state = turn_state(state, account, &turn)?;
    front::sealed_content_expired(state, account, &turn, RESPONSES)?;
    let route = if generates { Route::Socket } else { Route::WarmUp };
    let faults = state.board.take(Some(account.index()), route, RESPONSES);
    Ok(Prepared { turn, generates, turn_state, before, carrier, faults })
}

/// The response that a turn goes on from.
pub(super) fn previous_of(body: &serde_json::Map<String, Value>) -> Option<&str> {
    body.get("previous_response_id").and_then(Value::as_str)
}

/// A turn state for the first message of a turn; that of another account is refused.
fn turn_state(state: &State, account: &Account, turn: &Turn) -> Result<Option<String>, Refusal> {
    let Some(given) = turn.get("client_metadata").and_then(|metadata| metadata[TURN_STATE].as_str()) else {
        return Ok(Some(state.mint.turn_state(account.id())));
    };
    // What no header can hold is of no account.
    let value = HeaderValue::from_str(given).unwrap_or(HeaderValue::from_static(""));
    front::owned_turn_state(state, account, Some(&value)).map(|()| None)
}

impl Prepared {
    pub(super) fn generates(&self) -> bool {
        self.generates
    }

    /// Serves the delays of the faults and decides on the rest.
    pub(super) async fn plan(self, state: &State, account: &Account) -> Planned {
        let mut good = None;
        let intercepted = head_faults::intercept(&self.faults, account.plan()).await;
        let answer = intercepted.or(|| {
            Ok(front::spent(state, account).unwrap_or_else(|| {
                good = Some(());
                Reply::new(200, Payload::Whole(Bytes::new()))
            }))
        });
        match answer {
            Ok(reply) if good.is_some() => self.answer(state, account, &reply),
            Ok(reply) => replaced(&reply),
            Err(refusal) => replaced(&refusal.into()),
        }
    }

    /// The proper answer; `reply` has the headers that faults want.
    fn answer(&self, state: &State, account: &Account, reply: &Reply) -> Planned {
        let shape = Shape::of(&self.faults);
        let mut composed = responses::compose(state, account, &self.turn, &shape, self.generates);
        composed.usage = composed.usage.after(self.before);
        let limits = state.meters.get(account.index()).map(|meter| {
            let mut meter = meter.lock();
            meter.spend(composed.usage.fresh());
            meter.event(account.plan()).to_string()
        });
        if !self.generates {
            composed.story.events.truncate(1);
        }
        let known = Known {
            id: composed.id,
            calls: Called::among(&composed.story.items),
            tokens: composed.usage.input + composed.usage.output,
            carrier: self.carrier.clone(),
        };
        let steps = shape.messages(&composed.envelope, composed.story, composed.usage);
        let mut acts = act::of(steps, shape.one_byte);
        if shape.ends_without_terminal() {
            acts.push_back(Act::Close(Some(act::close(1000, ""))));
        }
        let socket_faults: Vec<SocketFault> = self.faults.iter().filter_map(socket_fault).cloned().collect();
        let whole = act::bend(&mut acts, &socket_faults, &limit_reached());
        let metadata = self.generates.then(|| self.metadata(&shape, reply));
        act::introduce(&mut acts, limits.into_iter().chain(metadata).collect());
        Planned { status: 200, acts, remember: (whole && shape.completes()).then_some(known) }
    }

    /// The event that carries what are headers over HTTP.
    fn metadata(&self, shape: &Shape, reply: &Reply) -> String {
        let mut headers = json!({"openai-model": responses::served_model(&self.turn, shape)});
        if let Some(value) = &self.turn_state {
            headers[TURN_STATE] = json!(value);
        }
        for (name, value) in &reply.headers {
            headers[name.as_str()] = json!(String::from_utf8_lossy(value.as_bytes()));
        }
        json!({"type": "response.metadata", "headers": headers}).to_string()
    }
}

fn socket_fault(fault: &Fault) -> Option<&SocketFault> {
    if let Fault::Socket(fault) = fault { Some(fault) } else { None }
}

/// An answer of HTTP that stands in place of the events.
pub(super) fn replaced(reply: &Reply) -> Planned {
    let status = reply.status.as_u16();
    let planned = |acts: Vec<Act>| Planned { status, acts: acts.into(), remember: None };
    if let Some(how) = reply.hang_up {
        return planned(vec![if how.reset { Act::Reset } else { Act::Cut }]);
    }
    let refuses = status >= 400;
    match &reply.payload {
        Payload::Whole(body) if refuses => planned(vec![Act::Text(Bytes::from(error::frame(reply, body)))]),
        Payload::Whole(body) => planned(vec![Act::Text(body.clone())]),
        Payload::Steps(steps) if refuses => {
            let sent =
                steps.iter().filter_map(|step| if let Step::Send(bytes) = step { Some(&bytes[..]) } else { None });
            let body = Bytes::from(sent.collect::<Vec<_>>().concat());
            planned(vec![Act::Text(Bytes::from(error::frame(reply, &body)))])
        }
        Payload::Steps(steps) if steps.is_empty() => planned(vec![Act::Close(Some(act::close(1000, "")))]),
        Payload::Steps(steps) => Planned { status, acts: act::of(steps.clone(), false), remember: None },
    }
}
