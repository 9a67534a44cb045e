//! What a request for `POST /v1/responses` may say, over the wire: docs/v1.md, Validation order, and what the upstream gets to see of it.

use codex_pooler::store::records::Outcome;
use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::client::Answer;

/// A plain request with these members besides.
fn ask_with(members: Value) -> Value {
    let mut body = json!({"model": "gpt-5.5", "input": "hi"});
    let (Value::Object(body_members), Value::Object(more)) = (&mut body, members) else { panic!("objects") };
    body_members.extend(more);
    body
}

fn assert_refused(answer: &Answer, status: u16, code: &str, param: &str, message: &str) {
    let error = answer.error();
    let told = (answer.status, error["code"].as_str(), error["param"].as_str(), error["message"].as_str());
    assert_eq!(told, (status, Some(code), Some(param), Some(message)));
    assert_eq!(error["type"], "invalid_request_error");
}

/// What the upstream saw of a request that was served.
async fn sent(gateway: &Gateway, body: Value) -> Value {
    gateway.codex.forget_requests();
    let answer = gateway.client.create(body.clone()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    let seen = gateway.codex.requests().into_iter().find(|r| r.path.ends_with("/responses"));
    seen.and_then(|seen| seen.body).expect("bodies are kept")
}

async fn start() -> Gateway {
    Gateway::builder().accounts(1).start().await
}

/// Members at fault, in the order in which they are found: code, parameter, message.
fn faults() -> Vec<(Value, &'static str, &'static str, &'static str)> {
    let (invalid, unsupported) = ("invalid_request", "unsupported_parameter");
    let function = json!({"type": "function", "name": "f", "parameters": {}});
    vec![
        (json!({"logprobs": true}), unsupported, "logprobs", "Unsupported parameter: logprobs"),
        (json!({"nonsense": null}), unsupported, "nonsense", "Unsupported parameter: nonsense"),
        (json!({"model": " "}), invalid, "model", "model is required"),
        (json!({"background": true}), unsupported, "background", "Unsupported parameter: background"),
        (json!({"input": []}), invalid, "input", "input must be a non-empty string or array"),
        (
            json!({"previous_response_id": "resp_1"}),
            invalid,
            "previous_response_id",
            "previous_response_id requires a tool-output continuation",
        ),
        (json!({"tools": [function, function]}), invalid, "tools", "tool names must be unique"),
        (json!({"tool_choice": {"type": "x"}}), invalid, "tool_choice", "tool_choice shape is not translatable"),
        (json!({"reasoning": {"effort": "high--x"}}), invalid, "reasoning.effort", "reasoning effort is not supported"),
        (json!({"truncation": "middle"}), unsupported, "truncation", "Unsupported parameter: truncation"),
    ]
}

#[tokio::test]
async fn the_first_fault_in_the_order_of_the_checks_is_told() {
    let gateway = start().await;
    let faults = faults();
    for (n, (_, code, param, message)) in faults.iter().enumerate() {
        let mut body = ask_with(json!({}));
        for (members, ..) in &faults[n..] {
            let Value::Object(members) = members.clone() else { panic!("objects") };
            body.as_object_mut().unwrap().extend(members);
        }
        assert_refused(&gateway.client.create(body).await, 400, code, param, message);
    }
}

#[tokio::test]
async fn a_refused_request_leaves_one_rejected_row_and_reaches_no_account() {
    let gateway = start().await;
    for (n, (members, code, param, message)) in faults().into_iter().enumerate() {
        let answer = gateway.client.create(ask_with(members)).await;
        assert_refused(&answer, 400, code, param, message);
        let rows = gateway.settled(n + 1).await;
        let settled = rows[0].settled.as_ref().unwrap();
        assert_eq!(rows[0].request_id.to_string(), answer.header("x-request-id").unwrap());
        assert_eq!((settled.status, settled.outcome), (400, Outcome::Rejected));
        assert_eq!((settled.error_code.as_deref(), settled.attempts.len()), (Some(code), 0));
    }
    assert_eq!(gateway.upstream_counts(), [0]);
}

#[tokio::test]
async fn members_inside_members_are_named() {
    let gateway = start().await;
    for (members, param) in [
        (json!({"prompt_cache_options": {"x": 1}}), "prompt_cache_options.x"),
        (json!({"reasoning": {"x": 1}}), "reasoning.x"),
        (json!({"reasoning": {"summary": "x"}}), "reasoning.summary"),
        (json!({"reasoning": {"context": "x"}}), "reasoning.context"),
        (json!({"stream_options": {"x": true}}), "stream_options.x"),
        (json!({"moderation": {"x": 1}}), "moderation.x"),
        (json!({"service_tier": 5}), "service_tier"),
        (json!({"service_tier": "gold"}), "service_tier"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"max_output_tokens": "9"}), "max_output_tokens"),
    ] {
        let answer = gateway.client.create(ask_with(members)).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{param}");
        assert_eq!(answer.error()["param"], param);
    }
}

