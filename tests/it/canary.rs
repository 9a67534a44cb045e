//! Nothing secret is ever written down: known texts go through every part of the gateway and must not come out in its log at `trace`, its
//! metrics, its files, or what `--json` prints.
//!
//! The log is the one of the whole process, so this test also sees what other tests make the gateway log.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codex_pooler::admin::{Command, PoolChange, Reply, Who as Operator};
use codex_pooler::simulator::{Account, Fault, FaultBody, FaultSpec, ScriptStep, TerminalKind, Tokens, Who};
use codex_pooler::telemetry::may_be_logged;
use pooler_filter::Secret;
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::bodies::Wire;
use crate::support::caller::Caller;
use crate::support::codex::event;
use crate::support::gateway::POOL;
use crate::support::{Gateway, codex, frames};

const PROMPT: &str = "canary-prompt-6c1d";
const ANSWER: &str = "canary-answer-f04b";
const PROVIDER: &str = "canary-provider-text-9e27";
const COOKIE: &str = "canary-cookie-51aa";
const FILE_NAME: &str = "canary-file-name-7730";
/// `canary-file-content` as the data URL has it.
const FILE: &str = "Y2FuYXJ5LWZpbGUtY29udGVudA==";
const UPLOAD: &str = "canary-upload-17c9";
/// The name of an uploaded file: clients see it in the list of their files, so it is in the store; it is in nothing else.
const UPLOAD_NAME: &str = "canary-upload-name-e05b";
/// What the address of an upload is signed with.
const SIGNATURE: &str = "&sig=";
const TOOL: &str = "canary_tool_ab12";
const CACHE_KEY: &str = "canary-cache-key-2b9e";
const SESSION: &str = "canary-session-88c3";
const METADATA: &str = "canary-metadata-0d5f";
const PERSON: &str = "canary-person-41e6";
const QUERY: &str = "canary-query-3ac8";
const PATH: &str = "canary-path-b6d1";
const MEMBER: &str = "canary-member-e9f0";
const MODEL: &str = "canary-model-1c74";
const CREDENTIAL: &str = "canary-credential-d82f";
const IMPORT: &str = "canary-import-5590";
/// What every access and id token of the simulator begins with, also one that a refresh brought.
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// The same for refresh tokens of its first accounts.
const REFRESH: &str = "rt_AAAAAAAA";
/// The addresses of the logins: operators see them in the list of accounts, so they are in the store; they are in nothing else.
const EMAIL: &str = "@example.invalid";

const TEXTS: [&str; 19] = [
    PROMPT, ANSWER, PROVIDER, COOKIE, FILE_NAME, FILE, TOOL, CACHE_KEY, SESSION, METADATA, PERSON, QUERY, PATH, MEMBER,
    MODEL, CREDENTIAL, IMPORT, UPLOAD, SIGNATURE,
];

/// Keeps what is logged, by whom ever.
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Captured {
    /// From here on every event that may stand in a log.
    fn start() -> Self {
        let captured = Self::default();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(captured.clone());
        let all = tracing_subscriber::registry().with(LevelFilter::TRACE).with(filter_fn(may_be_logged)).with(lines);
        all.try_init().expect("no other test has a log for the whole process");
        captured
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no writer panics").clone()
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Every file below a directory.
fn files(dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.insert(entry.path().display().to_string(), std::fs::read(entry.path()).expect("a file"));
        }
    }
}

/// A request with a canary wherever a client can put a text.
fn request(stream: bool) -> Value {
    let file = json!({
        "type": "input_file", "filename": format!("{FILE_NAME}.txt"), "file_data": format!("data:text/plain;base64,{FILE}"),
    });
    json!({
        "model": "gpt-5.5",
        "stream": stream,
        "instructions": PROMPT,
        "input": [
            {"role": "system", "content": PROMPT},
            {"role": "user", "content": [{"type": "input_text", "text": PROMPT}, file]},
        ],
        "tools": [{"type": "function", "name": TOOL, "description": PROMPT, "parameters": {"type": "object", "properties": {}}}],
        "metadata": {"note": METADATA},
        "client_metadata": {"note": METADATA},
        "user": PERSON,
        "safety_identifier": PERSON,
        "prompt_cache_key": CACHE_KEY,
    })
}

