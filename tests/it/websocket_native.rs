//! Websockets of Codex CLI: what it sends goes upstream as it came, and comes back as the upstream says it (docs/native.md, Websockets).

use std::time::Duration;

use codex_pooler::admin::Command;
use codex_pooler::simulator::{Fault, FaultSpec, Preset, TerminalKind, Who};
use codex_pooler::store::records::Outcome;
use serde_json::{Value, json};

use crate::failover::{ended, terminal};
use crate::native::{RESPONSES, turn as http_turn};
use crate::support::socket::{self, Heard, Raw, Socket};
use crate::support::upstream::{Act, Upstream, error, good};
use crate::support::{Gateway, eventually};

const STATE: &str = "x-codex-turn-state";
const NOT_FOUND: &str = "previous_response_not_found";

/// A turn as Codex CLI sends it.
fn turn() -> Value {
    let mut turn = http_turn();
    turn["type"] = json!("response.create");
    turn
}

fn go_on(previous: &str) -> Value {
    let mut turn = turn();
    turn["previous_response_id"] = json!(previous);
    turn
}

fn with_state(mut turn: Value, state: &str) -> Value {
    turn["client_metadata"][STATE] = json!(state);
    turn
}

async fn open(gateway: &Gateway) -> Socket {
    Socket::open_at(RESPONSES, &gateway.client, &[]).await
}

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::builder().origin(&upstream.origin()).start().await
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The code that the log and the ledger know, out of an error that says that all is full.
fn reason(event: &Value) -> String {
    assert_eq!(socket::refusal(event), (503, "server_is_overloaded".into()), "{event}");
    assert_eq!(event["headers"].get("retry-after"), None);
    event["headers"]["x-codex-pooler-reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn events_are_relayed_byte_for_byte_and_quota_of_an_account_is_not() {
    let texts = [
        r#"{"type":"response.created", "response":{"id":"resp_1"}}"#,
        r#"{"type":"response.output_text.delta","delta":"\u00e9 é"}"#,
        r#"{"n":1.50, "type":"response.new_thing"}"#,
        r#"{"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}}}"#,
    ];
    let upstream = Upstream::answering(move |_| {
        let limits = Act::Text(r#"{"type":"codex.rate_limits","plan_type":"pro"}"#.into());
        [vec![limits], texts.map(|text| Act::Text(text.into())).to_vec()].concat()
    })
    .await;
    let gateway = gateway(&upstream).await;
    for path in [RESPONSES, "/backend-api/codex/v1/responses"] {
        let mut raw = Raw::open(gateway.client.address, &socket::handshake_at(path, &gateway.client, &[])).await;
        assert_eq!(raw.head().await.0, 101);
        raw.send(&socket::frame(0x81, turn().to_string().as_bytes())).await;
        let first = raw.frame().await.unwrap().1;
        assert!(first.starts_with(br#"{"type":"codex.response.metadata","headers":{"x-models-etag":"W/"#));
        for text in texts {
            assert_eq!(String::from_utf8(raw.frame().await.unwrap().1).unwrap(), text);
        }
    }
    let rows = gateway.settled(2).await;
    let subject = rows[0].subject().unwrap();
    assert_eq!(
        (subject.transport.as_str(), subject.route.as_str()),
        ("websocket", "GET /backend-api/codex/v1/responses")
    );
    assert!(format!("{:?}", ended(&rows[0]).usage).contains("output: 5"));
}

#[tokio::test]
async fn the_message_goes_upstream_as_it_came_under_the_clients_own_headers() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let headers = [
        ("user-agent", "codex_exec/0.169.0 (test)"),
        ("originator", "codex_exec"),
        ("session-id", "s-1"),
        ("x-codex-turn-metadata", r#"{"request_kind":"prewarm","code_mode_tool_names":["canary"]}"#),
        ("openai-beta", "canary"),
        ("x-openai-internal-codex-responses-lite", "canary"),
        ("cookie", "canary"),
        ("chatgpt-account-id", "canary"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let mut socket = Socket::open_at(RESPONSES, &gateway.client, &headers).await;
    let mut message = turn();
    message["client_metadata"]["ws_request_header_x_openai_internal_codex_responses_lite"] = json!("true");
    message["metadata"] = json!({"a": 1});
    let mut sent = message.clone();
    sent["request_id"] = json!("r-1");
    sent["stream_id"] = json!("lane");
    let events = socket.turn(&sent).await;
    assert!(events.iter().all(|event| event["stream_id"] == "lane"));
    // A message without a type asks for a response.
    let mut untyped = turn();
    untyped.as_object_mut().unwrap().remove("type");
    socket.succeed(&untyped).await;
    let turns = upstream.turns();
    assert_eq!((&turns[0].message, &turns[1].message), (&message, &turn()), "nothing is added, not even instructions");
    let handshake = &upstream.handshakes()[0];
    let header = |name: &str| handshake.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(handshake.path, RESPONSES);
    assert_eq!(header("openai-beta"), Some("responses_websockets=2026-02-06"));
    assert_eq!((header("user-agent"), header("originator")), (Some("codex_exec/0.169.0 (test)"), Some("codex_exec")));
    assert_eq!((header("session-id"), header("x-codex-routing-hint")), (Some("s-1"), Some("model=gpt-5.5")));
    assert_eq!(header("x-codex-turn-metadata"), Some(r#"{"request_kind":"prewarm"}"#));
    assert!(handshake.headers.values().all(|value| value != "canary"), "{:?}", handshake.headers);
    for gone in ["cookie", "sec-websocket-extensions", "content-type", "x-openai-internal-codex-responses-lite", STATE]
    {
        assert_eq!(header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn both_kinds_of_models_go_on_after_a_warm_up_and_are_told_our_models() {
    for model in ["gpt-5.5", "gpt-6-sol"] {
        let gateway = Gateway::builder().catalog().start().await;
        let mut etag = None;
        eventually("every account has told its models", || async {
            gateway.running.state().stores().catalog.load_catalog().await.unwrap().sources.len() == 3
        })
        .await;
        eventually("the models are known", || async {
            gateway.client.get("/backend-api/codex/models").await.status == 200
        })
        .await;
        etag.replace(gateway.client.get("/backend-api/codex/models").await.header("etag").unwrap().to_owned());
        let mut socket = open(&gateway).await;
        assert_eq!(socket.header("x-models-etag"), etag.as_deref());
        let shaped = |mut turn: Value| {
            turn["model"] = json!(model);
            if model != "gpt-5.5" {
                turn.as_object_mut().unwrap().remove("tools");
                turn["reasoning"]["context"] = json!("all_turns");
                turn["parallel_tool_calls"] = json!(false);
                turn["client_metadata"]["ws_request_header_x_openai_internal_codex_responses_lite"] = json!("true");
            }
            turn
        };
        let mut warm_up = shaped(turn());
        warm_up["generate"] = json!(false);
        let events = socket.turn(&warm_up).await;
        assert_eq!(names(&events), ["codex.response.metadata", "response.created", "response.completed"]);
        assert_eq!(events[0]["headers"]["x-models-etag"].as_str(), etag.as_deref());
        assert_eq!(events[0]["headers"]["openai-model"], model);
        let mut id = events[2]["response"]["id"].as_str().unwrap().to_owned();
        for _ in 0..3 {
            let events = socket.turn(&shaped(go_on(&id))).await;
            assert!(!names(&events).contains(&"codex.rate_limits"), "{events:?}");
            let last = events.last().unwrap();
            assert_eq!(last["type"], "response.completed", "{last}");
            id = last["response"]["id"].as_str().unwrap().to_owned();
        }
        let sockets = gateway.codex.sockets();
        assert_eq!(sockets.len(), 1, "{model}");
        assert_eq!((sockets[0].turns, sockets[0].warm_ups, sockets[0].refused), (3, 1, 0), "{model}");
    }
}

#[tokio::test]
async fn the_state_of_a_turn_comes_in_an_event_and_goes_back_to_its_account_alone() {
    let gateway = Gateway::start().await;
    let mut socket = open(&gateway).await;
    let events = socket.turn(&turn()).await;
    let metadata = events.iter().find(|event| event["type"] == "response.metadata").expect("it is relayed");
    let state = metadata["headers"][STATE].as_str().unwrap().to_owned();
    socket.succeed(&with_state(turn(), &state)).await;
    let owner = gateway.codex.requests().pop().unwrap().account;
    // On a new socket the state leads to the account that gave it.
    for _ in 0..4 {
        open(&gateway).await.succeed(&with_state(turn(), &state)).await;
    }
    let turns = || gateway.codex.requests().into_iter().filter(|request| request.body.is_some()).collect::<Vec<_>>();
    assert!(turns().iter().all(|turn| turn.account == owner), "no other account was asked");
    assert_eq!(turns().pop().unwrap().body.unwrap()["client_metadata"][STATE], json!(state));
    // Another account serves the turn without the state, which is not its own.
    let at = gateway.codex.accounts().iter().position(|account| Some(account.label()) == owner.as_deref()).unwrap();
    gateway.codex.fault(Who::Account(at), Fault::Preset(Preset::ServerError));
    open(&gateway).await.succeed(&with_state(turn(), &state)).await;
    let last = turns().pop().unwrap();
    assert_ne!(last.account, owner);
    assert_eq!(last.body.unwrap()["client_metadata"], json!({"session_id": "s"}));
}

#[tokio::test]
async fn the_state_of_our_own_handshake_is_nothing_to_the_only_account() {
    let gateway = Gateway::start().await;
    for account in &gateway.codex.accounts()[1..] {
        gateway.execute(Command::AccountRemove { account: account.label().into() }).await;
    }
    let state = open(&gateway).await.header(STATE).unwrap().to_owned();
    let mut socket = Socket::open_at(RESPONSES, &gateway.client, &[(STATE, &state)]).await;
    assert_eq!(socket.header(STATE), Some(state.as_str()));
    socket.succeed(&with_state(turn(), &state)).await;
}

#[tokio::test]
async fn only_what_was_given_on_this_socket_can_be_continued() {
    let upstream = Upstream::answering(|turn| match turn.n {
        1 => error(400, "invalid_previous_response_id"),
        _ => good(turn),
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut first = open(&gateway).await;
    let id = first.succeed(&turn()).await;
    let mut second = open(&gateway).await;
    let answer = second.turn(&go_on(&id)).await;
    assert_eq!(socket::refusal(&answer[0]), (400, NOT_FOUND.into()));
    assert_eq!(answer[0]["error"]["message"], "Previous response was not found. Retrying the full request.");
    second.succeed(&turn()).await;
    let answer = first.turn(&go_on(&id)).await;
    assert_eq!(socket::refusal(&answer[0]), (400, NOT_FOUND.into()), "{answer:?}");
    first.succeed(&turn()).await;
}

#[tokio::test]
async fn a_compaction_is_the_two_events_of_the_native_form() {
    let gateway = Gateway::start().await;
    let mut socket = open(&gateway).await;
    let id = socket.succeed(&turn()).await;
    let mut compact = go_on(&id);
    compact["input"] = json!([{"type": "compaction_trigger"}]);
    let events = socket.turn(&compact).await;
    assert_eq!(names(&events), ["response.output_item.done", "response.completed"], "{events:?}");
    assert_eq!(events[0]["item"]["type"], "compaction");
    assert!(socket.is_silent(Duration::from_millis(100)).await);
}

/// A resumed session is warmed up before the gateway sees whose compaction it begins with.
#[tokio::test]
async fn a_compaction_that_comes_to_the_wrong_account_begins_anew_with_its_own() {
    let gateway = Gateway::builder().quota().start().await;
    let mut compact = turn();
    compact["input"].as_array_mut().unwrap().push(json!({"type": "compaction_trigger"}));
    let item = open(&gateway).await.turn(&compact).await[0]["item"].clone();
    assert_eq!(item["type"], "compaction");
    let account = || gateway.codex.requests().into_iter().rev().find(|one| one.body.is_some()).unwrap().account;
    let owner = account();
    let mut warm_up = turn();
    warm_up["generate"] = json!(false);
    for n in 0.. {
        assert!(n < 200, "no other account was warmed up");
        // Which account a key goes to is chance.
        warm_up["prompt_cache_key"] = json!(n.to_string());
        let mut socket = open(&gateway).await;
        let id = socket.turn(&warm_up).await.last().unwrap()["response"]["id"].as_str().unwrap().to_owned();
        let own = account() == owner;
        let mut resumed = go_on(&id);
        resumed["input"].as_array_mut().unwrap().insert(0, item.clone());
        if own {
            socket.succeed(&resumed).await;
            continue;
        }
        let refused = socket.turn(&resumed).await.remove(0);
        assert_eq!(socket::refusal(&refused), (400, NOT_FOUND.into()), "{refused}");
        resumed.as_object_mut().unwrap().remove("previous_response_id");
        socket.succeed(&resumed).await;
        assert_eq!(account(), owner);
        break;
    }
}

#[tokio::test]
async fn a_compaction_that_is_refused_says_why() {
    let upstream = Upstream::answering(|turn| match turn.n {
        0 => error(400, "invalid_prompt"),
        1 => error(500, "server_error"),
        _ => good(turn),
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = open(&gateway).await;
    let mut compact = turn();
    compact["input"] = json!([{"type": "compaction_trigger"}]);
    let Act::Event(theirs) = error(400, "invalid_prompt").remove(0) else { unreachable!() };
    assert_eq!(socket.turn(&compact).await, [theirs]);
    assert_eq!(reason(&socket.turn(&compact).await[0]), "server_error");
    assert_eq!(upstream.handshakes().len(), 1, "never another account");
}

#[tokio::test]
async fn faults_before_output_move_on_as_over_http() {
    for fault in [
        Fault::Preset(Preset::UsageLimitReached),
        Fault::Preset(Preset::ServerIsOverloaded),
        Fault::Preset(Preset::Unauthorized),
        Fault::Preset(Preset::Forbidden),
        terminal(TerminalKind::Failed, "server_is_overloaded", 1),
    ] {
        let gateway = Gateway::start().await;
        gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()).times(1));
        let events = open(&gateway).await.turn(&turn()).await;
        let count = |name: &str| names(&events).iter().filter(|n| **n == name).count();
        assert_eq!((count("response.created"), count("response.completed")), (1, 1), "{fault:?} {events:?}");
    }
}

#[tokio::test]
async fn final_failures_are_told_so_that_the_client_stops() {
    for (fault, expected) in [
        (Fault::Preset(Preset::ServerError), "server_error"),
        (Fault::Preset(Preset::Unauthorized), "no_eligible_backend"),
        (Fault::Preset(Preset::Forbidden), "no_eligible_backend"),
    ] {
        let gateway = Gateway::start().await;
        gateway.codex.fault(Who::All, fault.clone());
        let mut socket = open(&gateway).await;
        let events = socket.turn(&turn()).await;
        assert_eq!(reason(&events[0]), expected, "{fault:?}");
        let rows = gateway.settled(1).await;
        let end = ended(&rows[0]);
        assert_eq!((end.status, end.error_code.as_deref()), (503, Some(expected)), "{fault:?}");
    }
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::Preset(Preset::UsageLimitReached));
    let mut socket = open(&gateway).await;
    let refused = socket.turn(&turn()).await.remove(0);
    assert_eq!(socket::refusal(&refused), (429, "quota_exhausted".into()));
    assert_eq!((&refused["error"]["type"], refused.get("headers")), (&json!("usage_limit_reached"), None));
    assert!(refused["error"]["resets_at"].is_u64(), "{refused}");
    let handshake = socket::handshake_at(RESPONSES, &gateway.client, &[]);
    let answer = gateway.client.send(handshake).await;
    assert_eq!((answer.refusal(), answer.header("retry-after")), ((429, "quota_exhausted".into()), None));
}

#[tokio::test]
async fn a_short_limit_says_when_to_come_back() {
    let upstream = Upstream::answering(|_| {
        let error = json!({"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "try again in 2s"});
        vec![Act::Event(json!({"type": "error", "status": 429, "error": error}))]
    })
    .await;
    let gateway = gateway(&upstream).await;
    let refused = open(&gateway).await.turn(&turn()).await.remove(0);
    assert_eq!(refused["status"], 429, "{refused}");
    assert_eq!(
        (&refused["error"]["type"], &refused["headers"]["retry-after"]),
        (&json!("rate_limit_error"), &json!("2"))
    );
}

#[tokio::test]
async fn a_refusal_of_the_request_is_relayed_as_it_came() {
    let upstream = Upstream::answering(|turn| match turn.n {
        0 => error(400, "invalid_prompt"),
        1 => {
            vec![Act::Event(json!({"type": "error", "error": {"code": "invalid_prompt", "message": "PROVIDER WORDS"}}))]
        }
        2 => {
            let error = json!({"code": "context_length_exceeded", "message": "PROVIDER WORDS"});
            vec![Act::Event(json!({"type": "response.failed", "response": {"id": "resp_x", "error": error}}))]
        }
        _ => good(turn),
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = open(&gateway).await;
    let Act::Event(theirs) = error(400, "invalid_prompt").remove(0) else { unreachable!() };
    assert_eq!(socket.turn(&turn()).await, [theirs]);
    // Without a status clients would wait for ever.
    let told = socket.turn(&turn()).await.remove(0);
    assert_eq!(socket::refusal(&told), (400, "invalid_prompt".into()));
    let failed = socket.turn(&turn()).await.pop().unwrap();
    assert_eq!(
        (&failed["type"], &failed["response"]["error"]["message"]),
        (&json!("response.failed"), &json!("PROVIDER WORDS"))
    );
    socket.succeed(&turn()).await;
    assert_eq!(upstream.handshakes().len(), 1, "nobody else was asked");
    let rows = gateway.settled(4).await;
    assert_eq!(ended(&rows[3]).error_code.as_deref(), Some("invalid_prompt"));
}

/// As over HTTP, what an upstream says about the request before there is a websocket is nobody's fault, and the client hears it.
#[tokio::test]
async fn a_handshake_that_refuses_the_request_says_why() {
    let error = |code: &str| json!({"type": "invalid_request_error", "code": code, "message": "PROVIDER WORDS"});
    let policy = "misalignment_policy_violation";
    for (status, body, code, message) in [
        (403, json!({"error": error(policy)}), policy, "PROVIDER WORDS"),
        (400, json!({"error": error("invalid_prompt")}), "invalid_prompt", "PROVIDER WORDS"),
        (400, json!({"detail": "PROVIDER WORDS"}), "upstream_error", "PROVIDER WORDS"),
        (404, json!({"detail": "Not Found"}), "upstream_error", "Not Found"),
        (413, json!({"error": error("request_too_large")}), "request_too_large", "PROVIDER WORDS"),
        (422, json!(["?"]), "upstream_error", r#"["?"]"#),
    ] {
        let told = body.clone();
        let upstream = Upstream::with(move |_, _| Some((status, told.clone())), good).await;
        let gateway = gateway(&upstream).await;
        let mut native = open(&gateway).await;
        let refused = native.turn(&turn()).await.remove(0);
        assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!(status), &json!(code)), "{refused}");
        assert_eq!((&refused["error"]["message"], refused.get("headers")), (&json!(message), None), "{refused}");
        let public = Socket::open(&gateway.client).await.turn(&socket::create("Say hello")).await.remove(0);
        assert_eq!(public["status"], if status == 404 { 502 } else { status }, "{public}");
        assert!(!public.to_string().contains("PROVIDER"), "{public}");
        // A path that is missing may be there for the next account; otherwise nobody else would do better.
        assert_eq!(upstream.handshakes().len(), if status == 404 { 6 } else { 2 }, "{status}");
        let rows = gateway.settled(2).await;
        assert_eq!(ended(&rows[1]).attempts[0].upstream_status, Some(status));
    }
}

#[tokio::test]
async fn a_handshake_that_says_nothing_about_the_request_moves_on() {
    for (status, body) in [
        (426, json!({"detail": "Upgrade Required"})),
        (302, json!({})),
        (404, json!({"error": {"type": "invalid_request_error", "param": "model", "message": "m"}})),
        (400, json!({"detail": "The 'x' model is not supported when using Codex with a ChatGPT account."})),
    ] {
        let upstream = Upstream::with(move |line, _| (line == 0).then(|| (status, body.clone())), good).await;
        let gateway = gateway(&upstream).await;
        open(&gateway).await.succeed(&turn()).await;
        assert_eq!(upstream.handshakes().len(), 2, "{status}");
    }
    let upstream = Upstream::with(|_, _| Some((426, json!({"detail": "Upgrade Required"}))), good).await;
    let gateway = gateway(&upstream).await;
    assert_eq!(reason(&open(&gateway).await.turn(&turn()).await[0]), "invalid_upstream_response");
}

#[tokio::test]
async fn after_output_no_failure_is_an_event_of_ours() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.pop();
        match turn.line {
            0 => acts.push(Act::Cut),
            1 => acts.push(Act::Wait(Duration::from_secs(30))),
            2 => acts.extend(error(401, "token_expired")),
            3 => acts.extend(error(500, "server_error")),
            _ => acts.extend(error(429, "usage_limit_reached")),
        }
        acts
    })
    .await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| settings.upstream.idle_timeout = Duration::from_millis(300))
        .start()
        .await;
    for expected in ["stream_incomplete", "stream_idle_timeout", "no_eligible_backend", "server_error"] {
        let events = open(&gateway).await.turn(&turn()).await;
        assert_eq!(names(&events)[..2], ["codex.response.metadata", "response.created"]);
        assert!(!names(&events).contains(&"response.failed"), "{events:?}");
        let last = events.last().unwrap();
        assert_eq!(reason(last), expected);
        assert!(!last.to_string().contains("PROVIDER"), "{last}");
    }
    let last = open(&gateway).await.turn(&turn()).await.pop().unwrap();
    assert_eq!((&last["status"], &last["error"]["type"]), (&json!(429), &json!("usage_limit_reached")), "{last}");
    let rows = gateway.settled(5).await;
    assert!(rows.iter().all(|row| ended(row).status == 200 && ended(row).outcome == Outcome::Failed));
}

#[tokio::test]
async fn refusals_of_messages_are_told_in_their_turn() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut socket = open(&gateway).await;
    for (text, param) in [
        ("{", None),
        ("[1]", None),
        (r#"{"type":"response.cancel"}"#, Some("type")),
        (r#"{"type":"response.processed"}"#, Some("response_id")),
        ("{}", Some("model")),
        (r#"{"type":"response.create","model":"gpt-5.5","input":"text"}"#, Some("input")),
    ] {
        socket.text(text).await;
        let event = socket.event().await;
        assert_eq!(socket::refusal(&event), (400, "invalid_request".into()), "{text}");
        assert_eq!(event["error"]["param"].as_str(), param, "{text}");
    }
    let processed = json!({"type": "response.processed", "response_id": "resp_1"});
    assert_eq!(reason(&socket.turn(&processed).await[0]), "upstream_websocket_forward_failed");
    socket.succeed(&turn()).await;
}

#[tokio::test]
async fn a_turn_too_many_may_come_again_soon() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        if turn.n == 0 {
            acts.insert(0, Act::Wait(Duration::from_millis(300)));
        }
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::open(gateway.client.address, &socket::handshake_at(RESPONSES, &gateway.client, &[])).await;
    assert_eq!(raw.head().await.0, 101);
    let frames: Vec<u8> = (0..18).flat_map(|_| socket::frame(0x81, turn().to_string().as_bytes())).collect();
    raw.send(&frames).await;
    let refused = raw.rest().await.remove(0);
    assert_eq!(socket::refusal(&refused), (429, "websocket_queue_full".into()));
    assert_eq!(
        (&refused["error"]["type"], &refused["headers"]["retry-after"]),
        (&json!("rate_limit_error"), &json!("1"))
    );
}

#[tokio::test]
async fn handshakes_and_keys_are_refused_as_over_http() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let refused = async |client: &crate::support::Client| {
        client.send(socket::handshake_at(RESPONSES, client, &[])).await.refusal()
    };
    assert_eq!(gateway.client.get(RESPONSES).await.refusal(), (400, "websocket_upgrade_required".into()));
    assert_eq!(refused(&gateway.client_with("")).await, (401, "api_key_missing".into()));
    let client = gateway.client_with(&gateway.new_key("other", None).await);
    let mut socket = Socket::open_at(RESPONSES, &client, &[]).await;
    socket.succeed(&turn()).await;
    gateway.execute(Command::KeyRevoke { key: "other".into() }).await;
    socket.send(&turn()).await;
    assert_eq!(socket.hear().await, Heard::Closed(1008, "api key is no longer active".into()));
    for account in gateway.codex.accounts() {
        gateway.execute(Command::AccountPause { account: account.label().into() }).await;
    }
    assert_eq!(refused(&gateway.client).await, (503, "server_is_overloaded".into()));
}