#[tokio::test]
async fn input_that_cannot_be_translated_says_why() {
    let gateway = start().await;
    let message = |part: Value| json!([{"role": "user", "content": [part]}]);
    let image = |url: &str| message(json!({"type": "input_image", "image_url": url}));
    let (invalid, not_an_image) = ("invalid_request", "unsupported_input_image_format");
    for (input, code, text) in [
        (json!(5), invalid, Some("input must be a string or array")),
        (json!([{"type": "dance"}]), invalid, Some("input item shape is not translatable")),
        (message(json!({"type": "dance"})), invalid, Some("message content part is not translatable")),
        (json!([{"role": "user", "content": []}]), invalid, Some("message content must not be empty")),
        (image("http://example.invalid/a.png"), not_an_image, None),
        (image("data:image/tiff;base64,AAAA"), not_an_image, None),
        (
            message(
                json!({"type": "input_file", "filename": "a.zip", "file_data": "data:application/zip;base64,AAAA"}),
            ),
            "unsupported_input_file_format",
            None,
        ),
        (
            json!([{"type": "item_reference", "id": "msg_1"}]),
            invalid,
            Some("Responses are not stored here: send the item itself (AI SDK: providerOptions.openai.store = false)"),
        ),
    ] {
        let answer = gateway.client.create(json!({"model": "gpt-5.5", "input": input})).await;
        let error = answer.error();
        assert_eq!((answer.refusal(), &error["param"]), ((400, code.to_owned()), &json!("input")), "{input}");
        assert!(text.is_none_or(|text| error["message"] == text), "{error}");
    }
}

#[tokio::test]
async fn tools_that_cannot_be_served_say_why() {
    let gateway = start().await;
    let mcp = json!({"type": "mcp", "server_label": "x", "server_url": "https://x.invalid"});
    for (tools, message) in [
        (json!([mcp]), "remote MCP tools are not supported"),
        (json!({}), "tools must be an array"),
        (json!([{"type": "teleport"}]), "tool shape is not translatable"),
        (json!([{"type": "function", "name": "", "parameters": {}}]), "function tool requires a non-empty name"),
        (json!([{"type": "function", "name": "f"}]), "function tool requires flat name and parameters"),
    ] {
        let answer = gateway.client.create(ask_with(json!({"tools": tools}))).await;
        assert_refused(&answer, 400, "invalid_request", "tools", message);
    }
}

#[tokio::test]
async fn a_model_that_is_missing_unknown_or_not_allowed_is_told_apart() {
    let gateway = start().await;
    for model in [json!(null), json!(""), json!(7), json!({})] {
        let answer = gateway.client.create(json!({"model": model, "input": "hi"})).await;
        assert_refused(&answer, 400, "invalid_request", "model", "model is required");
    }
    let unknown = gateway.client.create(json!({"model": "gpt-none", "input": "hi"})).await;
    assert_refused(&unknown, 400, "invalid_model", "model", "model is not available for this pool");
    let limited = gateway.client_with(&gateway.new_key("limited", Some(vec!["gpt-6-sol".into()])).await);
    let answer = limited.ask().await;
    let error = answer.error();
    assert_eq!((answer.refusal(), &error["param"]), ((403, "model_not_allowed".into()), &Value::Null));
    assert_eq!(error["message"], "api key is not allowed to use this model");
    assert_eq!(answer.header("www-authenticate"), None);
    let rows = gateway.settled(6).await;
    let settled = rows[0].settled.as_ref().unwrap();
    assert_eq!((settled.status, settled.outcome), (403, Outcome::Rejected));
    assert_eq!(gateway.upstream_counts(), [0]);
}

#[tokio::test]
async fn members_that_ask_for_nothing_are_accepted_and_go_nowhere() {
    let gateway = start().await;
    for members in [
        json!({"background": false, "max_tool_calls": null, "top_logprobs": 0, "user": "u", "truncation": "auto"}),
        json!({"truncation": " Disabled ", "logprobs": false, "conversation": null, "prompt": null}),
        json!({"context_management": [], "prompt_cache_retention": "24h", "safety_identifier": "s"}),
        json!({"temperature": 0.2, "top_p": 0.9, "max_output_tokens": 50, "prompt_cache_options": {"mode": "implicit"}}),
    ] {
        let names: Vec<String> = members.as_object().unwrap().keys().cloned().collect();
        let sent = sent(&gateway, ask_with(members)).await;
        for name in names {
            assert_eq!(sent.get(&name), None, "{name} reached the upstream");
        }
    }
    for (name, asking) in [("background", json!(true)), ("max_tool_calls", json!(1)), ("top_logprobs", json!(3))] {
        let answer = gateway.client.create(ask_with(json!({name: asking}))).await;
        assert_refused(&answer, 400, "unsupported_parameter", name, &format!("Unsupported parameter: {name}"));
    }
}