async fn ask(gateway: &Gateway, key: &str, body: &[u8]) -> u16 {
    let headers = [
        ("content-type", "application/json"),
        ("cookie", COOKIE),
        ("session-id", SESSION),
        ("x-api-key", CREDENTIAL),
        ("x-request-id", SESSION),
        ("user-agent", PERSON),
    ];
    let client = gateway.client_with(key);
    client.send(client.request("POST", &format!("/v1/responses?key={QUERY}"), &headers, body)).await.status
}

/// The same request in one piece and as a stream; the statuses of both.
async fn both(gateway: &Gateway) -> [u16; 2] {
    let key = &gateway.client.key;
    let whole = ask(gateway, key, request(false).to_string().as_bytes()).await;
    [whole, ask(gateway, key, request(true).to_string().as_bytes()).await]
}

/// An answer that says the canary in a delta and in its last event.
fn answer() -> String {
    let part = json!({"type": "output_text", "text": ANSWER, "annotations": []});
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]});
    let response =
        json!({"id": "resp_1", "object": "response", "status": "completed", "output": [item], "error": null});
    event(&json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}))
        + &event(&json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": ANSWER}))
        + &event(&json!({"type": "response.completed", "response": response}))
}

async fn served(gateway: &Gateway) {
    assert_eq!(both(gateway).await, [200, 200]);
    codex::sse(Who::All, &gateway.codex, answer());
    assert_eq!(both(gateway).await, [200, 200]);
    gateway.codex.clear_faults();
}

/// A file that is uploaded, and one that the storage refuses.
async fn uploaded(gateway: &Gateway) {
    let body = |bytes: &str| {
        format!(
            "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\ncontent-disposition: form-data; \
             name=\"file\"; filename=\"{UPLOAD_NAME}\"\r\n\r\n{bytes}\r\n--b--"
        )
    };
    let client = &gateway.client;
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("cookie", COOKIE)];
    for (wanted, bytes) in [(200, UPLOAD), (502, UPLOAD)] {
        let path = format!("/v1/files?{QUERY}");
        assert_eq!(client.send(client.request("POST", &path, &headers, body(bytes).as_bytes())).await.status, wanted);
        let refusal = Fault::Status { status: 403, body: FaultBody::Text(PROVIDER.into()), headers: BTreeMap::new() };
        gateway.codex.inject(FaultSpec::new(Who::All, refusal).on("/uploads/"));
    }
    gateway.codex.clear_faults();
    assert!(contains(&client.get("/v1/files").await.body, UPLOAD_NAME));
    assert_eq!(client.get(&format!("/v1/files?{QUERY}={QUERY}")).await.status, 400);
}

/// Failures whose text the provider chose.
async fn failed(gateway: &Gateway) {
    let error = json!({"error": {"message": PROVIDER, "type": PROVIDER, "code": "odd_thing", "param": PROVIDER}});
    let status =
        |status, body| Fault::Status { status, body, headers: BTreeMap::from([("x-note".into(), PROVIDER.into())]) };
    let terminal =
        |kind| Fault::TerminalInStream { kind, code: "odd_thing".into(), message: PROVIDER.into(), after_events: 3 };
    let cut = vec![ScriptStep::Send(answer().into_bytes()[..300].to_vec().into()), ScriptStep::Cut];
    let garbage = format!("event: response.created\ndata: {{{PROVIDER}\n\n");
    for fault in [
        status(400, FaultBody::Json(error.clone())),
        status(500, FaultBody::Json(error.clone())),
        status(403, FaultBody::Text(PROVIDER.into())),
        status(200, FaultBody::Json(error)),
        terminal(TerminalKind::Failed),
        terminal(TerminalKind::Error),
        terminal(TerminalKind::Incomplete),
        Fault::sse(garbage),
        Fault::Script(cut),
        Fault::HangUp { reset: true },
    ] {
        gateway.codex.fault(Who::All, fault);
        both(gateway).await;
        gateway.codex.clear_faults();
    }
}

