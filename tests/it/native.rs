//! The native surface over HTTP: what Codex CLI sends, what goes upstream, what it gets (docs/native.md).

use codex_pooler::simulator::{Fault, FaultSpec, Preset, TerminalKind, Who};
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::{Gateway, codex, eventually};

pub(crate) const RESPONSES: &str = "/backend-api/codex/responses";

/// A turn as Codex CLI sends it.
pub(crate) fn turn() -> Value {
    json!({
        "model": "gpt-5.5", "stream": true,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello"}]}],
        "tools": [], "tool_choice": "auto", "parallel_tool_calls": true, "reasoning": {"effort": "medium"}, "store": false,
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "thread-1", "client_metadata": {"session_id": "s"},
    })
}

pub(crate) async fn post_with(client: &Client, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    client.send(client.request("POST", path, &headers, body)).await
}

pub(crate) async fn send(gateway: &Gateway, headers: &[(&str, &str)]) -> Answer {
    post_with(&gateway.client, RESPONSES, headers, turn().to_string().as_bytes()).await
}

/// A stream with everything that passes as it came: comments, odd line ends, unknown events.
const STREAM: &str = concat!(
    ": hello\n\n",
    "event: response.created\r\ndata: {\"type\":\"response.created\", \"response\":{\"id\":\"resp_1\"}}\r\n\r\n",
    "id: 1\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"\\u00e9 é\"}\n\n",
    "event: response.new_thing\ndata: {\"type\":\"response.new_thing\",\"n\":1.50}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",",
    "\"usage\":{\"input_tokens\":7,\"output_tokens\":5,\"total_tokens\":12}}}\n\n",
);

#[tokio::test]
async fn a_stream_is_relayed_byte_for_byte_and_counted() {
    let gateway = Gateway::start().await;
    for path in [RESPONSES, "/backend-api/codex/v1/responses"] {
        gateway.codex.clear_faults();
        codex::sse(Who::All, &gateway.codex, STREAM);
        let answer = post_with(&gateway.client, path, &[], turn().to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, STREAM));
        gateway.codex.clear_faults();
        codex::sse(Who::All, &gateway.codex, STREAM);
        gateway.codex.fault(Who::All, Fault::OneByteChunks);
        assert_eq!(send(&gateway, &[]).await.text(), STREAM);
    }
    let rows = gateway.settled(4).await;
    let settled = rows[0].settled.as_ref().unwrap();
    assert_eq!(
        (rows[1].reserved.as_ref().unwrap().subject.route.as_str(), settled.status),
        ("POST /backend-api/codex/v1/responses", 200)
    );
    assert!(format!("{:?}", settled.usage).contains("output: 5"), "{:?}", settled.usage);
}

