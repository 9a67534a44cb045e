//! A message of the client, read: what it asks for, and the name under which it wants to hear of it (docs/websocket.md, Messages).

use std::time::Duration;

use bytes::Bytes;
use pooler_filter::json::{JsonError, JsonObject, Kind};
use pooler_filter::{Reject, RejectKind};

use crate::proxy::body::Unread;

/// The type of a message that asks for a response.
const CREATE: &str = "response.create";
/// When a client that waits for room in the queue may try again: turns end soon.
const FULL_FOR: Duration = Duration::from_secs(1);
/// The longest name of a stream, and the longest id of a turn, in bytes.
const LONGEST_NAME: usize = 256;
/// Members that name this very message; the first that is there counts.
const IDS: [&str; 2] = ["request_id", "turn_id"];

/// One message.
#[derive(Debug)]
pub(super) struct Order {
    /// Stands on every event of the turn, errors included.
    pub(super) stream_id: Option<String>,
    /// What is asked for, or why it is refused.
    pub(super) asks: Result<Asks, Reject>,
}

/// What a message asks for.
#[derive(Debug)]
pub(super) enum Asks {
    /// A response.
    Create(Create),
    /// Nothing: it tells the upstream that an answer has arrived.
    Processed(Bytes),
}

/// The request for a response, as a `POST` takes it.
#[derive(Debug)]
pub(super) struct Create {
    /// The body, without what belongs to the message alone.
    pub(super) body: JsonObject,
    /// What the message says of its own, when it is written anew; none when it goes upstream as it came.
    pub(super) form: Option<Form>,
    /// The client's own name for this turn, which it uses but once.
    pub(super) id: Option<String>,
}

/// What the message for the upstream says beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A turn.
    Turn,
    /// Nothing is to be generated: its response only begins a conversation (docs/decisions.md, S2).
    WarmUp,
}

impl Order {
    /// Reads a message that was parsed. `native`: its client speaks as Codex CLI does, and its members stay as they are.
    pub(super) fn of(parsed: Result<JsonObject, Unread>, native: bool) -> Self {
        let mut object = match parsed {
            Ok(object) => object,
            Err(Unread::Json(error)) => return Self { stream_id: None, asks: Err(unreadable(&error)) },
            Err(Unread::NoRoom(reject)) => return Self { stream_id: None, asks: Err(reject) },
        };
        let stream_id = match take_name(&mut object) {
            Ok(name) => name,
            Err(reject) => return Self { stream_id: None, asks: Err(reject) },
        };
        Self { stream_id, asks: asks(object, native) }
    }
}

fn unreadable(error: &JsonError) -> Reject {
    match error {
        JsonError::NotJson { .. } => Reject::invalid("websocket message must be valid JSON"),
        JsonError::NotAnObject => Reject::invalid("websocket message must be a JSON object"),
        limit @ (JsonError::TooDeep
        | JsonError::TooManyKeys
        | JsonError::DuplicateKey(_)
        | JsonError::TooLarge
        | JsonError::IndexTooLarge
        | _) => Reject::invalid(format!("websocket message is refused: {limit}")),
    }
}

/// A name that is not valid is not repeated either.
fn take_name(object: &mut JsonObject) -> Result<Option<String>, Reject> {
    const PARAM: &str = "stream_id";
    let name = match object.get(PARAM).filter(|name| !name.is_null()) {
        None => None,
        Some(name) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            let valid = |name: &str| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain);
            let name = name.as_str().filter(|name| valid(name));
            let message = "stream_id must be 1 to 256 of A-Z, a-z, 0-9, _, . and -";
            Some(name.ok_or_else(|| Reject::invalid(message).at(PARAM))?.into_owned())
        }
    };
    object.remove(PARAM);
    Ok(name)
}

fn asks(mut object: JsonObject, native: bool) -> Result<Asks, Reject> {
    if native && object.get("type").is_none_or(|kind| kind.is_null()) {
        object.set_str("type", CREATE);
    }
    let kind = object.get_str("type").map(|kind| kind.into_owned());
    match kind.as_deref() {
        Some(CREATE) => {
            let warm_up = warms_up(&object)?;
            let id = take_id(&mut object)?;
            if native {
                return Ok(Asks::Create(Create { body: object, form: None, id }));
            }
            object.remove("type");
            object.remove("generate");
            object.set_bool("stream", true);
            object.set_bool("store", false);
            Ok(Asks::Create(Create { body: object, form: Some(if warm_up { Form::WarmUp } else { Form::Turn }), id }))
        }
        Some("response.processed") => match object.get_str("response_id") {
            Some(id) if !id.trim().is_empty() => Ok(Asks::Processed(object.to_bytes())),
            Some(_) | None => Err(Reject::invalid("response.processed requires response_id").at("response_id")),
        },
        Some(_) | None => Err(Reject::invalid("type must be response.create or response.processed").at("type")),
    }
}

