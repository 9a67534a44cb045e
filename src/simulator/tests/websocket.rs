//! Websockets, with a client of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::super::{
    Ended, Fault, FaultBody, FaultSpec, Preset, Simulator, SocketAct, SocketClosed, SocketFault, TerminalKind, Who,
};
use super::client::{Answer, bearer, lite_turn, post, request, turn, weather, with};
use super::{PATIENCE, simulator};

const PATH: &str = "/backend-api/codex/responses";
const BETA: (&str, &str) = ("openai-beta", "responses_websockets=2026-02-06");

struct Ws {
    socket: WebSocketStream<TcpStream>,
    head: http::HeaderMap,
}

/// What comes next.
#[derive(Debug, PartialEq)]
enum Next {
    Event(Value),
    /// Text that is no JSON.
    Text(String),
    Binary,
    Ping,
    Pong(Vec<u8>),
    /// A close frame; 1005 for an empty one.
    Close(u16),
    /// The end without one.
    Gone,
}

/// Connects with these headers beside the credentials; the refusal when there is one.
async fn dial(simulator: &Simulator, account: usize, more: &[(&str, &str)]) -> Result<Ws, http::Response<Vec<u8>>> {
    let stream = TcpStream::connect(simulator.address()).await.unwrap();
    let mut request = format!("ws://{}{PATH}", simulator.address()).into_client_request().unwrap();
    let account = &simulator.accounts()[account];
    let bearer = bearer(account);
    let known = [("authorization", bearer.as_str()), ("chatgpt-account-id", account.id()), BETA];
    for (name, value) in known.iter().chain(more) {
        request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, response)) => Ok(Ws { socket, head: response.headers().clone() }),
        Err(Error::Http(response)) => Err(response.map(Option::unwrap_or_default)),
        Err(error) => panic!("{error}"),
    }
}

async fn connect(simulator: &Simulator, account: usize) -> Ws {
    dial(simulator, account, &[]).await.expect("a websocket")
}

fn create(mut body: Value) -> Value {
    body["type"] = json!("response.create");
    body
}

fn after(id: &Value, mut body: Value) -> Value {
    body["previous_response_id"] = id.clone();
    create(body)
}

fn warm_up() -> Value {
    let mut body = create(turn("base instructions"));
    body["generate"] = json!(false);
    body
}

impl Ws {
    async fn send(&mut self, message: &Value) {
        self.text(message.to_string()).await;
    }

    async fn text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::Text(text.into().into())).await.unwrap();
    }

    async fn next(&mut self) -> Next {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time");
        match next {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(event) => Next::Event(event),
                Err(_) => Next::Text(text.as_str().to_owned()),
            },
            Some(Ok(Message::Binary(_))) => Next::Binary,
            Some(Ok(Message::Ping(_))) => Next::Ping,
            Some(Ok(Message::Pong(data))) => Next::Pong(data.to_vec()),
            Some(Ok(Message::Close(frame))) => Next::Close(frame.map_or(1005, |frame| frame.code.into())),
            Some(Ok(Message::Frame(_))) => panic!("a raw frame"),
            Some(Err(_)) | None => Next::Gone,
        }
    }

    async fn event(&mut self) -> Value {
        let next = self.next().await;
        let Next::Event(event) = next else { panic!("no event: {next:?}") };
        event
    }

    /// The events up to a terminal one or an error frame.
    async fn story(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            events.push(self.event().await);
            let name = events.last().unwrap()["type"].as_str().unwrap_or("error");
            if ["completed", "failed", "incomplete", "done"].iter().any(|end| name == format!("response.{end}"))
                || name == "error"
            {
                return events;
            }
        }
    }

    /// Sends a turn and reads its events.
    async fn take(&mut self, message: &Value) -> Vec<Value> {
        self.send(message).await;
        self.story().await
    }

    /// The events and what ends the socket instead of a terminal.
    async fn until_end(&mut self) -> (Vec<Value>, Next) {
        let mut events = Vec::new();
        loop {
            let next = self.next().await;
            let Next::Event(event) = next else { return (events, next) };
            events.push(event);
        }
    }
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap_or("-")).collect()
}

/// Id of the response of the last event.
fn id(events: &[Value]) -> Value {
    events.last().unwrap()["response"]["id"].clone()
}

fn refused(events: &[Value]) -> (&Value, &Value) {
    let frame = events.last().unwrap();
    assert_eq!(frame["type"], "error", "{frame}");
    (&frame["status"], &frame["error"]["code"])
}

fn at(after_events: usize, act: SocketAct) -> Fault {
    Fault::Socket(SocketFault { after_events, act })
}

async fn under(simulator: &Simulator, fault: Fault) -> Ws {
    simulator.clear_faults();
    simulator.fault(Who::All, fault);
    let mut ws = connect(simulator, 0).await;
    ws.send(&create(turn("hello"))).await;
    ws
}

