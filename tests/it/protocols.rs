//! Every route over every protocol: one table of requests with what is expected of them, sent over HTTP/1.1 and HTTP/2, with and without TLS.

use std::collections::BTreeSet;

use codex_pooler::proxy::route::{Handler, ROUTES};
use serde_json::{Value, json};

use crate::files::{BOUNDARY, a_file, form, upload};
use crate::native::{put, turn};
use crate::support::Gateway;
use crate::support::caller::{Caller, Protocol, secure};
use crate::support::client::Answer;
use crate::support::socket::{Raw, Socket, create, handshake_at};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n first";

/// What is expected of an answer.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// JSON with this at this place.
    Json(&'static str, &'static str),
    /// JSON with something at this place.
    Has(&'static str),
    /// Events, the last but `[DONE]` of this kind.
    Events(&'static str),
    /// Chunks of a chat, ended by `[DONE]`.
    Chunks,
    /// An error with this code.
    Refused(&'static str),
}

/// A request and what comes of it.
struct Case {
    /// The name of its route.
    route: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    expected: Expected,
}

impl Case {
    fn get(route: &'static str, status: u16, expected: Expected) -> Self {
        let path = route.split_once(' ').unwrap().1.to_owned();
        Self { route, path, headers: Vec::new(), body: Vec::new(), status, expected }
    }

    fn post(route: &'static str, body: &Value, status: u16, expected: Expected) -> Self {
        let kind = ("content-type", "application/json".to_owned());
        Self { headers: vec![kind], body: body.to_string().into_bytes(), ..Self::get(route, status, expected) }
    }

    fn form(route: &'static str, body: Vec<u8>, status: u16, expected: Expected) -> Self {
        let kind = ("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        Self { headers: vec![kind], body, ..Self::get(route, status, expected) }
    }

    fn id(mut self, id: &str) -> Self {
        self.path = self.path.replace(":id", id);
        self
    }

    fn method(&self) -> &'static str {
        self.route.split_once(' ').unwrap().0
    }

    async fn check(&self, caller: &Caller) {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = caller.send(self.method(), &self.path, &headers, &self.body).await;
        let what = format!("{:?}: {} {}\n{}", caller.protocol, self.method(), self.path, answer.text());
        assert_eq!(answer.status, self.status, "{what}");
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{what}");
        self.expected.check(&answer, &what);
    }
}

impl Expected {
    fn check(self, answer: &Answer, what: &str) {
        let kind = answer.header("content-type");
        match self {
            Self::Json(place, value) => {
                assert_eq!(kind, Some("application/json"), "{what}");
                assert_eq!(answer.json().pointer(place), Some(&json!(value)), "{what}");
            }
            Self::Has(place) => {
                assert_eq!(kind, Some("application/json"), "{what}");
                assert!(answer.json().pointer(place).is_some(), "{place}: {what}");
            }
            Self::Events(last) => {
                assert!(kind.is_some_and(|kind| kind.starts_with("text/event-stream")), "{what}");
                assert_eq!(answer.events().last().map(|event| event.name.clone()), Some(last.to_owned()), "{what}");
                assert!(answer.header("content-length").is_none(), "{what}");
            }
            Self::Chunks => {
                assert!(kind.is_some_and(|kind| kind.starts_with("text/event-stream")), "{what}");
                assert!(answer.text().starts_with("data: {") && answer.text().ends_with("data: [DONE]\n\n"), "{what}");
            }
            Self::Refused(code) => {
                assert_eq!(kind, Some("application/json"), "{what}");
                assert_eq!(answer.json().pointer("/error/code"), Some(&json!(code)), "{what}");
            }
        }
        if !matches!(self, Self::Events(_) | Self::Chunks) {
            assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{what}");
        }
    }
}

/// Files that exist already: one that the gateway has uploaded, one that its client has uploaded itself.
struct Known {
    stays: String,
    uploaded: String,
}

impl Known {
    async fn make(gateway: &Gateway) -> Self {
        let stays = upload(&gateway.client, "stays", "batch").await["id"].as_str().unwrap().to_owned();
        let made =
            gateway.client.post("/backend-api/files", &json!({"file_name": "a.txt", "file_size": 5})).await.json();
        put(made["upload_url"].as_str().unwrap(), b"hello").await;
        Self { stays, uploaded: made["file_id"].as_str().unwrap().to_owned() }
    }
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// What is asked of `/v1`.
fn public(known: &Known) -> Vec<Case> {
    use Expected::{Chunks, Events, Has, Json, Refused};
    let ask = json!({"model": "gpt-5.5", "input": "Say hello"});
    let say = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "Say hello"}]});
    let draw = json!({"model": "gpt-image-1", "prompt": "a boat"});
    let large = with(ask.clone(), "input", json!("x".repeat(600_000)));
    let picture: [crate::files::Part<'_>; 3] = [
        ("image[]", Some("a.png"), Some("image/png"), PNG),
        ("prompt", None, None, b"change it"),
        ("model", None, None, b"gpt-image-1"),
    ];
    let speech: [crate::files::Part<'_>; 2] =
        [("model", None, None, b"gpt-4o-transcribe"), ("file", Some("a.mp3"), Some("audio/mpeg"), b"ID3 sound")];
    vec![
        Case::get("GET /v1/models", 200, Json("/object", "list")),
        Case::get("GET /v1/models/:id", 200, Json("/id", "gpt-5.5")).id("gpt-5.5"),
        Case::get("GET /v1/models/:id", 404, Refused("model_not_found")).id("nobody"),
        Case::post("POST /v1/responses", &ask, 200, Json("/status", "completed")),
        Case::post("POST /v1/responses", &large, 200, Json("/status", "completed")),
        Case::post("POST /v1/responses", &with(ask.clone(), "stream", json!(true)), 200, Events("response.completed")),
        Case::post("POST /v1/responses", &json!([]), 400, Refused("invalid_request")),
        Case::post(
            "POST /v1/responses",
            &with(ask.clone(), "nonsense", json!(1)),
            400,
            Refused("unsupported_parameter"),
        ),
        Case::get("GET /v1/responses", 400, Refused("websocket_upgrade_required")),
        Case::post("POST /v1/responses/compact", &ask, 200, Json("/object", "response.compaction")),
        Case::post("POST /v1/chat/completions", &say, 200, Json("/object", "chat.completion")),
        Case::post("POST /v1/chat/completions", &with(say, "stream", json!(true)), 200, Chunks),
        Case::get("GET /v1/usage", 200, Has("/request_count")),
        Case::get("GET /v1/files", 200, Json("/object", "list")),
        Case::form("POST /v1/files", a_file("new", "batch", &[b'x'; 200_000]), 200, Json("/object", "file")),
        Case::form("POST /v1/files", form(&[]), 400, Refused("invalid_request")),
        Case::get("GET /v1/files/:id", 200, Json("/filename", "stays")).id(&known.stays),
        Case::get("GET /v1/files/:id/content", 404, Refused("unsupported_endpoint")).id(&known.stays),
        Case::get("DELETE /v1/files/:id", 404, Refused("unsupported_endpoint")).id(&known.stays),
        Case::get("DELETE /v1/files/:id", 404, Refused("file_not_found")).id("file_unknown"),
        Case::form("POST /v1/audio/transcriptions", form(&speech), 200, Has("/text")),
        Case::post("POST /v1/images/generations", &draw, 200, Has("/data/0/b64_json")),
        Case::form("POST /v1/images/edits", form(&picture), 200, Has("/data/0/b64_json")),
    ]
}

