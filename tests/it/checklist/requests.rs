//! Lines 7 to 14, 38 and 40: what the upstream gets of a request, and what is refused.

use serde_json::{Value, json};

use super::{
    ask, chat, chat_is_refused, create_is_refused, function, keys, last_sent, one, refused, say, sent, told, turns,
};
use crate::support::Gateway;

#[tokio::test]
async fn line_07_a_stored_unstreamed_request_is_made_what_the_backend_takes() {
    let gateway = one().await;
    let body = ask(json!({
        "store": true, "stream": false, "metadata": {"run": "7"}, "stream_options": {"include_usage": true},
        "include": ["reasoning.encrypted_content", "web_search_call.action.sources", "reasoning.encrypted_content"],
    }));
    let answer = gateway.client.create(body).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json()["metadata"], json!({"run": "7"}));
    let sent = last_sent(&gateway);
    assert_eq!((&sent["store"], &sent["stream"], &sent["instructions"]), (&json!(false), &json!(true), &json!("")));
    assert_eq!(sent["include"], json!(["reasoning.encrypted_content", "web_search_call.action.sources"]));
    assert_eq!(keys(&sent), ["include", "input", "instructions", "model", "reasoning", "store", "stream"]);
}

#[tokio::test]
async fn line_08_system_and_developer_text_is_lifted_in_order_and_an_image_stays() {
    let gateway = one().await;
    let image = json!({"type": "input_image", "image_url": "https://example.invalid/a.png"});
    let body = ask(json!({"instructions": "zero", "input": [
        {"role": "system", "content": [{"type": "input_text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "user", "content": "hi"},
        {"type": "message", "role": "developer", "content": [image, {"type": "input_text", "text": "three"}]},
        {"role": "developer", "content": "four"},
    ]}));
    let sent = sent(&gateway, body).await;
    assert_eq!(sent["instructions"], "zero\none\ntwo\nthree\nfour");
    assert_eq!(
        sent["input"],
        json!([
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "message", "role": "developer", "content": [image]},
        ])
    );
}

#[tokio::test]
async fn line_09_members_that_ask_for_nothing_are_accepted_and_absent() {
    let gateway = one().await;
    let plain = sent(&gateway, ask(json!({}))).await;
    for members in [
        json!({"background": false, "max_tool_calls": null, "top_logprobs": 0, "user": "u", "truncation": "auto"}),
        json!({"conversation": null, "prompt": null, "context_management": [], "logprobs": false}),
    ] {
        assert_eq!(sent(&gateway, ask(members)).await, plain);
    }
    create_is_refused(&gateway, json!({"background": true}), "unsupported_parameter", "background").await;
    create_is_refused(&gateway, json!({"nonsense": null}), "unsupported_parameter", "nonsense").await;
}

/// T8: every key that a JSON route knows, as null.
#[tokio::test]
async fn line_09_null_on_a_known_key_is_absent_on_every_json_route() {
    let gateway = one().await;
    let responses = "instructions stream store include reasoning text tools tool_choice parallel_tool_calls previous_response_id \
        prompt_cache_key prompt_cache_options prompt_cache_retention max_output_tokens temperature top_p safety_identifier \
        metadata client_metadata moderation service_tier stream_options truncation user background max_tool_calls \
        top_logprobs context_management conversation prompt logprobs";
    let chats = "max_completion_tokens max_tokens reasoning_effort verbosity response_format tools tool_choice stream_options \
        metadata moderation parallel_tool_calls prompt_cache_key prompt_cache_options prompt_cache_retention \
        safety_identifier service_tier store stream temperature top_p functions function_call user seed n stop logprobs \
        frequency_penalty presence_penalty logit_bias top_logprobs audio modalities prediction web_search_options input \
        instructions";
    let images = "size quality background input_fidelity output_format n user response_format output_compression moderation \
        partial_images stream logprobs image mask";
    let picture = json!({"model": "gpt-image-1", "prompt": "a boat"});
    for (path, base, names) in [
        ("/v1/responses", ask(json!({})), responses),
        ("/v1/responses/compact", ask(json!({})), responses),
        ("/v1/chat/completions", say(json!({})), chats),
        ("/v1/images/generations", picture, images),
    ] {
        gateway.codex.forget_requests();
        let mut bodies = vec![base.clone()];
        bodies.extend(names.split_whitespace().map(|name| super::with(base.clone(), json!({name: null}))));
        for body in &bodies {
            let answer = gateway.client.post(path, body).await;
            assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
        }
        let seen: Vec<Value> = gateway.codex.requests().into_iter().filter_map(|request| request.body).collect();
        assert_eq!(seen.len(), bodies.len());
        assert!(seen.iter().all(|body| *body == seen[0]), "{path}");
        let unknown = gateway.client.post(path, &super::with(base, json!({"nonsense": null}))).await;
        assert_eq!(told(&unknown), refused(400, "unsupported_parameter", "nonsense"), "{path}");
    }
}

#[tokio::test]
async fn line_10_sampling_members_are_accepted_and_absent() {
    let gateway = one().await;
    let plain = sent(&gateway, ask(json!({}))).await;
    let sampled = json!({"temperature": 0.2, "top_p": 0.9, "max_output_tokens": 50});
    assert_eq!(sent(&gateway, ask(sampled)).await, plain);
    create_is_refused(&gateway, json!({"max_output_tokens": 0}), "invalid_request", "max_output_tokens").await;
    create_is_refused(&gateway, json!({"max_output_tokens": 1.5}), "invalid_request", "max_output_tokens").await;
}

#[tokio::test]
async fn line_11_efforts_of_other_names_are_rewritten_and_malformed_ones_refused() {
    let gateway = one().await;
    for (given, taken) in [("minimal", "low"), ("ultra", "max"), (" High ", "high")] {
        let sent = sent(&gateway, ask(json!({"reasoning": {"effort": given}}))).await;
        assert_eq!(sent["reasoning"]["effort"], taken, "{given}");
        assert_eq!(chat(&gateway.client, &say(json!({"reasoning_effort": given}))).await.status, 200);
        assert_eq!(last_sent(&gateway)["reasoning"]["effort"], taken, "{given}");
    }
    create_is_refused(&gateway, json!({"reasoning": {"effort": "high--x"}}), "invalid_request", "reasoning.effort")
        .await;
    chat_is_refused(&gateway, json!({"reasoning_effort": "high--x"}), "invalid_request", "reasoning_effort").await;
}

#[tokio::test]
async fn line_12_service_tiers_reach_the_upstream_in_its_words() {
    let gateway = one().await;
    for (given, taken) in [
        (json!("fast"), Some("priority")),
        (json!("flex"), Some("flex")),
        (json!("auto"), None),
        (json!("default"), None),
        (json!(null), None),
    ] {
        let sent = sent(&gateway, ask(json!({"service_tier": given}))).await;
        assert_eq!(sent.get("service_tier").and_then(Value::as_str), taken, "{given}");
    }
    create_is_refused(&gateway, json!({"service_tier": 1}), "invalid_request", "service_tier").await;
    chat_is_refused(&gateway, json!({"service_tier": "ultrafast"}), "invalid_request", "service_tier").await;
}

#[tokio::test]
async fn line_13_a_continuation_needs_the_output_of_a_tool() {
    let gateway = Gateway::start().await;
    let tools = json!({"tools": [function("look")], "tool_choice": "required", "reasoning": {"effort": "high"}});
    let first = gateway.client.create(ask(tools)).await.json();
    let by = turns(&gateway)[0].account.clone();
    create_is_refused(
        &gateway,
        json!({"previous_response_id": first["id"]}),
        "invalid_request",
        "previous_response_id",
    )
    .await;
    let made = |kind: &str| first["output"].as_array().unwrap().iter().find(|item| item["type"] == kind).unwrap();
    let (mut reasoning, call) = (made("reasoning").clone(), made("function_call"));
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "seen"});
    let body =
        ask(json!({"previous_response_id": first["id"], "input": [reasoning, output], "tools": [function("look")]}));
    let sent = sent(&gateway, body).await;
    assert_eq!(sent["previous_response_id"], first["id"]);
    // Reasoning stays, with and without its content.
    assert_eq!(sent["input"][0]["encrypted_content"], reasoning["encrypted_content"]);
    assert_eq!(turns(&gateway).pop().unwrap().account, by, "the account that gave the response");
    reasoning.as_object_mut().unwrap().remove("encrypted_content");
    let body =
        ask(json!({"previous_response_id": first["id"], "input": [reasoning, output], "tools": [function("look")]}));
    let answer = gateway.client.create(body).await;
    assert_eq!(last_sent(&gateway)["input"][0]["type"], "reasoning", "{}", answer.text());
}