#[tokio::test]
async fn the_handshake_says_what_http_headers_say() {
    let simulator = simulator().await;
    let offer = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
    let ws = dial(&simulator, 0, &[offer, ("x-codex-routing-hint", "model=gpt-6-sol;tier=priority")]).await.unwrap();
    let models = super::client::get(&simulator, 0, "/backend-api/codex/models").await;
    assert_eq!(ws.head["x-models-etag"], models.header("etag").unwrap());
    assert_eq!(ws.head["openai-model"], "gpt-6-sol");
    assert_eq!(ws.head["x-reasoning-included"], "true");
    assert!(ws.head["x-codex-turn-state"].to_str().unwrap().starts_with("ts_"));
    assert!(!ws.head.contains_key("sec-websocket-extensions"));
    assert!(!connect(&simulator, 0).await.head.contains_key("openai-model"));
    let handshake = &simulator.requests()[0];
    assert_eq!(
        (handshake.method.as_str(), handshake.status, handshake.account.as_deref()),
        ("GET", Some(101), Some("sim-0"))
    );
}

async fn refusal(simulator: &Simulator, account: usize, headers: &[(&str, Option<&str>)]) -> Answer {
    let account = &simulator.accounts()[account];
    let bearer = bearer(account);
    let mut all: BTreeMap<&str, &str> = BTreeMap::from([
        ("authorization", bearer.as_str()),
        ("chatgpt-account-id", account.id()),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        BETA,
    ]);
    for (name, value) in headers {
        match value {
            Some(value) => all.insert(name, value),
            None => all.remove(name),
        };
    }
    let mut head = format!("GET {PATH} HTTP/1.1\r\nhost: x\r\n");
    all.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    super::client::read(stream).await.unwrap()
}

#[tokio::test]
async fn refuses_handshakes_with_an_http_status() {
    let simulator = simulator().await;
    let foreign = connect(&simulator, 1).await.head["x-codex-turn-state"].to_str().unwrap().to_owned();
    let rows: [(&str, Option<&str>, u16); 13] = [
        ("authorization", None, 401),
        ("authorization", Some("Bearer x"), 401),
        ("chatgpt-account-id", None, 403),
        ("chatgpt-account-id", Some("other"), 403),
        ("openai-beta", None, 400),
        ("openai-beta", Some("responses_websockets=2025-01-01"), 400),
        ("upgrade", None, 426),
        ("upgrade", Some("h2c"), 426),
        ("connection", Some("keep-alive"), 426),
        ("sec-websocket-version", Some("12"), 400),
        ("sec-websocket-key", Some("c2hvcnQ="), 400),
        ("content-length", Some("0"), 400),
        ("x-codex-turn-state", Some(&foreign), 400),
    ];
    for (name, value, status) in rows {
        let answer = refusal(&simulator, 0, &[(name, value)]).await;
        assert_eq!(answer.status, status, "{name}: {value:?}");
        assert!(answer.json().is_object());
    }
    assert_eq!(request(simulator.address(), "PUT", PATH, &[], b"").await.status, 405);
    assert_eq!(simulator.sockets().len(), 1, "only the one that was accepted");
}

