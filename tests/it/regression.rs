//! Bugs that were fixed, each with the request that showed it.

use std::time::Duration;

use codex_pooler::simulator::{Fault, FaultSpec, ScriptStep, Who};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::Answer;
use crate::support::{Gateway, PATIENCE};

/// The backend answers `metadata: {}` because it never sees the client's; that hid the client's own.
#[tokio::test]
async fn metadata_is_echoed_although_the_backend_answers_an_empty_one() {
    let gateway = Gateway::start().await;
    let body = json!({"model": "gpt-5.5", "input": "hi", "metadata": {"run": "7"}, "stream": true});
    let events = gateway.client.create(body).await.events();
    for event in events.iter().filter(|event| event.data.get("response").is_some()) {
        assert_eq!(event.data["response"]["metadata"], json!({"run": "7"}), "{}", event.name);
    }
}

/// An HTTP/1.0 client without `keep-alive` reads to the end of the connection, which stayed open.
#[tokio::test]
async fn an_http_1_0_connection_is_closed_after_its_answer() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.client.address).await.unwrap();
    let request = format!("GET /v1/models HTTP/1.0\r\nauthorization: Bearer {}\r\n\r\n", gateway.client.key);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("the connection is closed").unwrap();
    assert!(answer.contains(" 200 ") && answer.contains("\"object\":\"list\""), "{answer}");
}

/// What became of one try: result, status, code.
type Tried<'a> = (&'a str, Option<u16>, Option<&'a str>);

async fn ask(gateway: &Gateway, stream: bool) -> Answer {
    if stream { gateway.client.stream().await } else { gateway.client.ask().await }
}

/// The first account that is asked does this, and the client sees nothing of it.
async fn fails_over(steps: &[ScriptStep], stream: bool, expected: Tried<'_>) -> Gateway {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Script(steps.to_vec())).times(1));
    let answer = timeout(PATIENCE, ask(&gateway, stream)).await.expect("the next account is asked");
    let text = answer.text();
    assert_eq!((answer.status, text.contains("\"completed\""), text.contains("failed")), (200, true, false), "{text}");
    let rows = gateway.settled(1).await;
    let attempts = &rows[0].settled.as_ref().expect("it is settled").attempts;
    let tried: Vec<Tried<'_>> =
        attempts.iter().map(|a| (a.result.as_str(), a.upstream_status, a.error_code.as_deref())).collect();
    assert_eq!(tried, [expected, ("served", None, None)], "stream: {stream}, {steps:?}");
    gateway
}

fn sends(kind: &str, text: &'static str) -> Vec<ScriptStep> {
    vec![ScriptStep::Header("content-type".into(), kind.into()), ScriptStep::Send(text.into())]
}