#[tokio::test]
async fn line_14_tools_that_cannot_be_served_are_refused() {
    let gateway = one().await;
    let mcp = json!([{"type": "mcp", "server_label": "x", "server_url": "https://example.invalid"}]);
    let answer = gateway.client.create(ask(json!({"tools": mcp}))).await;
    assert_eq!(told(&answer), refused(400, "invalid_request", "tools"));
    assert_eq!(answer.error()["message"], "remote MCP tools are not supported");
    let twice = json!({"tools": [function("a"), {"type": "custom", "name": "a"}]});
    let answer = gateway.client.create(ask(twice)).await;
    assert_eq!(told(&answer), refused(400, "invalid_request", "tools"));
    assert_eq!(answer.error()["message"], "tool names must be unique");
    assert!(turns(&gateway).is_empty());
}

#[tokio::test]
async fn line_38_translated_requests_go_in_our_own_name() {
    let ours = format!("codex-pooler/{}", env!("CARGO_PKG_VERSION"));
    let named = "[upstream]\nuser_agent = \"acme/1\"\noriginator = \"acme\"\nversion = \"9\"\n";
    for (toml, agent, originator, version) in
        [("", ours.as_str(), "codex-pooler", None), (named, "acme/1", "acme", Some("9"))]
    {
        let gateway = Gateway::builder().accounts(1).toml(toml).start().await;
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "OpenAI/Python 2"),
            ("originator", "theirs"),
            ("version", "1"),
            ("x-stainless-lang", "python"),
            ("openai-beta", "x"),
            ("cookie", "a=b"),
            ("session-id", "s"),
            ("chatgpt-account-id", "theirs"),
        ];
        for (path, body) in [
            ("/v1/responses", ask(json!({}))),
            ("/v1/chat/completions", say(json!({"stream": true}))),
            ("/v1/responses/compact", ask(json!({}))),
            ("/v1/images/generations", json!({"model": "gpt-image-1", "prompt": "a boat"})),
        ] {
            let request = gateway.client.request("POST", path, &headers, body.to_string().as_bytes());
            assert_eq!(gateway.client.send(request).await.status, 200);
            let seen = gateway.codex.requests().pop().unwrap().headers;
            let mut wanted =
                vec!["accept", "authorization", "chatgpt-account-id", "content-length", "content-type", "host"];
            wanted.extend(["originator", "user-agent"]);
            wanted.extend(version.map(|_| "version"));
            wanted.push("x-openai-internal-codex-residency");
            let names: Vec<&str> = seen.keys().map(String::as_str).collect();
            assert_eq!(names, wanted, "{path}: no header of the client goes upstream");
            let of = |name: &str| seen.get(name).map(String::as_str);
            assert_eq!((of("user-agent"), of("originator"), of("version")), (Some(agent), Some(originator), version));
            assert_eq!(of("chatgpt-account-id"), Some(gateway.codex.accounts()[0].id()));
        }
    }
}