/// The id of the turn. It says nothing to the upstream.
fn take_id(object: &mut JsonObject) -> Result<Option<String>, Reject> {
    let mut taken = None;
    for name in IDS {
        if let Some(id) = object.get(name).filter(|id| !id.is_null() && taken.is_none()) {
            let id = id.as_str().filter(|id| (1..=LONGEST_NAME).contains(&id.len()));
            let wrong = || Reject::invalid(format!("{name} must be a string of 1 to {LONGEST_NAME} bytes")).at(name);
            taken = Some(id.ok_or_else(wrong)?.into_owned());
        }
        object.remove(name);
    }
    Ok(taken)
}

fn warms_up(object: &JsonObject) -> Result<bool, Reject> {
    match object.get("generate").filter(|generate| !generate.is_null()) {
        None => Ok(false),
        Some(generate) if generate.kind() == Kind::Bool => Ok(generate.as_bool() == Some(false)),
        Some(_) => Err(Reject::invalid("generate must be a boolean").at("generate")),
    }
}

/// The message that goes upstream: the body of the turn, after the chain is through with it.
pub(super) fn complete(body: &mut JsonObject, form: Form) {
    body.set_str("type", CREATE);
    body.set_bool("generate", form == Form::Turn);
}

/// Too many turns wait on one websocket (docs/decisions.md, S10).
pub(super) fn overflow() -> Reject {
    Reject::new(RejectKind::RateLimited, "websocket_queue_full", "at most 16 turns wait on one websocket")
        .retry_after(FULL_FOR)
}

/// The websocket is too old for another turn: its client opens a new one.
pub(super) fn too_old() -> Reject {
    let message = "This websocket has reached its age limit. Open a new one and send the full request.";
    Reject::new(RejectKind::Invalid, "websocket_connection_limit_reached", message)
}