/// An answer in JSON was never judged: whatever it said, it was the answer.
#[tokio::test]
async fn a_json_answer_that_is_no_success_fails_over() {
    let overload = r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_is_overloaded"}}"#;
    let refused = ("refused", None, Some("server_is_overloaded"));
    let invalid = ("invalid", None, None);
    for stream in [false, true] {
        for (text, expected) in [
            (overload, refused),
            (r#"{"error":{"code":"server_is_overloaded"}}"#, refused),
            ("{\"id\":", invalid),
            ("[1]", invalid),
            ("", invalid),
            (r#"{"detail":"Unauthorized"}"#, invalid),
        ] {
            fails_over(&sends("application/json", text), stream, expected).await;
        }
    }
}

#[tokio::test]
async fn a_json_answer_of_no_use_is_told_by_its_fault() {
    let cases = [
        (r#"{"detail":"Unauthorized"}"#, (502, "upstream_response_missing"), 3),
        ("[1]", (502, "invalid_upstream_response"), 3),
        (r#"{"error":{"code":"context_length_exceeded"}}"#, (400, "context_length_exceeded"), 1),
    ];
    for (text, (status, code), tries) in cases {
        for stream in [false, true] {
            let gateway = Gateway::start().await;
            gateway.codex.fault(Who::All, Fault::Script(sends("application/json", text)));
            assert_eq!(ask(&gateway, stream).await.refusal(), (status, code.to_owned()), "stream: {stream}");
            assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), tries, "{text}");
        }
    }
}

/// A bare object passed for a success, whatever its own status was.
#[tokio::test]
async fn a_bare_response_that_failed_fails_over() {
    let text = "data: {\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_is_overloaded\"}}\n\n";
    for stream in [false, true] {
        let expected = ("refused", None, Some("server_is_overloaded"));
        fails_over(&sends("text/event-stream", text), stream, expected).await;
    }
}

/// The words about a failure were waited for as long as for an answer.
#[tokio::test]
async fn an_error_body_that_stalls_does_not_hold_up_the_next_account() {
    let mut steps = sends("application/json", r#"{"error":"#);
    steps.insert(0, ScriptStep::Status(503));
    steps.push(ScriptStep::Hang);
    let gateway = fails_over(&steps, false, ("refused", Some(503), None)).await;
    assert!(gateway.codex.wait_in_flight(0, PATIENCE).await, "the connection stays open");
}

/// Compactions, thoughts and pictures: what belongs to one account, and what a body takes in memory.
mod media {
    use std::time::Duration;

    use codex_pooler::config::Settings;
    use codex_pooler::simulator::{Fault, FaultSpec, Preset, ScriptStep, Who};
    use serde_json::{Value, json};

    use crate::bodies::Wire;
    use crate::checklist::{ask, told_by, turns};
    use crate::failover::assert_success;
    use crate::files::{BOUNDARY, form};
    use crate::limits::{admission, assert_overloaded, hang_once};
    use crate::support::{Gateway, PATIENCE};

    const TRIGGER: &str = "compaction_trigger";

    fn triggered(members: &[(&str, Value)]) -> Value {
        let input = json!([{"role": "user", "content": "a long story"}, {"type": TRIGGER}]);
        let mut body = json!({"model": "gpt-5.5", "input": input});
        members.iter().for_each(|(name, value)| body[*name] = value.clone());
        body
    }

    /// The account was only preferred: after one failure of it, or while it failed, another one got what it could not read, and the client a
    /// 400 for good.
    #[tokio::test]
    async fn a_compaction_goes_to_no_account_that_cannot_read_it() {
        let gateway = Gateway::start().await;
        let compaction = gateway.client.create(triggered(&[])).await.json()["output"][0].clone();
        let by = gateway.codex.requests()[0].account.clone().unwrap();
        let at = gateway.codex.accounts().iter().position(|account| account.label() == by).unwrap();
        let next = json!({"model": "gpt-5.5", "input": [compaction, {"role": "user", "content": "go on"}]});
        gateway.codex.inject(FaultSpec::new(Who::Account(at), Fault::Preset(Preset::ServerError)).times(1));
        assert_eq!(gateway.client.create(next.clone()).await.refusal(), (500, "server_error".into()));
        let again = gateway.client.create(next.clone()).await;
        assert_eq!(again.status, 200, "{}", again.text());
        assert!(gateway.codex.requests().iter().all(|request| request.account.as_ref() == Some(&by)));
        gateway.codex.set_quota(at, 100.0, 5.0);
        assert_eq!(gateway.client.create(next.clone()).await.refusal(), (429, "usage_limit_reached".into()));
        let lost = gateway.client.create(next).await;
        let error = &lost.json()["error"];
        assert_eq!((lost.status, &error["code"]), (503, &json!("pinned_continuation_unavailable")));
        assert_eq!(error["recovery_kind"], "restart_with_full_context");
    }

    /// Labels are optional, and only labelled events were read: the next turn lost its account, and with it its thoughts.
    #[tokio::test]
    async fn a_stream_without_labels_teaches_the_gateway_as_much() {
        for label in ["", "event:\n", "event:   response.x\n"] {
            let gateway = Gateway::start().await;
            let thought = json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": format!("gAAAA{}", label.len())});
            let call = json!({"id": "fc_1", "type": "function_call", "status": "completed", "name": "look", "call_id": "call_1", "arguments": "{}"});
            let done = json!({"type": "response.output_item.done", "output_index": 0, "item": thought});
            let events = told_by(
                &json!([]),
                &[done, json!({"type": "response.output_item.done", "output_index": 1, "item": call})],
            );
            let block = |event: &Value| {
                let label = label.replace("response.x", event["type"].as_str().unwrap());
                format!("{label}data: {event}\n\n")
            };
            gateway
                .codex
                .inject(FaultSpec::new(Who::All, Fault::sse(events.iter().map(block).collect::<String>())).times(1));
            let first = gateway.client.stream().await;
            assert_success(&first, true);
            let settled = gateway.settled(1).await.remove(0).settled.unwrap();
            assert!(format!("{:?}", settled.usage).contains("11"), "{:?}", settled.usage);
            let by = turns(&gateway)[0].account.clone();
            let output = json!({"type": "function_call_output", "call_id": "call_1", "output": "x"});
            let replayed = ask(json!({"input": [{"role": "user", "content": "x"}, thought, call, output]}));
            let continued = ask(json!({"previous_response_id": "resp_up", "input": [output]}));
            // What was made up is refused by the upstream: what counts is who was asked first, and for what.
            for (body, items) in [(replayed, 4), (continued, 1)] {
                gateway.codex.forget_requests();
                gateway.client.create(body).await;
                let first = turns(&gateway).remove(0);
                let sent = first.body.unwrap()["input"].as_array().unwrap().len();
                assert_eq!((first.account.as_ref(), sent), (by.as_ref(), items), "{label:?}");
            }
        }
    }

    /// What is no JSON never reached the stage that has the words for it.
    #[tokio::test]
    async fn an_answer_that_is_no_compaction_at_all_is_told_as_such() {
        let v2 = json!({"x-codex-turn-metadata": r#"{"compaction":{"implementation":"responses_compaction_v2"}}"#});
        let not_json = "upstream compact response was not valid JSON";
        let events =
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n";
        for (metadata, kind, text, message) in [
            (json!({}), "application/json", "{\"id\":", not_json),
            (json!({}), "text/html", "<p>", not_json),
            (json!({}), "text/event-stream", events, not_json),
            (v2.clone(), "application/json", "[1]", not_json),
            (
                v2.clone(),
                "application/json",
                "{}",
                "upstream compact response did not include encrypted compaction content",
            ),
            (v2, "text/event-stream", events, "upstream compact stream was invalid"),
        ] {
            for stream in [false, true] {
                let gateway = Gateway::builder().accounts(2).start().await;
                let head = ScriptStep::Header("content-type".into(), kind.into());
                gateway.codex.fault(Who::All, Fault::Script(vec![head, ScriptStep::Send(text.into())]));
                let body = triggered(&[("client_metadata", metadata.clone()), ("stream", json!(stream))]);
                let answer = gateway.client.create(body).await;
                assert_eq!(answer.refusal(), (502, "invalid_compaction_response".into()), "{kind} {text} {stream}");
                assert_eq!(answer.error()["message"], message, "{kind} {text} {stream}");
                assert_eq!(gateway.codex.requests().len(), 1, "one account is asked");
            }
        }
    }

    /// It had the place of an ordinary request.
    #[tokio::test]
    async fn a_compaction_trigger_runs_in_the_class_of_compactions() {
        let compact = |settings: &mut Settings| settings.limits.admission.compact = admission(1, 0, Duration::ZERO);
        let gateway = Gateway::builder().accounts(1).settings(compact).start().await;
        hang_once(&gateway.codex);
        let mut wire = Wire::connect(&gateway.client).await;
        let body = triggered(&[("stream", json!(true))]).to_string();
        wire.send(&gateway.client.request("POST", "/v1/responses", &[], body.as_bytes())).await;
        assert!(gateway.codex.wait_in_flight(1, PATIENCE).await);
        assert_overloaded(
            &gateway.client.post("/v1/responses/compact", &json!({"model": "gpt-5.5", "input": "x"})).await,
        );
        assert_overloaded(&gateway.client.create(triggered(&[])).await);
        assert_eq!(gateway.client.ask().await.status, 200);
        let chat = json!({"model": "gpt-5.5", "input": [{"role": "user", "content": TRIGGER}, {"type": "message", "role": "user", "content": "x"}]});
        assert_eq!(gateway.client.create(chat).await.status, 200);
        drop(wire);
        gateway.settled(3).await;
    }

    /// Only the form was counted, not the larger text that was made of it beside it.
    #[tokio::test]
    async fn the_images_of_an_edit_take_room_as_a_form_and_as_text() {
        let room = |bytes: usize| {
            move |settings: &mut Settings| {
                settings.limits.body_memory = bytes;
                settings.limits.body_memory_wait = Duration::from_millis(50);
            }
        };
        let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
        image.resize(300_000, 7);
        let body = form(&[
            ("model", None, None, b"gpt-image-1"),
            ("prompt", None, None, b"a boat"),
            ("image", Some("a.png"), None, &image),
        ]);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        for (bytes, fits) in [(720_000, true), (680_000, false)] {
            let gateway = Gateway::builder().accounts(1).settings(room(bytes)).start().await;
            let request = gateway.client.request("POST", "/v1/images/edits", &[("content-type", &kind)], &body);
            let answer = gateway.client.send(request).await;
            if fits {
                assert_eq!(answer.status, 200, "{}", answer.text());
            } else {
                assert_overloaded(&answer);
            }
            gateway.settled(usize::from(fits)).await;
        }
    }
}

/// Logins, their refreshes, and how a process ends.
mod logins {
    use crate::quota::tells_no_quota;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Command as Process, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    use codex_pooler::admin::Command;
    use codex_pooler::simulator::{
        Fault, FaultBody, FaultSpec, Preset, Recorded, Simulator, SimulatorConfig, Tokens, Who,
    };
    use codex_pooler::store::records::RequestRecord;
    use pooler_filter::testing::FakeClock;
    use pooler_filter::{Clock as _, Secret, SystemClock};
    use rustix::process::{Pid, Signal, kill_process};
    use serde_json::{Value, json};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    use crate::program::{Program, Site};
    use crate::support::gateway::POOL;
    use crate::support::{Gateway, PATIENCE, eventually};

    fn is_refresh(request: &Recorded) -> bool {
        request.path == "/oauth/token"
    }

    fn refreshes(gateway: &Gateway) -> usize {
        gateway.codex.requests().iter().filter(|request| is_refresh(request)).count()
    }

    /// What became of each try, with its status.
    fn tries(row: &RequestRecord) -> Vec<(&str, Option<u16>)> {
        let attempts = &row.settled.as_ref().expect("it is settled").attempts;
        attempts.iter().map(|attempt| (attempt.result.as_str(), attempt.upstream_status)).collect()
    }

    /// A gateway two hours later, when the access token of account 0 has ended; its refresh token goes to `issuer`, else to the simulator.
    async fn with_an_ended_token(accounts: usize, issuer: Option<String>) -> (Gateway, Arc<FakeClock>) {
        let clock = FakeClock::at(SystemClock.now());
        let gateway = Gateway::builder().accounts(accounts).clock(clock.clone()).start().await;
        let account = gateway.codex.accounts()[0].clone();
        gateway.execute(Command::AccountRemove { account: account.label().into() }).await;
        let tokens = Tokens { access_token: account.access_token(Duration::from_secs(7200)), ..account.login() };
        let import = Command::AccountImport {
            auth_json: Secret::new(account.auth_json_with(&tokens).to_string()),
            pool: POOL.into(),
            label: Some(account.label().into()),
            origin: Some(gateway.codex.origin()),
            issuer: Some(issuer.unwrap_or_else(|| gateway.codex.origin())),
            simulated: true,
        };
        gateway.execute(import).await;
        clock.advance(Duration::from_secs(7201));
        (gateway, clock)
    }

    /// Such an account came first again and again, since nothing was held against it.
    #[tokio::test]
    async fn an_account_whose_token_cannot_be_had_is_recorded_and_demoted() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (gateway, clock) = with_an_ended_token(2, Some(format!("http://{nobody}"))).await;
        gateway.codex.fault(Who::Account(1), tells_no_quota());
        for _ in 0..20 {
            assert_eq!(gateway.client.ask().await.status, 200);
            // A pause after a failed refresh is over before the next request.
            clock.advance(Duration::from_secs(1));
        }
        let rows = gateway.settled(20).await;
        let failed: Vec<_> = rows.iter().map(tries).filter(|tries| tries.len() > 1).collect();
        assert_eq!(failed, [[("unauthorized", None), ("served", None)]]);
    }

    /// Each request refreshed the token once more.
    #[tokio::test]
    async fn a_fresh_token_that_is_refused_is_not_refreshed_again_for_each_request() {
        let gateway = Gateway::builder().accounts(2).start().await;
        gateway.codex.fault(Who::Account(0), Fault::Preset(Preset::Unauthorized));
        gateway.codex.fault(Who::Account(1), tells_no_quota());
        for _ in 0..20 {
            // A new key each time: the demotion for another key does not count.
            let client = gateway.client_with(&gateway.new_key("again", None).await);
            assert_eq!(client.ask().await.status, 200);
        }
        let rows = gateway.settled(20).await;
        assert!(rows.iter().filter(|row| tries(row).len() > 1).count() > 1, "account 0 came first more than once");
        assert_eq!(refreshes(&gateway), 1);
    }

    #[tokio::test]
    async fn a_token_is_refreshed_once_in_an_attempt_even_when_it_had_ended_before() {
        let (gateway, _clock) = with_an_ended_token(1, None).await;
        gateway.codex.fault(Who::All, Fault::Preset(Preset::Unauthorized));
        assert_eq!(gateway.client.ask().await.refusal(), (503, "no_eligible_backend".into()));
        assert_eq!(tries(&gateway.settled(1).await[0]), [("unauthorized", Some(401))]);
        assert_eq!(refreshes(&gateway), 1);
    }

    /// Before the stream began, the provider's own code went through.
    #[tokio::test]
    async fn a_lost_response_is_masked_on_streams_before_they_begin_too() {
        let gateway = Gateway::start().await;
        let error = json!({"error": {"code": "previous_response_not_found", "type": "invalid_request_error"}});
        let fault = Fault::Status { status: 400, body: FaultBody::Json(error), headers: [].into() };
        gateway.codex.fault(Who::All, fault);
        assert_eq!(gateway.client.stream().await.refusal(), (502, "stream_incomplete".into()));
        assert_eq!(gateway.client.ask().await.refusal(), (400, "previous_response_not_found".into()));
    }

    /// The runtimes stopped under it, and the only valid refresh token was gone.
    #[tokio::test]
    async fn a_refresh_on_its_way_is_kept_when_the_gateway_stops() {
        let gateway = Gateway::builder().accounts(1).start().await;
        gateway.codex.expire_access(0);
        let slow = Fault::SlowFirstByte(Duration::from_millis(500));
        gateway.codex.inject(FaultSpec::new(Who::All, slow).on("/oauth/token"));
        let mut client = TcpStream::connect(gateway.client.address).await.unwrap();
        let headers = [("content-type", "application/json")];
        let body = json!({"model": "gpt-5.5", "input": "Say hello"}).to_string();
        client.write_all(&gateway.client.request("POST", "/v1/responses", &headers, body.as_bytes())).await.unwrap();
        assert!(gateway.codex.wait_for(|all| all.iter().any(is_refresh), PATIENCE).await);
        // Nobody in flight holds up the end.
        drop(client);
        gateway.settled(1).await;
        let Gateway { running, codex, mut client, dir } = gateway;
        running.drain().await;
        codex.clear_faults();
        codex.forget_requests();
        let running = Gateway::builder().run(&dir.path().join("data")).await;
        client.address = running.addresses()[0];
        assert_eq!(client.ask().await.status, 200);
        let paths: Vec<(String, Option<u16>)> = codex.requests().into_iter().map(|r| (r.path, r.status)).collect();
        assert_eq!(paths, [("/backend-api/codex/responses".to_owned(), Some(200))], "the token that came is there");
    }

    /// It died of the signal as long as it had not come to wait for one.
    #[tokio::test]
    async fn a_signal_that_comes_before_the_gateway_has_said_where_it_listens_ends_it_in_good_order() {
        let site = Site::new().await;
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        // Full: the first line that it says waits until somebody reads.
        writer.write_all(&[b'-'; 64 * 1024]).unwrap();
        let mut process = Process::new(env!("CARGO_BIN_EXE_codex-pooler"));
        process.args(["serve", "--config", site.config().to_str().unwrap()]).stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = process.stdout(writer).spawn().unwrap();
        drop(process);
        eventually("it has started", || std::future::ready(site.socket().exists())).await;
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
        let reading = std::thread::spawn(move || {
            let mut said = Vec::new();
            reader.read_to_end(&mut said).map(|_| said)
        });
        eventually("it ends", || std::future::ready(child.try_wait().unwrap().is_some())).await;
        let said = reading.join().unwrap().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(String::from_utf8_lossy(&said).contains("listening on http://"));
    }

    async fn demo(dir: &Path, more: &[&str]) -> Program {
        let (data, env) = (dir.join("demo"), dir.join("env"));
        let _ = std::fs::remove_file(&env);
        let args = ["demo", "--port", "0", "--data", data.to_str().unwrap(), "--env", env.to_str().unwrap()];
        let mut program = Program::start(args.iter().chain(more));
        eventually("the demo answers", || {
            assert!(program.runs(), "{}", program.stderr());
            std::future::ready(env.exists())
        })
        .await;
        program
    }

    /// Where each account stands: label, origin, issuer, whether it is simulated.
    async fn places(dir: &Path) -> Vec<(String, String, String, bool)> {
        let args = ["account", "list", "--json", "--data", dir.join("demo").to_str().unwrap()].map(str::to_owned);
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = Program::start(args).end().await.ok().json();
        let place = |row: &Value| {
            (text(row, "label"), text(row, "origin"), text(row, "issuer"), row["simulated"].as_bool().unwrap())
        };
        rows.iter().map(place).collect()
    }

    /// The demo moved every account in its directory to its upstream, a real login with them.
    #[tokio::test]
    async fn the_demo_moves_its_own_accounts_and_leaves_an_imported_login_where_it_belongs() {
        let dir = tempfile::tempdir().unwrap();
        let first = demo(dir.path(), &[]).await;
        let others = SimulatorConfig { accounts: 1, seed: [9; 32], ..SimulatorConfig::default() };
        let login = Simulator::start(others).await.unwrap().accounts()[0].auth_json();
        let file = dir.path().join("auth.json");
        std::fs::write(&file, login.to_string()).unwrap();
        let data = dir.path().join("demo");
        let import = ["account", "import", file.to_str().unwrap(), "--pool", "demo", "--label", "mine", "--data"];
        Program::start(import.iter().copied().chain([data.to_str().unwrap()])).end().await.ok();
        let mine = || {
            let (origin, issuer) = ("https://chatgpt.com".to_owned(), "https://auth.openai.com".to_owned());
            ("mine".to_owned(), origin, issuer, false)
        };
        let mut running = first;
        for upstream in [Some("https://upstream.invalid"), None] {
            assert_eq!(running.stop(Signal::TERM).await.0.code, Some(0));
            let more: Vec<&str> = upstream.iter().flat_map(|origin| ["--upstream", *origin]).collect();
            running = demo(dir.path(), &more).await;
            let mut places = places(dir.path()).await;
            assert_eq!(places.iter().position(|place| *place == mine()).map(|at| places.remove(at)), Some(mine()));
            assert_eq!(places.len(), 3);
            for (label, origin, issuer, simulated) in places {
                let there = upstream.map_or(origin.starts_with("http://127.0.0.1:"), |upstream| origin == upstream);
                assert!(there && issuer == origin && simulated == upstream.is_none(), "{label}: {origin} {simulated}");
            }
        }
    }
}

/// What `serve` says at its start went to a reader that was gone, as behind `| head -1`, and the gateway ended with it.
#[tokio::test]
async fn a_gateway_goes_on_when_nobody_reads_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = dir.path().join("pooler.toml");
    let text =
        format!("[gateway]\nlisten = [\"127.0.0.1:0\"]\n[operations]\nenabled = false\n[data]\ndir = {data:?}\n");
    std::fs::write(&config, text).unwrap();
    let program = env!("CARGO_BIN_EXE_codex-pooler");
    let mut serve = std::process::Command::new(program);
    serve.arg("serve").arg("--config").arg(&config).stdout(std::process::Stdio::piped());
    let mut serve = serve.stderr(std::process::Stdio::null()).spawn().unwrap();
    drop(serve.stdout.take());
    let socket = data.join("admin.sock");
    crate::support::eventually("it serves commands", || async { socket.exists() }).await;
    let list = std::process::Command::new(program).args(["pool", "list", "--config"]).arg(&config).output().unwrap();
    let alive = serve.try_wait().unwrap().is_none();
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert!(list.status.success() && alive);
}

/// A file that an account took cleared what was known of its quota, although files take none: the next request went there in vain.
#[tokio::test]
async fn an_uploaded_file_does_not_bring_an_account_without_quota_back() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let limit = Fault::UsageLimit { resets_in: Duration::from_secs(3600) };
    let fault = gateway.codex.inject(FaultSpec::new(Who::All, limit).on("/backend-api/codex/responses"));
    assert_eq!(gateway.client.ask().await.refusal(), (429, "quota_exhausted".into()));
    let body = "--b\r\ncontent-disposition: form-data; name=purpose\r\n\r\nbatch\r\n\
                --b\r\ncontent-disposition: form-data; name=file; filename=a\r\n\r\nx\r\n--b--";
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let answer = gateway.client.send(gateway.client.request("POST", "/v1/files", &[kind], body.as_bytes())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.client.ask().await.refusal(), (429, "quota_exhausted".into()));
    assert_eq!(gateway.codex.fault_hits(fault), 1, "the account is not asked again before its reset");
}