/// Requests that never get as far as an account.
async fn refused(gateway: &Gateway) {
    let key = gateway.client.key.clone();
    for body in [
        format!("{{\"input\":\"{PROMPT}\""),
        json!({"model": "gpt-5.5", "input": PROMPT, MEMBER: 1}).to_string(),
        json!({"model": MODEL, "input": PROMPT}).to_string(),
        json!({"model": "gpt-5.5", "input": [{"type": MEMBER, "text": PROMPT}]}).to_string(),
        json!({"model": "gpt-5.5", "input": "x", "service_tier": MEMBER}).to_string(),
        format!(r#"{{"{MEMBER}":1,"{MEMBER}":2}}"#),
    ] {
        assert_eq!(ask(gateway, &key, body.as_bytes()).await, 400, "{body}");
    }
    for wrong in [CREDENTIAL.to_owned(), key.clone() + "x", format!("sk-cxp-0123456789ab-{CREDENTIAL}")] {
        assert_eq!(ask(gateway, &wrong, request(false).to_string().as_bytes()).await, 401);
    }
    for path in [format!("/v1/files/{PATH}/content?{QUERY}"), format!("/{PATH}"), format!("/v1/%zz{PATH}")] {
        assert!(gateway.client.get(&path).await.status >= 400);
    }
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(
        format!("GET /{PATH} HTTP/1.1\r\nauthorization: Bearer {key}\r\nbad header: {COOKIE}\r\n\r\n").as_bytes(),
    )
    .await;
    assert_eq!(wire.answer().await.status, 400);
}

/// The same over HTTP/2, whose library would log paths of what is no request: served, refused, and such ones.
async fn over_http2(gateway: &Gateway) {
    let headers =
        [("content-type", "application/json"), ("cookie", COOKIE), ("session-id", SESSION), ("user-agent", PERSON)];
    let caller = Caller::h2c(gateway).await;
    codex::sse(Who::All, &gateway.codex, answer());
    for stream in [false, true] {
        let body = request(stream).to_string();
        let path = format!("/v1/responses?key={QUERY}");
        assert_eq!(caller.send("POST", &path, &headers, body.as_bytes()).await.status, 200);
    }
    gateway.codex.clear_faults();
    for path in [format!("/v1/files/{PATH}/content?{QUERY}"), format!("/{PATH}"), format!("/v1/%zz{PATH}")] {
        assert!(caller.send("GET", &path, &headers, b"").await.status >= 400);
    }
    let mut wire = frames::Wire::open(&gateway.client, &[]).await;
    for (stream, more) in
        [(1, ("connection", COOKIE)), (3, ("content-length", COOKIE)), (5, ("host", COOKIE)), (7, (":path", PATH))]
    {
        let head = wire.head("GET", &format!("/v1/models?{QUERY}"), &[("cookie", COOKIE), more]);
        wire.send(&frames::frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, stream, &head)).await;
    }
    let pieces = wire.head("GET", &format!("/{PATH} {QUERY}"), &[("cookie", COOKIE)]);
    wire.send(&frames::frame(frames::HEADERS, frames::END_HEADERS | frames::END_STREAM, 9, &pieces)).await;
    // Everything was read, or the connection is over.
    let _ = wire.sync().await;
}

/// A client that leaves in the middle of an answer.
async fn left(gateway: &Gateway) {
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Pace(Duration::from_millis(20))).times(1));
    let client = &gateway.client;
    let body = request(true).to_string();
    let mut live = client.open(client.request("POST", "/v1/responses", &[("cookie", COOKIE)], body.as_bytes())).await;
    assert_eq!(live.event().await.expect("an event").name, "response.created");
}

fn import(gateway: &Gateway, account: &Account, auth_json: String) -> Command {
    let origin = Some(gateway.codex.origin());
    Command::AccountImport {
        auth_json: Secret::new(auth_json),
        pool: POOL.into(),
        label: Some(account.label().into()),
        origin: origin.clone(),
        issuer: origin,
        simulated: true,
    }
}

/// Logins: imported again, refreshed with success and without, refused. Gives the texts of the tokens.
async fn logins(gateway: &Gateway) -> Vec<String> {
    let mut texts = Vec::new();
    for account in gateway.codex.accounts() {
        let tokens = account.login();
        gateway.execute(import(gateway, account, account.auth_json_with(&tokens).to_string())).await;
        let Tokens { id_token, access_token, refresh_token } = tokens;
        texts.extend([id_token, access_token, refresh_token]);
    }
    let (backend, operator) = (gateway.running.backend(), Operator::this_process());
    for broken in [IMPORT.to_owned(), json!({"tokens": {"access_token": IMPORT, "refresh_token": IMPORT}}).to_string()]
    {
        let refused = backend.execute(import(gateway, &gateway.codex.accounts()[0], broken), &operator).await;
        let refusal = refused.expect_err("no login");
        assert!(!format!("{refusal} {refusal:?}").contains(IMPORT));
    }
    (0..3).for_each(|account| gateway.codex.expire_access(account));
    assert_eq!(both(gateway).await, [200, 200]);
    assert!(gateway.codex.requests().iter().any(|r| r.path == "/oauth/token" && r.status == Some(200)));
    gateway.codex.fault(Who::All, Fault::RefreshFails { code: "some_code".into() });
    (0..3).for_each(|account| gateway.codex.expire_access(account));
    assert_eq!(both(gateway).await, [503, 503]);
    gateway.codex.clear_faults();
    texts
}