/// What is asked by Codex CLI.
fn native(known: &Known) -> Vec<Case> {
    use Expected::{Events, Has, Json, Refused};
    let streamed = turn();
    let compact = json!({"model": "gpt-5.5", "input": turn()["input"], "instructions": "", "tools": [], "parallel_tool_calls": true});
    let say = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "Say hello"}]});
    let draw =
        json!({"prompt": "a cat", "model": "gpt-image-2", "background": "opaque", "quality": "auto", "size": "auto"});
    let image = json!([{"image_url": "data:image/png;base64,iVBORw0KGgo="}]);
    let sound: [crate::files::Part<'_>; 1] = [("file", Some("a.wav"), Some("audio/wav"), b"RIFF")];
    let order = json!({"file_name": "b.txt", "file_size": 5});
    vec![
        Case::get("GET /backend-api/codex/models", 200, Has("/models")),
        Case::get("GET /backend-api/codex/v1/models", 200, Has("/models")),
        Case::post("POST /backend-api/codex/responses", &streamed, 200, Events("response.completed")),
        Case::post("POST /backend-api/codex/v1/responses", &streamed, 200, Events("response.completed")),
        Case::post("POST /backend-api/codex/responses", &json!([]), 400, Refused("invalid_request")),
        Case::get("GET /backend-api/codex/responses", 400, Refused("websocket_upgrade_required")),
        Case::get("GET /backend-api/codex/v1/responses", 400, Refused("websocket_upgrade_required")),
        Case::post("POST /backend-api/codex/responses/compact", &compact, 200, Json("/object", "response.compaction")),
        Case::post(
            "POST /backend-api/codex/v1/responses/compact",
            &compact,
            200,
            Json("/object", "response.compaction"),
        ),
        Case::post("POST /backend-api/codex/v1/chat/completions", &say, 200, Json("/object", "chat.completion")),
        Case::post("POST /backend-api/codex/images/generations", &draw, 200, Has("/data/0/b64_json")),
        Case::post("POST /backend-api/codex/images/edits", &with(draw, "images", image), 200, Has("/data/0/b64_json")),
        Case::form("POST /backend-api/transcribe", form(&sound), 200, Has("/text")),
        Case::post("POST /backend-api/files", &order, 200, Has("/upload_url")),
        Case::post("POST /backend-api/files/:id/uploaded", &json!({}), 200, Json("/status", "success"))
            .id(&known.uploaded),
        Case::get("GET /api/codex/usage", 200, Has("/rate_limit")),
        Case::get("GET /wham/usage", 200, Has("/rate_limit")),
        Case::get("GET /backend-api/wham/usage", 200, Has("/rate_limit")),
    ]
}