#[tokio::test]
async fn the_body_goes_upstream_byte_for_byte_also_out_of_zstd() {
    let gateway = Gateway::start().await;
    let body = turn().to_string();
    let packed = zstd::encode_all(body.as_bytes(), 3).unwrap();
    let plain = post_with(&gateway.client, RESPONSES, &[], body.as_bytes()).await;
    let unpacked = post_with(&gateway.client, RESPONSES, &[("content-encoding", "zstd")], &packed).await;
    assert_eq!((plain.status, unpacked.status), (200, 200), "{} {}", plain.text(), unpacked.text());
    let requests = gateway.codex.requests();
    for request in &requests {
        assert_eq!((request.body_bytes, request.path.as_str()), (body.len(), RESPONSES));
        assert_eq!(request.body.as_ref(), Some(&turn()));
        assert!(!request.headers.contains_key("content-encoding"));
    }
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn headers_pass_by_a_list_in_both_directions() {
    let gateway = Gateway::start().await;
    let extra = ["x-codex-promo-message", "x-canary", "x-codex-rate-limit-reached-type"];
    let canaries = extra.iter().map(|name| ((*name).to_owned(), "canary".to_owned())).collect();
    gateway.codex.fault(Who::All, Fault::ExtraHeaders(canaries));
    let headers = [
        ("user-agent", "codex_exec/0.169.0 (test)"),
        ("originator", "codex_exec"),
        ("version", "0.169.0"),
        ("session-id", "s-1"),
        ("x-codex-window-id", "w:0"),
        ("x-codex-turn-metadata", "{\"code_mode_tool_names\":[\"canary\"]}"),
        ("cookie", "canary"),
        ("chatgpt-account-id", "canary"),
        ("x-oai-attestation", "canary"),
        ("traceparent", "canary"),
        ("x-forwarded-for", "canary"),
        ("x-codex-previous-response-id", "canary"),
    ];
    let answer = send(&gateway, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let framing = ["connection", "date", "transfer-encoding"];
    let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.retain(|name| !framing.contains(name));
    let expected = ["content-type", "openai-model", "x-codex-turn-state", "x-models-etag", "x-request-id"];
    assert_eq!(names, expected);
    assert!(!answer.text().contains("codex.rate_limits"));
    let seen = gateway.codex.requests().remove(0).headers;
    assert_eq!(seen["user-agent"], "codex_exec/0.169.0 (test)");
    assert_eq!((seen["originator"].as_str(), seen["version"].as_str()), ("codex_exec", "0.169.0"));
    assert_eq!((seen["session-id"].as_str(), seen["x-codex-routing-hint"].as_str()), ("s-1", "model=gpt-5.5"));
    assert!(seen.values().all(|value| value != "canary"), "{seen:?}");
    for gone in ["cookie", "x-oai-attestation", "traceparent", "x-forwarded-for", "x-codex-previous-response-id"] {
        assert!(!seen.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn the_quota_events_of_an_account_stay_here() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::RateLimitsEvent);
    let answer = send(&gateway, &[]).await;
    assert!(answer.status == 200 && !answer.text().contains("rate_limits"), "{}", answer.text());
    assert_eq!(answer.events().last().map(|event| event.name.as_str()), Some("response.completed"));
}

#[tokio::test]
async fn a_model_that_was_not_asked_for_is_not_told() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::OpenAiModelMismatch);
    let answer = send(&gateway, &[]).await;
    assert_eq!((answer.status, answer.header("openai-model")), (200, None));
}

#[tokio::test]
async fn a_failure_before_output_moves_to_the_next_account_and_the_client_sees_one_stream() {
    for fault in [
        Fault::Preset(Preset::ServerError),
        Fault::Preset(Preset::UsageLimitReached),
        Fault::Preset(Preset::Unauthorized),
        Fault::overloaded_in_stream(),
        Fault::Cut { after_events: 2 },
    ] {
        let gateway = Gateway::start().await;
        gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()).times(1));
        let answer = send(&gateway, &[]).await;
        let names: Vec<String> = answer.events().into_iter().map(|event| event.name).collect();
        let count = |name: &str| names.iter().filter(|n| *n == name).count();
        assert_eq!((answer.status, count("response.created"), count("response.completed")), (200, 1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_cut_after_output_is_only_a_cut() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::Cut { after_events: 6 });
    let answer = send(&gateway, &[]).await;
    let text = answer.text();
    assert!(
        answer.status == 200 && !text.contains("response.failed") && !text.contains("response.completed"),
        "{text}"
    );
    let rows = gateway.settled(1).await;
    assert_eq!(rows[0].settled.as_ref().unwrap().error_code.as_deref(), Some("stream_incomplete"));
}

#[tokio::test]
async fn a_failure_that_nobody_would_do_better_is_relayed_raw() {
    let gateway = Gateway::start().await;
    let message = "their words".to_owned();
    let code = "invalid_prompt".to_owned();
    gateway
        .codex
        .fault(Who::All, Fault::TerminalInStream { kind: TerminalKind::Failed, code, message, after_events: 2 });
    let answer = send(&gateway, &[]).await;
    let last = answer.events().pop().unwrap();
    assert_eq!((answer.status, last.name.as_str()), (200, "response.failed"));
    assert_eq!(last.data["response"]["error"]["message"], "their words");
    assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 1);
    let rows = gateway.settled(1).await;
    assert_eq!(rows[0].settled.as_ref().unwrap().error_code.as_deref(), Some("invalid_prompt"));
}

#[tokio::test]
async fn an_upstream_that_is_silent_at_first_commits_nothing() {
    let gateway = Gateway::builder()
        .settings(|settings| {
            settings.commit.silent = std::time::Duration::from_millis(20);
            settings.upstream.idle_timeout = std::time::Duration::from_millis(300);
        })
        .start()
        .await;
    gateway.codex.fault(Who::All, Fault::SilentAfterHeaders(std::time::Duration::from_secs(5)));
    let answer = send(&gateway, &[]).await;
    assert_eq!((answer.status, answer.header("x-codex-pooler-reason")), (503, Some("upstream_request_failed")));
}