#[tokio::test]
async fn loses_no_message_that_comes_with_the_handshake() {
    let simulator = simulator().await;
    let account = &simulator.accounts()[0];
    let message = create(turn("hello")).to_string();
    let length = u16::try_from(message.len()).unwrap();
    let head = format!(
        "GET {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nchatgpt-account-id: {}\r\nconnection: upgrade\r\nupgrade: \
         websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}: {}\r\n\r\n",
        bearer(account),
        account.id(),
        BETA.0,
        BETA.1
    );
    // Masked with zeros, which changes nothing.
    let frame = [&[0x81, 0x80 | 126][..], &length.to_be_bytes(), &[0; 4], message.as_bytes()].concat();
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(&[head.as_bytes(), &frame].concat()).await.unwrap();
    let mut got = Vec::new();
    while !String::from_utf8_lossy(&got).contains("response.completed") {
        assert_ne!(tokio::time::timeout(PATIENCE, stream.read_buf(&mut got)).await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn tells_the_same_events_as_the_stream_one_message_each() {
    let simulator = simulator().await;
    let body = with("reasoning", json!({"effort": "high", "summary": "auto"}));
    let stream = post(&simulator, 0, &body).await;
    let mut ws = connect(&simulator, 0).await;
    let events = ws.take(&create(body)).await;
    assert_eq!(names(&events)[..3], ["codex.rate_limits", "response.metadata", "response.created"]);
    assert_eq!(names(&events[2..]), stream.names());
    for (index, event) in events[2..].iter().enumerate() {
        assert_eq!(event["sequence_number"], index);
    }
    assert!(events[0]["rate_limits"]["primary"]["window_minutes"].is_u64());
    assert_eq!(events[1]["headers"]["openai-model"], "gpt-5.5");
    let output = |response: &Value| response["output"][1]["content"][0]["text"].clone();
    assert_eq!(output(&events.last().unwrap()["response"]), output(&stream.response()));
    assert!(output(&stream.response()).is_string());
}

#[tokio::test]
async fn a_warm_up_has_no_output_and_the_next_turn_goes_on_from_it() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let warm = ws.take(&warm_up()).await;
    assert_eq!(names(&warm), ["codex.rate_limits", "response.created", "response.completed"]);
    assert_eq!(warm[2]["response"]["output"], json!([]));
    let first = ws.take(&after(&id(&warm), turn("hello"))).await;
    assert_eq!(first.last().unwrap()["response"]["previous_response_id"], id(&warm));
    let second = ws.take(&after(&id(&first), turn("and now"))).await;
    let input = |events: &[Value]| events.last().unwrap()["response"]["usage"]["input_tokens"].as_u64().unwrap();
    assert!(input(&warm) < input(&first) && input(&first) < input(&second), "the conversation counts");
    let mut empty = warm_up();
    empty["input"] = json!([]);
    assert!(id(&ws.take(&empty).await).is_string());
    let forked = ws.take(&after(&id(&warm), turn("again"))).await;
    assert_eq!(names(&forked).last(), Some(&"response.completed"), "earlier responses of the socket stay known");
    let seen = simulator.sockets().pop().unwrap();
    assert_eq!((seen.warm_ups, seen.turns, seen.messages, seen.refused), (2, 3, 5, 0));
    let warm_ups: Vec<bool> = simulator.requests().iter().skip(1).map(|request| request.warm_up).collect();
    assert_eq!(warm_ups, [true, false, false, true, false]);
}

#[tokio::test]
async fn knows_previous_responses_of_its_own_socket_only() {
    let simulator = simulator().await;
    let stream = post(&simulator, 0, &turn("hello")).await;
    let mut ws = connect(&simulator, 0).await;
    let own = id(&ws.take(&create(turn("hello"))).await);
    let mut other = connect(&simulator, 0).await;
    for strange in [&own, &stream.response()["id"], &json!("resp_x")] {
        let events = other.take(&after(strange, turn("more"))).await;
        assert_eq!(refused(&events), (&json!(400), &json!("previous_response_not_found")));
        assert_eq!(events[0]["error"]["param"], "previous_response_id");
        assert_eq!(events[0]["error"]["type"], "invalid_request_error");
    }
    assert_eq!(refused(&other.take(&after(&json!(1), turn("more"))).await).1, "invalid_type");
    assert_eq!(names(&other.take(&create(turn("hello"))).await).last(), Some(&"response.completed"));
    simulator.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::ServerError)).times(1));
    assert_eq!(refused(&ws.take(&after(&own, turn("more"))).await).0, 500);
    let events = ws.take(&after(&own, turn("more"))).await;
    assert_eq!(refused(&events).1, "previous_response_not_found", "a turn that failed took it along");
}

#[tokio::test]
async fn wants_the_outputs_of_the_calls_of_the_previous_response() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let tool = json!([{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}]);
    let mut body = with("tools", tool);
    body["tool_choice"] = json!("required");
    let called = ws.take(&create(body.clone())).await;
    let call = &called.last().unwrap()["response"]["output"][0];
    body["tool_choice"] = json!("auto");
    body["input"] = json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]);
    let told = ws.take(&after(&id(&called), body.clone())).await;
    assert_eq!(told.last().unwrap()["response"]["output"][0]["type"], "message");
    let again = ws.take(&after(&id(&told), body)).await;
    assert!(again[0]["error"]["message"].as_str().unwrap().starts_with("No tool call found"), "{again:?}");
    let called = ws.take(&create(with("tools", json!([])))).await;
    assert_eq!(names(&called).last(), Some(&"response.completed"));
    let mut forced = with("tools", json!([{"type": "custom", "name": "shell"}]));
    forced["tool_choice"] = json!("required");
    let open = ws.take(&create(forced)).await;
    let events = ws.take(&after(&id(&open), turn("never mind"))).await;
    assert!(events[0]["error"]["message"].as_str().unwrap().starts_with("No tool output found for custom tool call"));
}

#[tokio::test]
async fn takes_the_lite_form_by_client_metadata_and_keeps_its_tools() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let announced = |mut body: Value| {
        body["client_metadata"] = json!({"ws_request_header_x_openai_internal_codex_responses_lite": "true"});
        body
    };
    let mut warm = create(announced(lite_turn("x", &json!([]))));
    (warm["generate"], warm["input"]) = (json!(false), json!([]));
    let warm = ws.take(&warm).await;
    assert_eq!(names(&warm).last(), Some(&"response.completed"));
    let first = ws.take(&after(&id(&warm), announced(lite_turn("hello", &json!([weather()]))))).await;
    assert_eq!(names(&first).last(), Some(&"response.completed"));
    let mut next = announced(lite_turn("what is the weather", &json!([])));
    next["input"].as_array_mut().unwrap().remove(0);
    let called = ws.take(&after(&id(&first), next.clone())).await;
    assert_eq!(called.last().unwrap()["response"]["output"][0]["name"], "weather");
    let alone = ws.take(&create(next)).await;
    assert_eq!(alone.last().unwrap()["response"]["output"][0]["type"], "message", "no tools without the conversation");
    assert_eq!(refused(&ws.take(&create(lite_turn("hello", &json!([])))).await).1, "unsupported_value");
    assert_eq!(refused(&ws.take(&create(announced(turn("hello")))).await).1, "unsupported_value");
}