/// What operators do. Gives the secret parts of the keys.
async fn operated(gateway: &Gateway) -> Vec<String> {
    let (other, pasted) = (gateway.new_key("other", None).await, gateway.new_key("pasted", None).await);
    gateway.execute(Command::KeyRevoke { key: pasted.clone() }).await;
    assert_eq!(ask(gateway, &pasted, request(false).to_string().as_bytes()).await, 401);
    let label = gateway.codex.accounts()[2].label().to_owned();
    gateway.execute(Command::AccountPause { account: label.clone() }).await;
    gateway.execute(Command::AccountResume { account: label }).await;
    for off in [true, false] {
        let change = PoolChange { v1_compatibility: Some(!off), ..PoolChange::default() };
        gateway.execute(Command::PoolSet { pool: POOL.into(), change }).await;
        ask(gateway, &other, request(false).to_string().as_bytes()).await;
    }
    let secret = |key: &String| key["sk-cxp-0123456789ab-".len()..].to_owned();
    [&gateway.client.key, &other, &pasted].into_iter().map(secret).collect()
}

/// What `--json` prints of everything that can be listed and shown.
async fn printed(gateway: &Gateway) -> String {
    let mut replies: Vec<Reply> = gateway.execute(Command::RequestList { limit: 1000 }).await;
    for row in gateway.ledger().await {
        replies.extend(gateway.execute(Command::RequestShow { id: row.request_id.to_string() }).await);
    }
    for command in [
        Command::PoolList {},
        Command::PoolShow { pool: POOL.into() },
        Command::KeyList { pool: None },
        Command::AccountList { pool: None },
    ] {
        replies.extend(gateway.execute(command).await);
    }
    serde_json::to_string(&replies).expect("rows are plain data")
}

#[tokio::test]
async fn no_secret_is_ever_written_down() {
    let log = Captured::start();
    let gateway = Gateway::start().await;
    served(&gateway).await;
    uploaded(&gateway).await;
    failed(&gateway).await;
    refused(&gateway).await;
    over_http2(&gateway).await;
    left(&gateway).await;
    let mut secrets = operated(&gateway).await;
    secrets.extend(logins(&gateway).await);
    secrets.extend(TEXTS.into_iter().chain([JWT, REFRESH]).map(str::to_owned));

    let rows = gateway.ledger().await.len();
    let mut places = BTreeMap::from([
        ("metrics".to_owned(), gateway.metrics().await.into_bytes()),
        ("--json".to_owned(), printed(&gateway).await.into_bytes()),
    ]);
    let Gateway { running, dir, .. } = gateway;
    running.drain().await;
    files(dir.path(), &mut places);
    places.insert("log".to_owned(), log.bytes());
    assert_complete(&places, rows);
    for (place, bytes) in &places {
        for secret in &secrets {
            assert!(!contains(bytes, secret), "`{secret}` stands in {place}");
        }
    }
    for place in ["metrics", "log"] {
        assert!(!contains(&places[place], EMAIL), "the address of a login stands in the {place}");
    }
    for place in ["metrics", "log", "--json"] {
        assert!(!contains(&places[place], UPLOAD_NAME), "the name of a file stands in the {place}");
    }
}

/// The places hold what they are there for: looking for secrets in the wrong place would find none.
fn assert_complete(places: &BTreeMap<String, Vec<u8>>, rows: usize) {
    assert!(rows > 30, "{rows} rows");
    for (place, text) in [
        ("metrics", "codex_pooler_requests_total"),
        ("--json", "sim-0"),
        ("--json", "odd_thing"),
        ("log", "codex_pooler::access"),
        ("log", "refreshing the access token"),
        ("log", "admin: done"),
    ] {
        assert!(contains(&places[place], text), "`{text}` is missing in the {place}");
    }
    let in_files = |text: &str| places.iter().any(|(place, bytes)| place.contains("/store/") && contains(bytes, text));
    assert!(in_files("sim-0") && in_files("odd_thing") && in_files(EMAIL), "the files of the store are not all there");
}
