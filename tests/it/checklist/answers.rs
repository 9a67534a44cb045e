//! Lines 15 to 18 and 42: answers in one piece, and what a client is told when there is none.

use std::time::Duration;

use codex_pooler::simulator::{Fault, FaultSpec, Preset, Who};
use serde_json::{Value, json};

use super::{
    WORDS, ask, bytes, chat, delta, failed, keys, message, one, refused, say, scripted, status, told, told_by, turns,
};
use crate::failover::BOTH;
use crate::support::Gateway;
use crate::support::client::Answer;

/// What OpenAI's schema requires of a response, as far as it is fixed.
pub(super) const RESPONSE: [&str; 32] = [
    "background",
    "completed_at",
    "created_at",
    "error",
    "frequency_penalty",
    "id",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "object",
    "output",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
];

/// Looks for what T14 promises of a response object.
pub(super) fn assert_whole(response: &Value) {
    let keys = keys(response);
    for key in RESPONSE {
        assert!(keys.contains(&key), "{key} is missing: {response}");
    }
    assert_eq!(response["object"], "response");
    let counts = [
        ("input_tokens_details", "cached_tokens"),
        ("input_tokens_details", "cache_write_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
    ];
    for (details, count) in counts {
        let told = &response["usage"][details][count];
        assert!(response["usage"].is_null() || told.is_u64(), "{details}.{count}: {response}");
    }
    for item in response["output"].as_array().unwrap() {
        assert_whole_item(item);
    }
}

/// The same of an item.
pub(super) fn assert_whole_item(item: &Value) {
    assert!(item["id"].is_string() || item["type"] == "compaction", "{item}");
    match item["type"].as_str().unwrap() {
        "message" => {
            assert!(item["status"].is_string() && item["role"] == "assistant", "{item}");
            for part in item["content"].as_array().unwrap().iter().filter(|part| part["type"] == "output_text") {
                assert!(part["annotations"].is_array() && part["logprobs"].is_array(), "{part}");
            }
        }
        "function_call" => assert!(item["status"].is_string() && item["call_id"].is_string(), "{item}"),
        _ => {}
    }
}

#[tokio::test]
async fn line_15_the_last_response_is_the_answer_whole_and_in_the_clients_words() {
    let gateway = one().await;
    let mut events = told_by(&json!([message("hi")]), &[]);
    let last = events.last_mut().unwrap();
    last["response"]["own"] = json!({"kept": [1]});
    last["response"]["temperature"] = json!(0.25);
    scripted(&gateway, &events);
    let answer = gateway
        .client
        .create(ask(json!({"model": "GPT-5.5", "top_p": 0.5, "metadata": {"a": "b"}, "user": "u"})))
        .await
        .json();
    assert_whole(&answer);
    assert_eq!(
        (&answer["id"], &answer["model"], &answer["own"]),
        (&json!("resp_up"), &json!("GPT-5.5"), &json!({"kept": [1]}))
    );
    assert_eq!((&answer["temperature"], &answer["top_p"], &answer["user"]), (&json!(0.25), &json!(0.5), &json!("u")));
    assert_eq!((&answer["metadata"], &answer["store"]), (&json!({"a": "b"}), &json!(false)));
    assert!(answer["completed_at"].is_u64());

    let item = json!({"type": "response.output_item.done", "output_index": 0, "item": message("from the item")});
    scripted(&gateway, &told_by(&json!([]), &[item]));
    let answer = gateway.client.ask().await.json();
    assert_eq!(answer["output"][0]["content"][0]["text"], "from the item");
    scripted(&gateway, &told_by(&json!([]), &[delta("from "), delta("deltas")]));
    let answer = gateway.client.ask().await.json();
    assert_eq!(answer["output"][0]["content"][0]["text"], "from deltas");
    assert_whole(&answer);
}

/// The same request to the three routes that give a model's answer.
async fn everywhere(gateway: &Gateway) -> [Answer; 4] {
    [
        gateway.client.ask().await,
        gateway.client.stream().await,
        chat(&gateway.client, &say(json!({}))).await,
        chat(&gateway.client, &say(json!({"stream": true}))).await,
    ]
}

#[tokio::test]
async fn line_16_a_failed_answer_moves_on_or_is_told_in_our_words() {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, failed("server_is_overloaded", 4)).times(1));
    assert_eq!(gateway.client.ask().await.json()["status"], "completed");
    assert_eq!(turns(&gateway).len(), 2);

    let overflow =
        "Your input exceeds the context window of this model. This model's maximum context length is exceeded.";
    for (code, status, message) in [
        ("context_length_exceeded", 400, overflow),
        ("cyber_policy", 400, "The request was refused by the provider's content policy."),
        ("quite_new", 502, "The upstream request failed."),
        ("not safe!", 502, "The upstream request failed."),
    ] {
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, failed(code, 2));
        for answer in everywhere(&gateway).await {
            let code = if code == "not safe!" { "upstream_error" } else { code };
            assert_eq!(told(&answer), refused(status, code, ""));
            assert_eq!(answer.error()["message"], message);
        }
    }
    let mut events = told_by(&json!([message("as far as")]), &[]);
    let last = events.last_mut().unwrap();
    last["type"] = json!("response.incomplete");
    last["response"]["status"] = json!("incomplete");
    last["response"]["incomplete_details"] = json!({"reason": "max_output_tokens"});
    scripted(&gateway, &events);
    let [whole, stream, chat, _] = everywhere(&gateway).await;
    assert_eq!((whole.status, &whole.json()["status"]), (200, &json!("incomplete")));
    assert_eq!(stream.events().last().unwrap().name, "response.incomplete");
    assert_eq!(chat.json()["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn line_17_an_upstream_404_is_502_but_for_a_request_with_a_file() {
    let gateway = one().await;
    gateway.codex.fault(Who::All, Fault::Preset(Preset::NotFound));
    for answer in everywhere(&gateway).await {
        assert_eq!(told(&answer), refused(502, "upstream_status", ""));
    }
    gateway.codex.inject(FaultSpec::new(Who::All, status(404, "gone")).on("/backend-api/codex/responses/compact"));
    let compact = gateway.client.post("/v1/responses/compact", &ask(json!({}))).await;
    assert_eq!(told(&compact), refused(502, "gone", ""));
    let data = "data:text/plain;base64,eA==";
    let file = json!({"type": "input_file", "file_data": data, "filename": "x"});
    let with_file = [
        gateway.client.create(ask(json!({"input": [{"role": "user", "content": [file]}]}))).await,
        chat(&gateway.client, &say(json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": data, "filename": "x"}}]}]}))).await,
    ];
    assert_eq!(told(&with_file[0]), refused(404, "upstream_status", ""));
    for answer in with_file {
        assert_eq!((answer.status, &answer.error()["upstream_status"]), (404, &json!(404)), "{}", answer.text());
    }
}

#[tokio::test]
async fn line_18_when_no_account_can_serve_the_client_is_told_whose_fault_it_is() {
    for preset in [Preset::Unauthorized, Preset::PaymentRequired, Preset::Forbidden] {
        let gateway = Gateway::builder().accounts(2).start().await;
        gateway.codex.fault(Who::All, Fault::Preset(preset));
        for answer in everywhere(&gateway).await {
            assert_eq!(told(&answer), refused(503, "no_eligible_backend", ""));
            assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (None, None));
            assert_eq!(answer.header("www-authenticate"), None, "the key of the client is not at fault");
        }
    }
    let gateway = Gateway::builder().accounts(2).start().await;
    for (account, seconds) in [(0, 3000), (1, 30)] {
        let fault = Fault::UsageLimit { resets_in: Duration::from_secs(seconds) };
        gateway.codex.fault(Who::Account(account), fault);
    }
    for answer in everywhere(&gateway).await {
        assert_eq!(answer.refusal(), (429, "quota_exhausted".into()));
        let error = answer.error();
        assert_eq!((&error["type"], &error["param"]), (&json!("usage_limit_reached"), &Value::Null));
        let wait = error["resets_in_seconds"].as_u64().unwrap();
        assert!(
            (25..=31).contains(&wait) && error["resets_at"].as_u64().is_some_and(|at| at > 1_700_000_000),
            "{error}"
        );
        let told: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(told.abs_diff(wait) <= 1);
    }
    let nobody = Gateway::builder().accounts(0).start().await;
    for answer in everywhere(&nobody).await {
        assert_eq!(told(&answer), refused(503, "no_eligible_backend", ""));
    }
}

#[tokio::test]
async fn line_42_sdks_are_told_not_to_try_again_where_that_is_no_use_and_nowhere_else() {
    let wait = |seconds| Fault::Status {
        status: 429,
        body: codex_pooler::simulator::FaultBody::Json(
            json!({"error": {"code": "rate_limit_exceeded", "message": WORDS}}),
        ),
        headers: [("retry-after".to_owned(), format!("{seconds}"))].into(),
    };
    let usage = |seconds| Fault::UsageLimit { resets_in: Duration::from_secs(seconds) };
    for (fault, no_retry) in [
        (wait(61), true),
        (wait(60), false),
        (status(429, "x"), true),
        (usage(3600), true),
        (usage(20), false),
        (status(409, "x"), true),
        (bytes("application/json", "[]"), true),
        (bytes("text/html", "<p>"), true),
        (status(500, "x"), false),
        (status(503, "x"), false),
        (status(403, "x"), false),
        (status(400, "x"), false),
        (status(404, "x"), false),
        (Fault::EmptyBody, false),
        (Fault::HangUp { reset: false }, false),
        (failed("quite_new", 2), false),
        (failed("context_length_exceeded", 2), false),
    ] {
        let gateway = one().await;
        gateway.codex.fault(Who::All, fault.clone());
        for stream in BOTH {
            let answer = gateway.client.create(ask(json!({"stream": stream}))).await;
            assert!(answer.status >= 400, "{fault:?}");
            assert_eq!(answer.header("x-should-retry"), no_retry.then_some("false"), "{fault:?} {}", answer.text());
        }
    }
    let settings = |settings: &mut codex_pooler::config::Settings| settings.upstream.max_response = 2000;
    let gateway = Gateway::builder().accounts(1).settings(settings).start().await;
    let large = gateway.client.ask().await;
    assert_eq!(told(&large), refused(502, "upstream_response_too_large", ""));
    assert_eq!(large.header("x-should-retry"), Some("false"));
    for answer in [
        gateway.client.create(json!({})).await,
        gateway.client.get("/v1/models/none").await,
        gateway.client.get("/v1/nowhere").await,
        gateway.client_with("wrong").get("/v1/models").await,
        gateway.client.get("/v1/models").await,
    ] {
        assert_eq!(answer.header("x-should-retry"), None, "{}", answer.text());
    }
}