#[tokio::test]
async fn null_is_absent_for_every_known_member() {
    let gateway = start().await;
    let plain = sent(&gateway, ask_with(json!({}))).await;
    for name in "instructions stream store include reasoning text tools tool_choice parallel_tool_calls previous_response_id \
                 prompt_cache_key prompt_cache_options prompt_cache_retention max_output_tokens temperature top_p \
                 safety_identifier metadata client_metadata moderation service_tier stream_options truncation user background \
                 max_tool_calls top_logprobs context_management conversation prompt logprobs"
        .split_whitespace()
    {
        assert_eq!(sent(&gateway, ask_with(json!({name: null}))).await, plain, "{name}");
    }
    let nested = json!({
        "reasoning": {"effort": null, "summary": null, "context": null}, "text": {"format": null, "verbosity": null},
        "stream_options": {"include_usage": null, "include_obfuscation": null},
    });
    let sent = sent(&gateway, ask_with(nested)).await;
    assert_eq!((&sent["reasoning"], sent.get("stream_options")), (&plain["reasoning"], None));
    let unknown = gateway.client.create(ask_with(json!({"nonsense": null}))).await;
    assert_eq!(unknown.refusal().1, "unsupported_parameter");
}

#[tokio::test]
async fn effort_and_tier_reach_the_upstream_in_its_own_words() {
    let gateway = start().await;
    for (asked, expected) in [("minimal", "low"), ("ultra", "max"), ("High ", "high"), ("none", "none")] {
        let sent = sent(&gateway, ask_with(json!({"reasoning": {"effort": asked}}))).await;
        assert_eq!(sent["reasoning"]["effort"], expected, "{asked}");
    }
    for (asked, expected) in [
        (json!("fast"), Some("priority")),
        (json!(" Priority "), Some("priority")),
        (json!("flex"), Some("flex")),
        (json!("auto"), None),
        (json!("default"), None),
        (json!(null), None),
    ] {
        let sent = sent(&gateway, ask_with(json!({"service_tier": asked}))).await;
        assert_eq!(sent.get("service_tier").and_then(Value::as_str), expected, "{asked}");
    }
}

#[tokio::test]
async fn system_and_developer_text_is_lifted_in_order_and_an_image_stays() {
    let gateway = start().await;
    let image = json!({"type": "input_image", "image_url": "https://example.invalid/a.png"});
    let input = json!([
        {"role": "system", "content": "one"},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "input_text", "text": "two"}, image]},
    ]);
    let sent = sent(&gateway, json!({"model": "gpt-5.5", "instructions": "zero", "input": input})).await;
    assert_eq!(sent["instructions"], "zero\none\ntwo");
    let roles: Vec<&str> = sent["input"].as_array().unwrap().iter().filter_map(|item| item["role"].as_str()).collect();
    assert_eq!(roles, ["user", "developer"]);
    assert_eq!(sent["input"][1]["content"].as_array().unwrap().len(), 1);
    assert_eq!(sent["input"][1]["content"][0]["image_url"], "https://example.invalid/a.png");
}

#[tokio::test]
async fn a_continuation_needs_the_output_of_a_tool_and_keeps_its_reasoning() {
    let gateway = start().await;
    let tool = json!({"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}});
    let asked = ask_with(json!({"tools": [tool], "tool_choice": "required", "reasoning": {"effort": "high"}}));
    let first = gateway.client.create(asked).await.json();
    let made = |kind: &str| first["output"].as_array().unwrap().iter().find(|item| item["type"] == kind).unwrap();
    let (reasoning, call) = (made("reasoning"), made("function_call"));
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "seen"});
    let body = json!({
        "model": "gpt-5.5", "previous_response_id": first["id"], "input": [reasoning, output], "tools": [tool],
    });
    let sent = sent(&gateway, body).await;
    assert_eq!(sent["previous_response_id"], first["id"]);
    let types: Vec<&str> = sent["input"].as_array().unwrap().iter().filter_map(|item| item["type"].as_str()).collect();
    assert_eq!(types, ["reasoning", "function_call_output"]);
}

#[tokio::test]
async fn what_was_answered_is_accepted_as_input_unchanged() {
    let gateway = start().await;
    let tool = json!({"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}});
    for more in [
        json!({}),
        json!({"reasoning": {"effort": "high", "summary": "auto"}}),
        json!({"tools": [tool], "tool_choice": "required"}),
    ] {
        let first = gateway.client.create(ask_with(more)).await.json();
        let mut input = first["output"].as_array().unwrap().clone();
        for call in input.clone().iter().filter(|item| item["type"] == "function_call") {
            input.push(json!({"type": "function_call_output", "call_id": call["call_id"], "output": "seen"}));
        }
        input.push(json!({"role": "user", "content": "go on"}));
        let answer = gateway.client.create(json!({"model": "gpt-5.5", "input": input, "tools": [tool]})).await;
        assert_eq!(answer.status, 200, "{}: {}", json!(input), answer.text());
    }
}