/// Routes that are refused for ever.
fn refused() -> impl Iterator<Item = Case> {
    let rows = ROUTES.iter().filter(|row| row.handler == Handler::Refuse);
    rows.map(|row| Case::get(row.name, 404, Expected::Refused("unsupported_endpoint")).id("abc"))
}

/// What is wrong with a request before any route is looked at, or with its route. The key, method, path, status, code.
const WRONG: [(bool, &str, &str, u16, &str); 7] = [
    (false, "GET", "/v1/models", 401, "api_key_missing"),
    (false, "GET", "/wham/usage", 401, "api_key_missing"),
    (true, "GET", "/nowhere", 404, "not_found"),
    (true, "PATCH", "/v1/models", 404, "unsupported_endpoint"),
    (true, "DELETE", "/wham/usage", 405, "method_not_allowed"),
    (true, "GET", "/v1/%2e%2e/models", 400, "invalid_request"),
    (true, "GET", "/v1/a%2fb", 400, "invalid_request"),
];

/// All of it over one protocol.
async fn everything(protocol: Protocol) {
    let (gateway, identity) = secure(Gateway::builder().accounts(1)).await;
    let known = Known::make(&gateway).await;
    let caller = Caller::new(protocol, &gateway, &identity).await;
    let cases: Vec<Case> = public(&known).into_iter().chain(native(&known)).chain(refused()).collect();
    let asked: BTreeSet<&str> = cases.iter().map(|case| case.route).collect();
    let known: BTreeSet<&str> = ROUTES.iter().map(|row| row.name).collect();
    assert_eq!(asked, known, "every route is asked");
    for case in &cases {
        case.check(&caller).await;
    }
    let stranger = caller.with_key("");
    for (with_key, method, path, status, code) in WRONG {
        let answer = if with_key { &caller } else { &stranger }.send(method, path, &[], b"").await;
        let got = (answer.status, answer.json()["error"]["code"].clone());
        assert_eq!(got, (status, json!(code)), "{protocol:?} {method} {path}");
    }
    if protocol.is_http2() {
        let head = caller.send("HEAD", "/wham/usage", &[], b"").await;
        assert_eq!((head.status, head.header("allow"), head.body.len()), (405, Some("GET"), 0), "{protocol:?}");
        assert!(head.header("content-length").is_some_and(|length| length != "0"));
    }
}

#[tokio::test]
async fn every_route_answers_over_http_1_1() {
    everything(Protocol::Http1).await;
}

#[tokio::test]
async fn every_route_answers_over_http_1_1_with_tls() {
    everything(Protocol::Http1Tls).await;
}

#[tokio::test]
async fn every_route_answers_over_http_2_with_tls() {
    everything(Protocol::Http2Tls).await;
}

#[tokio::test]
async fn every_route_answers_over_http_2_without_tls() {
    everything(Protocol::H2c).await;
}

#[tokio::test]
async fn websockets_work_over_http_1_1_with_and_without_tls() {
    let (gateway, identity) = secure(Gateway::builder().accounts(1)).await;
    for protocol in [Protocol::Http1, Protocol::Http1Tls] {
        let caller = Caller::new(protocol, &gateway, &identity).await;
        let routes = ROUTES.iter().filter(|row| row.handler == Handler::Websocket);
        for row in routes {
            let request = handshake_at(row.path, caller.client(), &[]);
            let mut raw = Raw::over(caller.connect().await, &request).await;
            let (status, headers) = raw.head().await;
            assert_eq!(status, 101, "{protocol:?} {}", row.name);
            let mut socket = Socket::over(raw, headers).await;
            // A message larger than any buffer on the way.
            let text = "x".repeat(300_000);
            let turn = if row.path.starts_with("/v1/") {
                create(text)
            } else {
                with(turn(), "type", json!("response.create"))
            };
            socket.succeed(&turn).await;
            socket.succeed(&turn).await;
        }
    }
}

#[tokio::test]
async fn a_websocket_over_http_2_is_refused_and_its_connection_goes_on() {
    let (gateway, identity) = secure(Gateway::builder().accounts(1)).await;
    for protocol in [Protocol::Http2Tls, Protocol::H2c] {
        let caller = Caller::new(protocol, &gateway, &identity).await;
        for row in ROUTES.iter().filter(|row| row.handler == Handler::Websocket) {
            let headers = [("sec-websocket-version", "13"), ("sec-websocket-key", crate::support::socket::KEY)];
            let answer = caller.send("GET", row.path, &headers, b"").await;
            assert_eq!(answer.status, 400, "{protocol:?} {}", answer.text());
            assert_eq!(answer.json()["error"]["code"], "websocket_upgrade_required");
        }
        assert_eq!(caller.send("GET", "/v1/models", &[], b"").await.status, 200);
    }
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let caller = Caller::h2c(&gateway).await;
    let body = json!({"model": "gpt-5.5", "input": "Say hello", "stream": true}).to_string();
    let kind = [("content-type", "application/json")];
    let asked = (0..60).map(|_| caller.send("POST", "/v1/responses", &kind, body.as_bytes()));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.events().last().unwrap().name, "response.completed");
    }
    gateway.settled(60).await;
}