#[tokio::test]
async fn refuses_sealed_content_when_told() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let first = ws.take(&create(with("include", json!(["reasoning.encrypted_content"])))).await;
    let reasoning = first.last().unwrap()["response"]["output"][0].clone();
    let mut body = turn("more");
    body["input"].as_array_mut().unwrap().insert(0, reasoning);
    assert_eq!(names(&ws.take(&create(body.clone())).await).last(), Some(&"response.completed"));
    let foreign = connect(&simulator, 1).await.take(&create(body.clone())).await;
    assert_eq!(refused(&foreign).1, "invalid_encrypted_content");
    simulator.fault(Who::All, Fault::EncryptedContentExpired);
    assert_eq!(refused(&ws.take(&create(body)).await), (&json!(400), &json!("invalid_encrypted_content")));
}

#[tokio::test]
async fn refuses_messages_that_are_no_turns_and_goes_on() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let with = |key: &str, value: Value| create(with(key, value)).to_string();
    let rows = [
        ("{".to_owned(), Value::Null),
        ("[]".to_owned(), Value::Null),
        ("{}".to_owned(), json!("type")),
        (json!({"type": "session.update"}).to_string(), json!("type")),
        (json!({"type": 1}).to_string(), json!("type")),
        (json!({"type": "response.processed"}).to_string(), json!("response_id")),
        (with("generate", json!("no")), json!("generate")),
        (with("stream", json!(false)), Value::Null),
        (with("store", json!(true)), Value::Null),
        (with("background", json!(true)), json!("background")),
        (with("stream_id", json!("a")), json!("stream_id")),
        (with("temperature", json!(1)), Value::Null),
        (with("model", json!("gpt-9")), json!("model")),
        (with("input", json!("hello")), Value::Null),
    ];
    for (text, param) in rows {
        ws.text(text.clone()).await;
        let frame = ws.event().await;
        assert_eq!(
            (&frame["type"], &frame["status"], &frame["error"]["param"]),
            (&json!("error"), &json!(400), &param),
            "{text}"
        );
        assert!(frame["error"]["message"].is_string() && frame["error"]["type"] == "invalid_request_error", "{frame}");
    }
    ws.send(&json!({"type": "response.processed", "response_id": "resp_1"})).await;
    let mut without_stream = create(turn("hello"));
    without_stream.as_object_mut().unwrap().remove("stream");
    assert_eq!(names(&ws.take(&without_stream).await)[0], "codex.rate_limits", "no answer to response.processed");
    let seen = simulator.sockets().pop().unwrap();
    assert_eq!((seen.refused, seen.processed, seen.turns), (14, 1, 1));
}

#[tokio::test]
async fn refuses_a_second_turn_while_one_runs() {
    let simulator = simulator().await;
    let mut ws = under(&simulator, Fault::Stall { after_events: 1, pause: PATIENCE * 10 }).await;
    assert_eq!(names(&[ws.event().await, ws.event().await, ws.event().await])[2], "response.created");
    assert_eq!(refused(&ws.take(&create(turn("too early"))).await), (&json!(409), &json!("response_in_progress")));
    ws.socket.send(Message::Ping("still there".into())).await.unwrap();
    assert_eq!(ws.next().await, Next::Pong(b"still there".to_vec()));
    assert_eq!(simulator.in_flight(), 1);
    let turns: Vec<_> = simulator.requests().into_iter().filter(|one| one.method == "WS").collect();
    assert_eq!((turns.len(), turns[1].refused.as_deref()), (2, Some("response_in_progress")));
    drop(ws);
    assert!(simulator.wait_in_flight(0, PATIENCE).await);
    assert_eq!(simulator.requests()[1].ended, Some(Ended::ClientGone));
    let gone = |code| Some(SocketClosed { by_client: true, code });
    assert!(simulator.wait_for_sockets(|all| all[0].closed == gone(1006), PATIENCE).await);
}

#[tokio::test]
async fn binds_the_turn_state_to_the_account() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let state_of = |events: &[Value]| events[1]["headers"]["x-codex-turn-state"].clone();
    let own = state_of(&ws.take(&create(turn("hello"))).await);
    assert!(own.is_string());
    let carrying = |state: &Value| create(with("client_metadata", json!({"x-codex-turn-state": state})));
    assert_eq!(state_of(&ws.take(&carrying(&own)).await), Value::Null, "the turn goes on");
    let foreign = state_of(&connect(&simulator, 1).await.take(&create(turn("hello"))).await);
    for state in [foreign, json!("ts_x"), json!("not\na header")] {
        assert_eq!(refused(&ws.take(&carrying(&state)).await), (&json!(400), &json!("invalid_turn_state")));
    }
    assert_eq!(names(&connect(&simulator, 0).await.take(&carrying(&own)).await).last(), Some(&"response.completed"));
}