/// A message for the upstream that cannot be sent.
pub(super) fn not_forwarded() -> Reject {
    let message = "The message could not be sent to the upstream.";
    Reject::new(RejectKind::BadGateway, "upstream_websocket_forward_failed", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl Into<Bytes>, native: bool) -> Order {
        Order::of(JsonObject::parse(text.into()).map_err(Unread::Json), native)
    }

    fn order(text: &'static str) -> Order {
        read(Bytes::from_static(text.as_bytes()), false)
    }

    fn refusal(text: &'static str) -> (String, Option<String>) {
        let reject = order(text).asks.unwrap_err();
        assert_eq!((reject.status().as_u16(), reject.code_str()), (400, "invalid_request"), "{text}");
        (reject.message.into_owned(), reject.param.map(Into::into))
    }

    fn create(text: &'static str) -> Create {
        match order(text).asks {
            Ok(Asks::Create(create)) => create,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_belongs_to_the_message_alone_is_taken_out_and_every_turn_streams() {
        let create =
            create(r#"{"type":"response.create","stream_id":"a.B-1_","generate":true,"store":true,"model":"m"}"#);
        assert_eq!(create.form, Some(Form::Turn));
        let body: serde_json::Value = serde_json::from_slice(&create.body.to_bytes()).unwrap();
        assert_eq!(body, serde_json::json!({"model": "m", "stream": true, "store": false}));
    }

    #[test]
    fn a_warm_up_says_so_upstream_too() {
        for (generate, warm_up) in [("false", true), ("true", false), ("null", false)] {
            let text = format!(r#"{{"type":"response.create","generate":{generate}}}"#);
            let Ok(Asks::Create(mut create)) = read(text, false).asks else { panic!() };
            complete(&mut create.body, create.form.unwrap());
            let body: serde_json::Value = serde_json::from_slice(&create.body.to_bytes()).unwrap();
            assert_eq!((&body["type"], &body["generate"]), (&"response.create".into(), &(!warm_up).into()));
        }
        assert_eq!(refusal(r#"{"type":"response.create","generate":0}"#).1.as_deref(), Some("generate"));
    }

    #[test]
    fn what_is_no_order_is_refused_by_what_is_wrong_with_it() {
        assert_eq!(refusal("{").0, "websocket message must be valid JSON");
        assert_eq!(refusal("[1]").0, "websocket message must be a JSON object");
        assert_eq!(refusal(r#"{"a":1,"a":2}"#).1, None);
        for text in ["{}", r#"{"type":null}"#, r#"{"type":7}"#, r#"{"type":"response.cancel"}"#] {
            assert_eq!(refusal(text).1.as_deref(), Some("type"), "{text}");
        }
        for text in [r#"{"type":"response.processed"}"#, r#"{"type":"response.processed","response_id":7}"#] {
            assert_eq!(refusal(text).0, "response.processed requires response_id");
        }
    }

    #[test]
    fn a_name_is_repeated_only_when_it_is_valid() {
        let named = order(r#"{"type":"x","stream_id":"s"}"#);
        assert_eq!((named.stream_id.as_deref(), named.asks.is_err()), (Some("s"), true));
        for text in [r#"{"stream_id":""}"#, r#"{"stream_id":"a b"}"#, r#"{"stream_id":7}"#] {
            let order = order(text);
            assert_eq!(
                (order.stream_id, order.asks.unwrap_err().param.as_deref()),
                (None, Some("stream_id")),
                "{text}"
            );
        }
        let long = format!(r#"{{"type":"x","stream_id":"{}"}}"#, "a".repeat(257));
        assert_eq!(read(long, false).stream_id, None);
        assert_eq!(order(r#"{"type":"response.create","stream_id":null}"#).stream_id, None);
    }

    #[test]
    fn a_processed_message_goes_on_without_its_name() {
        let order = order(r#"{"type":"response.processed","stream_id":"s","response_id":"resp_1"}"#);
        let Ok(Asks::Processed(text)) = order.asks else { panic!() };
        assert_eq!(text, r#"{"type":"response.processed","response_id":"resp_1"}"#);
    }

    #[test]
    fn the_id_of_a_turn_is_taken_out_whoever_sends_it() {
        for (members, id) in [
            (r#""request_id":"r""#, Some("r")),
            (r#""turn_id":"t""#, Some("t")),
            (r#""turn_id":"t","request_id":"r""#, Some("r")),
            (r#""request_id":null,"turn_id":"t""#, Some("t")),
            (r#""request_id":null"#, None),
            (r#""client_metadata":{"turn_id":"t"}"#, None),
        ] {
            for native in [false, true] {
                let text = format!(r#"{{"type":"response.create",{members}}}"#);
                let Ok(Asks::Create(create)) = read(text, native).asks else { panic!() };
                assert_eq!(create.id.as_deref(), id, "{members}");
                assert!(!["request_id", "turn_id"].iter().any(|name| create.body.get(name).is_some()), "{members}");
            }
        }
        let long = format!(r#"{{"type":"response.create","request_id":"{}"}}"#, "a".repeat(257));
        for text in
            [r#"{"type":"response.create","request_id":7}"#, r#"{"type":"response.create","request_id":""}"#, &long]
        {
            let refused = read(text.to_owned(), true).asks.unwrap_err();
            assert_eq!(
                (refused.code_str(), refused.param.as_deref()),
                ("invalid_request", Some("request_id")),
                "{text}"
            );
        }
        assert_eq!(refusal(r#"{"type":"response.create","turn_id":[]}"#).1.as_deref(), Some("turn_id"));
    }

    #[test]
    fn a_native_message_stays_as_it_is_but_for_its_id() {
        let native = |text: &'static str| match read(Bytes::from_static(text.as_bytes()), true).asks {
            Ok(Asks::Create(create)) => (create.form, create.body.to_bytes()),
            other => panic!("{text}: {other:?}"),
        };
        for (text, left) in [
            (r#"{"type":"response.create", "generate":false, "store":true}"#, None),
            (r#"{"type":"response.create","request_id":"r","a":1}"#, Some(r#"{"type":"response.create","a":1}"#)),
            (r#"{"a":1,"stream_id":"s"}"#, Some(r#"{"a":1,"type":"response.create"}"#)),
            (r#"{"type":null,"a":1}"#, Some(r#"{"type":"response.create","a":1}"#)),
        ] {
            assert_eq!(native(text), (None, left.unwrap_or(text).as_bytes().into()));
        }
        let unknown = read(Bytes::from_static(br#"{"type":"response.cancel"}"#), true);
        assert_eq!(unknown.asks.unwrap_err().param.as_deref(), Some("type"));
    }
}