#[tokio::test]
async fn the_requests_of_a_turn_stay_with_the_account_that_gave_its_state() {
    let gateway = Gateway::start().await;
    let first = send(&gateway, &[]).await;
    let state = first.header("x-codex-turn-state").unwrap().to_owned();
    let owner = gateway.codex.requests()[0].account.clone();
    for _ in 0..4 {
        let answer = send(&gateway, &[("x-codex-turn-state", &state)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-codex-turn-state"), None, "the state goes on");
    }
    let requests = gateway.codex.requests();
    assert!(requests.iter().all(|request| request.account == owner), "no other account was asked");
    assert_eq!(requests[4].headers["x-codex-turn-state"], state);
    // Another account serves the turn without the state, which is not its own.
    let index = gateway.codex.accounts().iter().position(|account| Some(account.label()) == owner.as_deref()).unwrap();
    gateway.codex.inject(FaultSpec::new(Who::Account(index), Fault::Preset(Preset::ServerError)));
    let answer = send(&gateway, &[("x-codex-turn-state", &state)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let last = gateway.codex.requests().pop().unwrap();
    assert!(last.account != owner && !last.headers.contains_key("x-codex-turn-state"));
    assert!(answer.header("x-codex-turn-state").is_some_and(|new| new != state));
}

#[tokio::test]
async fn a_state_of_another_key_or_of_nobody_goes_to_no_account() {
    let gateway = Gateway::start().await;
    let state = send(&gateway, &[]).await.header("x-codex-turn-state").unwrap().to_owned();
    let other = gateway.client_with(&gateway.new_key("other", None).await);
    let body = turn().to_string();
    for state in [state.as_str(), "made-up"] {
        let answer = post_with(&other, RESPONSES, &[("x-codex-turn-state", state)], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!gateway.codex.requests().pop().unwrap().headers.contains_key("x-codex-turn-state"));
    }
}

#[tokio::test]
async fn a_header_that_names_the_response_before_leads_to_its_account() {
    let gateway = Gateway::start().await;
    let id = send(&gateway, &[]).await.events()[0].data["response"]["id"].as_str().unwrap().to_owned();
    for _ in 0..4 {
        assert_eq!(send(&gateway, &[("x-codex-previous-response-id", &id)]).await.status, 200);
    }
    let requests = gateway.codex.requests();
    assert!(requests.iter().all(|request| request.account == requests[0].account));
}

#[tokio::test]
async fn replayed_reasoning_goes_to_its_issuer_alone() {
    let gateway = Gateway::start().await;
    let first = send(&gateway, &[]).await;
    let items: Vec<Value> = first
        .events()
        .iter()
        .filter(|e| e.name == "response.output_item.done")
        .map(|e| e.data["item"].clone())
        .collect();
    assert!(items[0]["encrypted_content"].is_string(), "{items:?}");
    let mut next = turn();
    let question = next["input"][0].clone();
    next["input"] = [vec![question.clone()], items, vec![question]].concat().into();
    let answer = post_with(&gateway.client, RESPONSES, &[], next.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let requests = gateway.codex.requests();
    assert_eq!((&requests[1].account, requests[1].body.as_ref()), (&requests[0].account, Some(&next)));
    let owner =
        gateway.codex.accounts().iter().position(|a| Some(a.label()) == requests[0].account.as_deref()).unwrap();
    gateway.codex.fault(Who::Account(owner), Fault::Preset(Preset::ServerError));
    let answer = post_with(&gateway.client, RESPONSES, &[], next.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let last = gateway.codex.requests().pop().unwrap();
    assert!(last.account != requests[0].account && !last.body.unwrap().to_string().contains("encrypted_content\":\""));
}

#[tokio::test]
async fn the_models_and_the_etag_on_a_stream_agree() {
    let gateway = Gateway::builder().catalog().start().await;
    eventually("the accounts have told their models", || async {
        gateway.client.get("/backend-api/codex/models").await.status == 200
    })
    .await;
    eventually("every account has", || async {
        let told = gateway.running.state().stores().catalog.load_catalog().await.unwrap().sources;
        told.len() == 3
    })
    .await;
    for (path, client) in [
        ("/backend-api/codex/models", gateway.client.clone()),
        ("/backend-api/codex/v1/models?client_version=0.169.0", gateway.client.clone()),
        ("/backend-api/codex/models", gateway.client_with(&gateway.new_key("one", Some(vec!["gpt-5.5".into()])).await)),
    ] {
        let models = client.get(path).await;
        let body = models.json();
        let slugs: Vec<&str> = body["models"].as_array().unwrap().iter().filter_map(|m| m["slug"].as_str()).collect();
        assert!(slugs.contains(&"gpt-5.5"), "{slugs:?}");
        let etag = models.header("etag").unwrap().to_owned();
        assert!(etag.starts_with("W/\"cp-models-v1-"), "{etag}");
        let answer = post_with(&client, RESPONSES, &[], turn().to_string().as_bytes()).await;
        assert_eq!(answer.header("x-models-etag"), Some(etag.as_str()), "{}", answer.text());
    }
    // The entries are those of the upstream, word for word.
    let theirs = reqwest_models(&gateway).await;
    let ours = gateway.client.get("/backend-api/codex/models").await.json();
    for entry in ours["models"].as_array().unwrap() {
        assert!(theirs.contains(entry), "{entry}");
    }
}

/// What an account of the biggest plan is told by the simulator.
async fn reqwest_models(gateway: &Gateway) -> Vec<Value> {
    let account = &gateway.codex.accounts()[0];
    let auth = account.auth_json();
    let token = format!("Bearer {}", auth["tokens"]["access_token"].as_str().unwrap());
    let client = Client { address: gateway.codex.address(), key: String::new() };
    let headers = [("authorization", token.as_str()), ("chatgpt-account-id", account.id())];
    let answer = client.send(client.request("GET", "/backend-api/codex/models", &headers, b"")).await;
    answer.json()["models"].as_array().unwrap().clone()
}

#[tokio::test]
async fn without_any_told_model_the_client_goes_by_its_own_list() {
    let gateway = Gateway::builder().accounts(0).catalog().start().await;
    let answer = gateway.client.get("/backend-api/codex/models").await;
    assert_eq!((answer.status, answer.header("x-codex-pooler-reason")), (503, Some("models_unavailable")));
    assert_eq!(answer.refusal().1, "server_is_overloaded");
}

#[tokio::test]
async fn usage_of_a_pool_whose_accounts_told_nothing_allows_everything() {
    let gateway = Gateway::start().await;
    let nothing = json!({"plan_type": "api_key", "additional_rate_limits": [],
        "rate_limit": {"allowed": true, "limit_reached": false, "primary_window": null, "secondary_window": null}});
    assert_eq!(gateway.client.get("/backend-api/wham/usage").await.json(), nothing);
}

#[tokio::test]
async fn usage_is_that_of_the_best_account_as_its_answers_told() {
    let gateway = Gateway::builder().quota().start().await;
    let usage = |path: &'static str| {
        let client = gateway.client.clone();
        async move { client.get(path).await.json() }
    };
    for (index, percent) in [(0, 40.0), (1, 10.0), (2, 99.0)] {
        gateway.codex.set_quota(index, percent, 5.0);
    }
    // Which account a key goes to is chance: as many keys as it takes.
    for n in 0..200 {
        if gateway.upstream_counts().iter().all(|count| *count > 0) {
            break;
        }
        let mut turn = turn();
        turn["prompt_cache_key"] = n.to_string().into();
        let body = turn.to_string();
        assert_eq!(post_with(&gateway.client, RESPONSES, &[], body.as_bytes()).await.status, 200);
    }
    let counts = gateway.upstream_counts();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    for path in ["/backend-api/wham/usage", "/wham/usage", "/api/codex/usage"] {
        let told = usage(path).await;
        assert_eq!(told["plan_type"], "team", "the largest plan that may serve: {told}");
        let primary = &told["rate_limit"]["primary_window"];
        assert_eq!((&primary["used_percent"], &primary["limit_window_seconds"]), (&json!(99.0), &json!(18000)));
        assert!(primary["reset_at"].is_u64() && primary["reset_after_seconds"].is_u64(), "{told}");
        assert_eq!(told["rate_limit"]["secondary_window"]["limit_window_seconds"], 604_800);
        assert_eq!(told["credits"], json!({"has_credits": false, "unlimited": false, "balance": null}));
    }
    for index in 0..3 {
        gateway.codex.set_quota(index, 100.0, 5.0);
    }
    assert_eq!(send(&gateway, &[]).await.status, 429);
    let told = usage("/wham/usage").await;
    assert_eq!((&told["rate_limit"]["allowed"], &told["rate_limit"]["limit_reached"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn compaction_goes_both_ways() {
    let gateway = Gateway::start().await;
    let compact =
        json!({"model": "gpt-5.5", "input": turn()["input"], "instructions": "be", "stream": true, "include": []});
    for path in ["/backend-api/codex/responses/compact", "/backend-api/codex/v1/responses/compact"] {
        let answer = post_with(&gateway.client, path, &[], compact.to_string().as_bytes()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{}",
            answer.text()
        );
        assert_eq!(answer.json()["object"], "response.compaction");
        let sent = gateway.codex.requests().pop().unwrap();
        assert_eq!(sent.path, "/backend-api/codex/responses/compact");
    }
    let mut trigger = turn();
    trigger["input"] = json!([turn()["input"][0], {"type": "compaction_trigger"}]);
    let v2 = json!({"x-codex-turn-metadata": "{\"compaction\":{\"implementation\":\"responses_compaction_v2\"}}"});
    for (metadata, streamed) in [(json!({}), false), (v2, true)] {
        trigger["client_metadata"] = metadata;
        let answer = post_with(&gateway.client, RESPONSES, &[], trigger.to_string().as_bytes()).await;
        let names: Vec<String> = answer.events().into_iter().map(|event| event.name).collect();
        assert_eq!((answer.status, names.len()), (200, 2), "streamed: {streamed}: {}", answer.text());
        let events = answer.events();
        assert_eq!(events[0].data["item"]["type"], "compaction");
        assert!(events[1].data["response"].get("object").is_none());
        assert!(answer.text().ends_with("data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_compaction_is_tried_on_one_account_only() {
    let gateway = Gateway::start().await;
    let path = "/backend-api/codex/responses/compact";
    let fault = FaultSpec::new(Who::All, Fault::HangUp { reset: false }).on(path);
    gateway.codex.inject(fault);
    let compact = json!({"model": "gpt-5.5", "input": turn()["input"]});
    let answer = post_with(&gateway.client, path, &[], compact.to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.header("x-codex-pooler-reason")), (503, Some("upstream_request_failed")));
    assert_eq!(answer.error()["message"], "upstream compact request failed");
    assert_eq!(gateway.codex.requests().len(), 1);
}

#[tokio::test]
async fn chat_under_its_other_name_is_chat_without_the_gate() {
    use codex_pooler::admin::{Command, PoolChange};
    let gateway = Gateway::start().await;
    let path = "/backend-api/codex/v1/chat/completions";
    let body = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]});
    let change = PoolChange { v1_compatibility: Some(false), ..PoolChange::default() };
    gateway.execute(Command::PoolSet { pool: crate::support::gateway::POOL.into(), change }).await;
    assert_eq!(gateway.client.post("/v1/chat/completions", &body).await.status, 403);
    let answer = gateway.client.post(path, &body).await;
    assert_eq!((answer.status, &answer.json()["object"]), (200, &json!("chat.completion")), "{}", answer.text());
    gateway.codex.fault(Who::All, Fault::Preset(Preset::ServerError));
    let failed = gateway.client.post(path, &body).await;
    assert_eq!(
        (failed.status, failed.header("x-codex-pooler-reason")),
        (500, None),
        "public errors: {}",
        failed.text()
    );
}

#[tokio::test]
async fn routes_that_were_removed_are_404_before_authentication() {
    let gateway = Gateway::start().await;
    let nobody = gateway.client_with("");
    for path in ["/backend-api/codex/agent-identities/jwks", "/backend-api/wham/agent-identities/jwks"] {
        assert_eq!(nobody.get(path).await.refusal(), (404, "not_found".into()), "{path}");
    }
    let codex = "/backend-api/codex";
    for path in [
        "/api/codex/rate-limit-reset-credits/consume".to_owned(),
        "/wham/rate-limit-reset-credits/consume".into(),
        "/backend-api/wham/rate-limit-reset-credits/consume".into(),
        format!("{codex}/thread/goal/get"),
        format!("{codex}/thread/goal/set"),
        format!("{codex}/thread/goal/clear"),
        format!("{codex}/analytics-events/events"),
        format!("{codex}/memories/trace_summarize"),
        format!("{codex}/alpha/search"),
        format!("{codex}/realtime/calls"),
        format!("{codex}/safety/arc"),
    ] {
        assert_eq!(nobody.post(&path, &json!({})).await.refusal(), (404, "not_found".into()), "{path}");
    }
    assert_eq!(nobody.post(RESPONSES, &json!({})).await.refusal(), (401, "api_key_missing".into()));
    assert_eq!(nobody.get("/wham/usage").await.refusal(), (401, "api_key_missing".into()));
    let wrong = nobody.send(nobody.request("DELETE", RESPONSES, &[], b"")).await;
    assert_eq!((wrong.refusal(), wrong.header("allow")), ((405, "method_not_allowed".into()), Some("POST, GET")));
}

#[tokio::test]
async fn a_client_uploads_its_file_itself_and_the_account_that_has_it_serves_it() {
    let gateway = Gateway::start().await;
    let order = json!({"file_name": "a.txt", "file_size": 5});
    let made = gateway.client.post("/backend-api/files", &order).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let (id, url) = (made.json()["file_id"].as_str().unwrap().to_owned(), made.json()["upload_url"].clone());
    let owner = gateway.codex.requests()[0].account.clone();
    let finish = format!("/backend-api/files/{id}/uploaded");
    // Before anything was uploaded the upstream asks for patience, and nobody else sees the file.
    let stranger = gateway.client_with(&gateway.new_key("stranger", None).await);
    assert_eq!(stranger.post(&finish, &json!({})).await.refusal(), (404, "file_not_found".into()));
    put(url.as_str().unwrap(), b"hello").await;
    let done = gateway.client.post(&finish, &json!({})).await;
    assert_eq!((done.status, &done.json()["status"]), (200, &json!("success")), "{}", done.text());
    let mut turn = turn();
    turn["input"][0]["content"][0] = json!({"type": "input_file", "file_id": id});
    for _ in 0..3 {
        let answer = post_with(&gateway.client, RESPONSES, &[], turn.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let requests = gateway.codex.requests();
    let mut asked = requests.iter().filter(|request| request.path.starts_with("/backend-api/"));
    assert!(asked.all(|request| request.account == owner), "{owner:?} has it");
    let form = [("content-type", "multipart/form-data; boundary=b")];
    let refused = gateway.client.send(gateway.client.request("POST", "/backend-api/files", &form, b"--b--")).await;
    assert_eq!(refused.refusal(), (400, "unsupported_multipart_file_create".into()));
    for (order, param) in [
        (json!({"file_size": 1}), "file_name"),
        (json!({"file_name": "a", "file_size": -1}), "file_size"),
        (json!({"file_name": "a", "file_size": 1, "use_case": "vision"}), "use_case"),
    ] {
        let answer = gateway.client.post("/backend-api/files", &order).await;
        assert_eq!((answer.status, &answer.error()["param"]), (400, &json!(param)));
    }
}

/// What a client does with the address that it was given.
pub(crate) async fn put(url: &str, bytes: &[u8]) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let client = Client { address: host.parse().unwrap(), key: String::new() };
    let length = bytes.len().to_string();
    let headers = [("x-ms-blob-type", "BlockBlob"), ("content-length", length.as_str())];
    let mut request = client.request("PUT", &format!("/{path}"), &headers, b"");
    request.extend_from_slice(bytes);
    let answer = client.send(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn images_and_recordings_pass_unchanged() {
    let gateway = Gateway::start().await;
    let order = br#"{ "prompt":"a cat","model":"gpt-image-2","background":"opaque", "quality":"auto","size":"auto"}"#;
    let image = post_with(&gateway.client, "/backend-api/codex/images/generations", &[], order).await;
    assert_eq!((image.status, image.json()["data"][0]["b64_json"].is_string()), (200, true), "{}", image.text());
    let sent = gateway.codex.requests().pop().unwrap();
    assert_eq!((sent.path.as_str(), sent.body_bytes), ("/backend-api/codex/images/generations", order.len()));
    let form = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\nRIFF\r\n--b--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let text =
        gateway.client.send(gateway.client.request("POST", "/backend-api/transcribe", &kind, form.as_bytes())).await;
    assert_eq!((text.status, text.json()["text"].is_string()), (200, true), "{}", text.text());
}