#[tokio::test]
async fn refuses_turns_with_error_frames_of_the_http_refusal() {
    let simulator = simulator().await;
    let statuses = [400, 400, 400, 401, 402, 403, 403, 404, 409, 413, 429, 429, 429, 429, 500, 503, 503, 503, 503];
    let mut ws = connect(&simulator, 0).await;
    for (preset, status) in Preset::ALL.into_iter().zip(statuses) {
        simulator.clear_faults();
        simulator.fault(Who::All, Fault::Preset(preset));
        let events = ws.take(&create(turn("hello"))).await;
        assert_eq!((events.len(), &events[0]["status"]), (1, &json!(status)), "{preset:?}");
        assert!(
            events[0]["error"]["type"].is_string() && events[0]["error"]["message"].is_string() || status == 402,
            "{events:?}"
        );
    }
    let frame = |fault| {
        simulator.clear_faults();
        simulator.fault(Who::All, fault);
    };
    frame(Fault::UsageLimit { resets_in: Duration::from_secs(77) });
    let limit = ws.take(&create(turn("hello"))).await.remove(0);
    assert_eq!(
        (&limit["error"]["type"], &limit["error"]["resets_in_seconds"]),
        (&json!("usage_limit_reached"), &json!(77))
    );
    assert_eq!(limit["headers"]["x-codex-primary-used-percent"], "100");
    frame(Fault::Preset(Preset::RateLimitedRetryAfter));
    assert_eq!(ws.take(&create(turn("hello"))).await[0]["headers"], json!({"retry-after": "2"}));
    frame(Fault::Preset(Preset::PaymentRequired));
    assert_eq!(ws.take(&warm_up()).await[0]["error"]["code"], "deactivated_workspace");
    frame(Fault::Status { status: 418, body: FaultBody::Text("tea".to_owned()), headers: BTreeMap::new() });
    assert_eq!(ws.take(&create(turn("hello"))).await[0]["error"]["message"], "tea");
    simulator.clear_faults();
    simulator.set_quota(0, 100.0, 0.0);
    assert_eq!(ws.take(&create(turn("hello"))).await[0]["error"]["type"], "usage_limit_reached");
    simulator.set_quota(0, 1.0, 0.0);
    assert_eq!(names(&ws.take(&create(turn("hello"))).await).last(), Some(&"response.completed"));
    simulator.expire_access(0);
    assert_eq!(refused(&ws.take(&create(turn("hello"))).await), (&json!(401), &json!("invalid_authentication")));
}

#[tokio::test]
async fn hits_the_handshake_only_when_told_and_turns_otherwise() {
    let simulator = simulator().await;
    let handshake = |fault| Fault::Handshake(Box::new(fault));
    let status =
        |status| Fault::Status { status, body: FaultBody::Json(json!({"detail": "no"})), headers: BTreeMap::new() };
    for (fault, expected) in [
        (status(426), 426),
        (Fault::Preset(Preset::Unauthorized), 401),
        (Fault::Preset(Preset::CloudflareBlocked), 403),
        (Fault::Preset(Preset::UsageLimitReached), 429),
        (Fault::Preset(Preset::ServerError), 500),
        (Fault::Html, 200),
    ] {
        let fault = simulator.inject(FaultSpec::new(Who::Account(0), handshake(fault)).times(1));
        assert_eq!(post(&simulator, 0, &turn("hello")).await.status, 200, "not a handshake");
        let refusal = dial(&simulator, 0, &[]).await.err().unwrap();
        assert_eq!((refusal.status().as_u16(), simulator.fault_hits(fault)), (expected, 1));
        connect(&simulator, 0).await;
    }
    simulator.clear_faults();
    simulator.fault(Who::All, handshake(Fault::HangUp { reset: true }));
    assert_eq!(refusal_or_end(&simulator).await, None);
    simulator.clear_faults();
    let extra = BTreeMap::from([("x-models-etag".to_owned(), "other".to_owned())]);
    simulator.fault(Who::All, handshake(Fault::ExtraHeaders(extra)));
    assert_eq!(connect(&simulator, 0).await.head["x-models-etag"], "other");
    simulator.clear_faults();
    simulator.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Forbidden)).on("/backend-api/codex"));
    let mut ws = connect(&simulator, 0).await;
    assert_eq!(refused(&ws.take(&create(turn("hello"))).await).0, 403);
}