#[tokio::test]
async fn line_40_references_to_thoughts_are_dropped_and_others_refused() {
    let gateway = one().await;
    let tools = json!({"tools": [function("look")], "tool_choice": "required"});
    let first = gateway.client.create(ask(tools)).await.json();
    let call = first["output"].as_array().unwrap().iter().find(|item| item["type"] == "function_call").unwrap().clone();
    let thought = first["output"].as_array().unwrap().iter().find(|item| item["type"] == "reasoning").unwrap();
    // The AI SDK with its default `store`: the thought by reference, the call and its output as items.
    let mut input = vec![
        json!({"role": "user", "content": "look"}),
        json!({"type": "item_reference", "id": thought["id"]}),
        call.clone(),
        json!({"type": "function_call_output", "call_id": call["call_id"], "output": "seen"}),
    ];
    let sent_input = sent(&gateway, ask(json!({"input": input, "tools": [function("look")]}))).await["input"].clone();
    let kinds: Vec<&str> = sent_input.as_array().unwrap().iter().filter_map(|item| item["type"].as_str()).collect();
    assert_eq!(kinds, ["message", "function_call", "function_call_output"]);
    input[1] = json!({"type": "item_reference", "id": call["id"]});
    let answer = gateway.client.create(ask(json!({"input": input}))).await;
    assert_eq!(told(&answer), refused(400, "invalid_request", "input"));
    let message = "Responses are not stored here: send the item itself (AI SDK: providerOptions.openai.store = false)";
    assert_eq!(answer.error()["message"], message);

    let hosted = json!([
        {"role": "user", "content": "hi"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}, "x": [1]},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw==", "own": {"k": null}},
        {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "q"}, "k": 1},
        {"type": "tool_search_output", "call_id": "c1", "status": "completed", "execution": "client", "tools": []},
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "c2", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "local_shell_call_output", "id": "lsh_1", "call_id": "c2", "output": "files", "z": false},
    ]);
    let preview = json!([{"type": "web_search_preview", "search_context_size": "low", "user_location": {"type": "approximate", "city": "Bern"}}]);
    let sent =
        sent(&gateway, ask(json!({"input": hosted, "tools": preview, "tool_choice": {"type": "web_search_preview"}})))
            .await;
    assert_eq!(sent["input"].as_array().unwrap()[1..], hosted.as_array().unwrap()[1..]);
    assert_eq!(sent["tools"][0]["type"], "web_search");
    assert_eq!(sent["tools"][0]["user_location"], preview[0]["user_location"]);
    assert_eq!(sent["tool_choice"], json!({"type": "web_search"}));
    chat_is_refused(&gateway, json!({"tools": [{"type": "shell"}]}), "invalid_request", "tools").await;
}