/// Status of a handshake; nothing when the connection ends before.
async fn refusal_or_end(simulator: &Simulator) -> Option<u16> {
    let stream = super::client::send(simulator.address(), "GET", PATH, &[], b"").await;
    drop(stream);
    let account = &simulator.accounts()[0];
    let mut request = format!("ws://{}{PATH}", simulator.address()).into_client_request().unwrap();
    for (name, value) in [
        ("authorization", bearer(account)),
        ("chatgpt-account-id", account.id().to_owned()),
        (BETA.0, BETA.1.to_owned()),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(simulator.address()).await.unwrap();
    match client_async_with_config(request, stream, None).await {
        Ok(_) => Some(101),
        Err(Error::Http(response)) => Some(response.status().as_u16()),
        Err(_) => None,
    }
}

#[tokio::test]
async fn ends_the_socket_in_the_middle_of_a_turn() {
    let simulator = simulator().await;
    let close = |code| SocketAct::Close { code, reason: "x".repeat(200) };
    // The events of the control plane come before the first event, if one comes.
    for (fault, events, end, code) in [
        (Fault::Cut { after_events: 3 }, 5, Next::Gone, 1006),
        (Fault::Reset { after_events: 3 }, 5, Next::Gone, 1006),
        (Fault::Cut { after_events: 0 }, 0, Next::Gone, 1006),
        (Fault::HangUp { reset: false }, 0, Next::Gone, 1006),
        (at(3, close(Some(1011))), 5, Next::Close(1011), 1011),
        (at(2, close(None)), 4, Next::Close(1005), 1005),
        (at(0, close(Some(1000))), 0, Next::Close(1000), 1000),
        (Fault::EmptyBody, 0, Next::Close(1000), 1000),
    ] {
        let shown = format!("{fault:?}");
        let mut ws = under(&simulator, fault).await;
        let (seen, how) = ws.until_end().await;
        assert_eq!((seen.len(), how), (events, end), "{shown}");
        drop(ws);
        let closed = Some(SocketClosed { by_client: false, code });
        assert!(simulator.wait_for_sockets(|all| all.last().unwrap().closed == closed, PATIENCE).await, "{shown}");
        assert_eq!(simulator.requests().last().unwrap().ended, Some(Ended::Broken), "{shown}");
        assert!(simulator.wait_in_flight(0, PATIENCE).await);
    }
    let (events, end) = under(&simulator, Fault::NoTerminal).await.until_end().await;
    assert_eq!((names(&events).last(), end), (Some(&"response.output_item.done"), Next::Close(1000)));
}

#[tokio::test]
async fn sends_messages_that_no_client_expects() {
    let simulator = simulator().await;
    let message = |text: &str, ends_turn| SocketAct::Message { text: text.to_owned(), ends_turn };
    let mut ws = under(&simulator, at(0, message(r#"{"detail":"Bad Request"}"#, true))).await;
    assert_eq!(ws.next().await, Next::Event(json!({"detail": "Bad Request"})));
    simulator.clear_faults();
    assert_eq!(names(&ws.take(&create(turn("hello"))).await).last(), Some(&"response.completed"), "the socket is open");
    let mut ws = under(&simulator, at(1, message("{\"type\":", false))).await;
    for _ in 0..3 {
        ws.event().await;
    }
    assert_eq!(ws.next().await, Next::Text("{\"type\":".to_owned()));
    assert_eq!(names(&ws.story().await).last(), Some(&"response.completed"));
    let mut ws = under(&simulator, Fault::GarbageBlock).await;
    let (events, end) = ws.until_end().await;
    assert_eq!((events.len(), end), (3, Next::Text("{not json".to_owned())));
    let mut ws = under(&simulator, at(0, SocketAct::Binary)).await;
    assert_eq!(ws.next().await, Next::Binary);
    let mut ws = under(&simulator, at(1_000, SocketAct::Ping)).await;
    ws.story().await;
    assert_eq!(ws.next().await, Next::Ping);
    ws.take(&create(turn("answers the ping"))).await;
    assert!(simulator.wait_for_sockets(|all| all.last().unwrap().pongs == 1, PATIENCE).await);
    let broken = Next::Text(r#"{"id":"resp_broken","object":"#.to_owned());
    assert_eq!(under(&simulator, Fault::InvalidJson200).await.next().await, broken);
}

#[tokio::test]
async fn bends_events_as_in_a_stream() {
    let simulator = simulator().await;
    let failed = Fault::TerminalInStream {
        kind: TerminalKind::Failed,
        code: "server_is_overloaded".into(),
        message: "m".into(),
        after_events: 2,
    };
    let mut ws = under(&simulator, failed).await;
    let events = ws.story().await;
    assert_eq!(names(&events)[2..], ["response.created", "response.in_progress", "response.failed"]);
    assert_eq!(refused(&ws.take(&after(&id(&events), turn("more"))).await).1, "previous_response_not_found");
    let whole = under(&simulator, Fault::Events(3)).await.story().await;
    let shredded = under(&simulator, Fault::OneByteChunks).await.story().await;
    assert_eq!(names(&shredded).last(), Some(&"response.completed"));
    assert_eq!(whole.iter().filter(|event| event["type"] == "response.output_text.delta").count(), 3);
    assert_eq!(
        simulator.sockets().last().unwrap().sent,
        u64::try_from(shredded.len()).unwrap(),
        "a message counts once"
    );
    let mut ws = under(&simulator, Fault::OpenAiModelMismatch).await;
    assert_ne!(ws.story().await[1]["headers"]["openai-model"], "gpt-5.5");
    let extra = Fault::ExtraHeaders(BTreeMap::from([("x-models-etag".to_owned(), "other".to_owned())]));
    assert_eq!(under(&simulator, extra).await.story().await[1]["headers"]["x-models-etag"], "other");
    let script = Fault::Script(vec![super::super::ScriptStep::Send(r#"{"type":"response.completed"}"#.into())]);
    assert_eq!(under(&simulator, script).await.story().await, [json!({"type": "response.completed"})]);
    let mut ws = under(&simulator, Fault::EndTurnFalse).await;
    assert_eq!(ws.story().await.last().unwrap()["response"]["end_turn"], false);
    let spec = FaultSpec::new(Who::All, Fault::Cut { after_events: 1 }).times(1);
    simulator.clear_faults();
    let id = simulator.inject(spec);
    ws.take(&warm_up()).await;
    assert_eq!(simulator.fault_hits(id), 0, "a warm-up has no events to bend");
}

#[tokio::test]
async fn is_silent_where_it_is_told_to() {
    let simulator = simulator().await;
    let pause = PATIENCE * 10;
    for (fault, before) in [
        (Fault::SlowFirstByte(pause), 0),
        (Fault::SilentAfterHeaders(pause), 0),
        (Fault::Stall { after_events: 0, pause }, 0),
        (Fault::Stall { after_events: 2, pause }, 4),
        (Fault::Script(vec![super::super::ScriptStep::Hang]), 0),
    ] {
        let mut ws = under(&simulator, fault).await;
        for _ in 0..before {
            ws.event().await;
        }
        ws.socket.send(Message::Ping("a".into())).await.unwrap();
        assert_eq!(ws.next().await, Next::Pong(b"a".to_vec()), "nothing but the pong");
    }
    for fault in
        [Fault::Pace(Duration::from_millis(1)), Fault::Stall { after_events: 3, pause: Duration::from_millis(5) }]
    {
        assert_eq!(names(&under(&simulator, fault).await.story().await).last(), Some(&"response.completed"));
    }
}

#[tokio::test]
async fn leaves_pings_unanswered_when_told() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    simulator.inject(FaultSpec::new(Who::Account(0), Fault::IgnorePing).times(2));
    for ping in ["a", "b", "c"] {
        ws.socket.send(Message::Ping(ping.into())).await.unwrap();
        assert!(
            simulator.wait_for_sockets(|all| all[0].pings == u64::from(ping.as_bytes()[0] - b'a') + 1, PATIENCE).await
        );
    }
    assert_eq!(ws.next().await, Next::Pong(b"c".to_vec()));
    assert_eq!(names(&ws.take(&create(turn("hello"))).await).last(), Some(&"response.completed"));
}

#[tokio::test]
async fn a_socket_lives_as_long_as_it_may_and_lets_a_turn_end() {
    let simulator = simulator().await;
    let mut idle = connect(&simulator, 1).await;
    let mut ws = under(&simulator, Fault::Stall { after_events: 3, pause: Duration::from_millis(20) }).await;
    ws.event().await;
    simulator.set_socket_lifetime(Duration::ZERO);
    assert_eq!(names(&ws.story().await).last(), Some(&"response.completed"));
    for socket in [&mut ws, &mut idle] {
        assert_eq!(refused(&[socket.event().await]), (&json!(400), &json!("websocket_connection_limit_reached")));
        assert_eq!(socket.next().await, Next::Close(1000));
        assert_eq!(socket.next().await, Next::Gone);
    }
    simulator.set_socket_lifetime(Duration::from_secs(3_600));
    let mut idle = connect(&simulator, 1).await;
    simulator.set_socket_idle(Duration::ZERO);
    assert_eq!(idle.next().await, Next::Close(1001));
    simulator.set_socket_idle(Duration::from_secs(600));
    let mut ws = under(&simulator, at(2, SocketAct::ConnectionLimit)).await;
    let events = ws.story().await;
    assert_eq!((events.len(), refused(&events).1), (5, &json!("websocket_connection_limit_reached")));
    assert_eq!(ws.next().await, Next::Close(1000));
}

#[tokio::test]
async fn closes_on_what_the_protocol_does_not_allow() {
    let simulator = simulator().await;
    let limit = 16 << 20;
    let mut ws = connect(&simulator, 0).await;
    ws.text(" ".repeat(limit)).await;
    assert_eq!(ws.event().await["status"], 400, "the largest message is read");
    ws.text(" ".repeat(limit + 1)).await;
    assert_eq!((ws.next().await, ws.next().await), (Next::Close(1009), Next::Gone));
    let text = |bytes: Vec<u8>, opcode, last| Message::Frame(Frame::message(bytes, OpCode::Data(opcode), last));
    drop(ws);
    let mut ws = connect(&simulator, 0).await;
    for (opcode, last) in [(Data::Text, false), (Data::Continue, true)] {
        ws.socket.send(text(vec![b' '; limit / 2 + 1], opcode, last)).await.unwrap();
    }
    assert_eq!(ws.next().await, Next::Close(1009), "the sum of the fragments counts");
    drop(ws);
    let mut ws = connect(&simulator, 0).await;
    ws.socket.send(text(vec![0xff, 0xfe], Data::Text, true)).await.unwrap();
    assert_eq!(ws.next().await, Next::Close(1007));
    drop(ws);
    let mut ws = connect(&simulator, 0).await;
    ws.socket.send(Message::Binary(vec![1].into())).await.unwrap();
    assert_eq!(ws.next().await, Next::Close(1003));
    drop(ws);
    let mut ws = connect(&simulator, 0).await;
    ws.socket.get_mut().write_all(&[0x81, 1, b'a']).await.unwrap();
    assert_eq!(ws.next().await, Next::Close(1002), "an unmasked frame");
    drop(ws);
    assert!(simulator.wait_for_sockets(|all| all.iter().all(|seen| seen.closed.is_some()), PATIENCE).await);
    let closed: Vec<_> = simulator.sockets().into_iter().filter_map(|seen| seen.closed).collect();
    assert!(closed.iter().all(|closed| !closed.by_client));
    assert_eq!(closed.iter().map(|closed| closed.code).collect::<Vec<_>>(), [1009, 1009, 1007, 1003, 1002]);
}

#[tokio::test]
async fn reads_fragments_with_control_frames_between_them() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    let message = create(turn("hello \u{1f600}")).to_string().into_bytes();
    for (index, byte) in message.iter().enumerate() {
        let opcode = if index == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(vec![*byte], OpCode::Data(opcode), index + 1 == message.len());
        ws.socket.send(Message::Frame(frame)).await.unwrap();
        if index == 5 {
            ws.socket.send(Message::Ping("between".into())).await.unwrap();
        }
    }
    assert_eq!(ws.next().await, Next::Pong(b"between".to_vec()));
    assert_eq!(names(&ws.story().await).last(), Some(&"response.completed"));
}

#[tokio::test]
async fn counts_what_came_and_shows_it_at_the_control_endpoint() {
    let simulator = simulator().await;
    let control = simulator.control_url().unwrap()["http://".len()..].parse().unwrap();
    let mut ws = connect(&simulator, 2).await;
    ws.take(&create(turn("private words"))).await;
    ws.socket.close(None).await.unwrap();
    assert!(simulator.wait_for_sockets(|all| all[0].closed.is_some(), PATIENCE).await);
    let _open = connect(&simulator, 0).await;
    let shown = request(control, "GET", "/sockets", &[], b"").await;
    assert!(!shown.text().contains("private"));
    let socket = &shown.json()["sockets"][0];
    assert_eq!((&socket["account"], &socket["turns"], &socket["messages"]), (&json!("sim-2"), &json!(1), &json!(1)));
    assert_eq!(socket["closed"], json!({"by_client": true, "code": 1005}));
    let requests = simulator.requests();
    assert_eq!(
        (requests[1].method.as_str(), requests[1].socket, requests[1].status),
        ("WS", Some(requests[0].id), Some(200))
    );
    assert_eq!(requests[1].body.as_ref().unwrap()["type"], "response.create");
    assert_eq!(requests[1].ended, Some(Ended::Served));
    request(control, "DELETE", "/sockets", &[], b"").await;
    assert_eq!(simulator.sockets().len(), 1, "open ones stay");
    assert_eq!(request(control, "POST", "/sockets/limits", &[], br#"{"lifetime":1}"#).await.status, 400);
    assert_eq!(request(control, "POST", "/sockets/limits", &[], br#"{"lifetime_ms":0}"#).await.status, 200);
    let mut ws = connect(&simulator, 0).await;
    assert_eq!(refused(&[ws.event().await]).1, "websocket_connection_limit_reached");
}

#[tokio::test]
async fn takes_orders_about_websockets() {
    let simulator = simulator().await;
    let control = simulator.control_url().unwrap()["http://".len()..].parse().unwrap();
    let order = async |fault: Value| {
        request(control, "POST", "/faults", &[], json!({"fault": fault, "times": 1}).to_string().as_bytes())
            .await
            .status
    };
    for bad in [
        json!({"kind": "handshake", "fault": "no_terminal"}),
        json!({"kind": "handshake", "fault": "nothing"}),
        json!("message"),
        json!({"kind": "close_frame", "typo": 1}),
    ] {
        assert_eq!(order(bad.clone()).await, 400, "{bad}");
    }
    let error = json!({"type": "error", "status": 400, "error": {"code": "x"}});
    for good in [
        json!("ignore_ping"),
        json!({"kind": "ping", "after_events": 1}),
        json!({"kind": "binary_message", "after_events": 9}),
        json!({"kind": "connection_limit", "after_events": 3}),
        json!({"kind": "close_frame"}),
    ] {
        assert_eq!(order(good.clone()).await, 200, "{good}");
    }
    simulator.clear_faults();
    assert_eq!(order(json!({"kind": "handshake", "fault": {"kind": "status", "status": 426}})).await, 200);
    assert_eq!(dial(&simulator, 0, &[]).await.err().unwrap().status(), 426);
    assert_eq!(order(json!({"kind": "message", "message": error})).await, 200);
    let mut ws = connect(&simulator, 0).await;
    assert_eq!(ws.take(&create(turn("hello"))).await, [error]);
    assert_eq!(order(json!({"kind": "close_frame", "code": 1011, "after_events": 1})).await, 200);
    ws.send(&create(turn("hello"))).await;
    assert_eq!(ws.until_end().await.1, Next::Close(1011));
}

#[tokio::test]
async fn ends_its_websockets_when_it_is_dropped() {
    let simulator = simulator().await;
    let mut ws = connect(&simulator, 0).await;
    drop(simulator);
    assert_eq!(ws.next().await, Next::Gone);
}
