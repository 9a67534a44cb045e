//! Line 41: whatever we returned is accepted as input, unchanged (docs/decisions.md, T14).

use codex_pooler::simulator::{Fault, Who};
use serde_json::{Value, json};

use super::answers::{assert_whole, assert_whole_item};
use super::thoughts::items;
use super::{ask, assembled, chat, chat_function, chunks, function, keys, one, say, scripted, told_by};
use crate::support::Gateway;

/// What makes the simulator give each kind of output, and the types of what it then gives.
fn kinds_of_output() -> Vec<(Value, &'static [&'static str])> {
    let says = |words: &str, more: Value| super::with(json!({"input": [{"role": "user", "content": words}]}), more);
    let custom = json!({"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "regex", "definition": "[a-z]{3}"}});
    let namespace = json!({"type": "namespace", "name": "files", "description": "d", "tools": [function("open"), {"type": "custom", "name": "run"}]});
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}});
    vec![
        (says("hello", json!({"reasoning": {"effort": "none"}})), &["message"]),
        (says("hello", json!({"reasoning": {"effort": "high", "summary": "detailed"}})), &["reasoning", "message"]),
        (says("cite", json!({})), &["message"]),
        (says("refuse", json!({})), &["message"]),
        (says("hello", json!({ "text": format })), &["message"]),
        (says("call look", json!({"tools": [function("look")]})), &["function_call"]),
        (says("parallel", json!({"tools": [function("look"), function("hear")]})), &["function_call", "function_call"]),
        (says("call patch", json!({"tools": [custom]})), &["custom_tool_call"]),
        (says("parallel", json!({"tools": [function("look"), custom]})), &["function_call", "custom_tool_call"]),
        (says("call open", json!({"tools": [namespace]})), &["function_call"]),
        (says("call run", json!({"tools": [namespace]})), &["custom_tool_call"]),
        (
            says("search", json!({"tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"]})),
            &["web_search_call", "message"],
        ),
        (says("draw", json!({"tools": [{"type": "image_generation"}]})), &["image_generation_call", "message"]),
        (
            says("hi", json!({"tools": [{"type": "image_generation"}], "tool_choice": {"type": "image_generation"}})),
            &["image_generation_call"],
        ),
        (json!({"input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]}), &["compaction"]),
    ]
}

/// The outputs of all calls among the items.
fn outputs(items: &[Value]) -> Vec<Value> {
    let output = |call: &Value| match call["type"].as_str()? {
        kind @ ("function_call" | "custom_tool_call") => {
            Some(json!({"type": format!("{kind}_output"), "call_id": call["call_id"], "output": "done"}))
        }
        "shell_call" => Some(json!({"type": "shell_call_output", "call_id": call["call_id"],
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]})),
        "local_shell_call" => Some(
            json!({"type": "local_shell_call_output", "id": call["id"], "call_id": call["call_id"], "output": "a"}),
        ),
        "tool_search_call" => Some(
            json!({"type": "tool_search_output", "call_id": call["call_id"], "status": "completed", "execution": "client", "tools": []}),
        ),
        _ => None,
    };
    items.iter().filter_map(output).collect()
}

fn types(items: &[Value]) -> Vec<&str> {
    items.iter().filter_map(|item| item["type"].as_str()).filter(|kind| *kind != "reasoning").collect()
}

/// Sends items back, with what their calls gave, and as a message that the client adds to.
async fn goes_on(gateway: &Gateway, asked: &Value, items: &[Value], what: &str) {
    let mut input: Vec<Value> = asked["input"].as_array().unwrap().clone();
    input.retain(|item| item["type"] != "compaction_trigger");
    input.extend_from_slice(items);
    input.extend(outputs(items));
    input.push(json!({"role": "user", "content": "and now?"}));
    for stream in [false, true] {
        let answer =
            gateway.client.create(ask(json!({"input": input, "tools": asked["tools"], "stream": stream}))).await;
        assert_eq!(answer.status, 200, "{what}: {}\n{}", answer.text(), json!(input));
        assert!(answer.text().contains("\"completed\""), "{}", answer.text());
    }
}

#[tokio::test]
async fn line_41_every_item_of_every_kind_is_accepted_as_it_was_returned() {
    let gateway = one().await;
    for (members, kinds) in kinds_of_output() {
        let answer = gateway.client.create(ask(members.clone())).await;
        assert_eq!(answer.status, 200, "{members} {}", answer.text());
        let whole = answer.json();
        assert_whole(&whole);
        let output = whole["output"].as_array().unwrap();
        let wanted: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "reasoning").collect();
        assert_eq!(types(output), wanted, "{members}");
        goes_on(&gateway, &members, output, "an answer in one piece").await;

        let streamed = gateway.client.create(ask(super::with(members.clone(), json!({"stream": true})))).await;
        let done = items(&streamed);
        assert_eq!(types(&done), wanted, "{members}");
        done.iter().for_each(assert_whole_item);
        goes_on(&gateway, &members, &done, "items of a stream").await;
        let last = streamed.events().pop().unwrap().data["response"].clone();
        assert_whole(&last);
        goes_on(&gateway, &members, last["output"].as_array().unwrap(), "the response of a stream").await;
    }
}

/// Kinds that no tool of this surface asks for, and members that only answers have.
fn foreign_items() -> Vec<Value> {
    vec![
        json!({"id": "sh_1", "type": "shell_call", "status": "completed", "call_id": "call_s", "environment": null, "created_by": "x",
            "caller": {"type": "direct"}, "action": {"commands": ["ls"], "timeout_ms": null, "max_output_length": null}}),
        json!({"id": "lsh_1", "type": "local_shell_call", "status": "completed", "call_id": "call_l",
            "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 1, "user": null, "working_directory": null}}),
        json!({"id": "tsc_1", "type": "tool_search_call", "status": "completed", "call_id": "call_t", "execution": "client", "arguments": {}}),
        json!({"id": "fc_1", "type": "function_call", "status": "completed", "name": "look", "namespace": null, "call_id": "call_f",
            "arguments": "{}", "caller": null, "created_by": "m"}),
        json!({"id": "ctc_1", "type": "custom_tool_call", "status": "completed", "name": "run", "call_id": "call_c", "input": ""}),
        json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "phase": "commentary", "content": [
            {"type": "output_text", "text": "a", "annotations": [
                {"type": "file_citation", "file_id": "f", "filename": "n", "index": 0},
                {"type": "url_citation", "start_index": 0, "end_index": 1, "url": "https://example.com", "title": "t"}], "logprobs": [
                {"token": "a", "bytes": [97], "logprob": -0.1, "top_logprobs": []}]},
            {"type": "refusal", "refusal": "no"}]}),
        json!({"id": "msg_2", "type": "message", "status": "incomplete", "role": "assistant", "content": []}),
        json!({"id": "msg_3", "type": "message", "status": "completed", "role": "assistant", "phase": null, "end_turn": false,
            "content": [{"type": "output_text", "text": "", "quite": "new"}]}),
        json!({"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "https://example.com"}}),
        json!({"id": "ws_2", "type": "web_search_call", "status": "failed"}),
        json!({"id": "ig_1", "type": "image_generation_call", "status": "failed", "result": null, "error": {"code": "x"}}),
        json!({"id": "rs_1", "type": "reasoning", "status": null, "summary": [], "content": null, "encrypted_content": null}),
        json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "no id, no status"}]}),
        json!({"type": "function_call", "name": "look", "call_id": "call_g", "arguments": ""}),
    ]
}

#[tokio::test]
async fn line_41_items_that_only_the_backend_makes_are_accepted_as_they_were_returned() {
    let gateway = one().await;
    for item in foreign_items() {
        let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
        let asked = json!({"input": [{"role": "user", "content": "hi"}]});
        scripted(&gateway, &told_by(&json!([item]), &[done]));
        let whole = gateway.client.ask().await.json();
        let streamed = gateway.client.stream().await;
        gateway.codex.clear_faults();
        assert_whole(&whole);
        let output = whole["output"].as_array().unwrap();
        goes_on(&gateway, &asked, output, "an answer in one piece").await;
        let done: Vec<Value> = items(&streamed).into_iter().filter(|done| done["type"] == item["type"]).collect();
        assert_eq!(done.len(), 1);
        goes_on(&gateway, &asked, &done, "items of a stream").await;
    }
}

#[tokio::test]
async fn line_41_what_the_backend_left_out_does_not_hinder_the_next_turn() {
    let gateway = one().await;
    for fault in
        [Fault::NoOutputInCompleted, Fault::MissingUsage, Fault::UsageWithoutTotal, Fault::DoneInsteadOfCompleted]
    {
        for stream in [false, true] {
            gateway.codex.fault(Who::All, fault.clone());
            let answer = gateway.client.create(ask(json!({"stream": stream, "reasoning": {"effort": "high"}}))).await;
            gateway.codex.clear_faults();
            let response = if stream { answer.events().pop().unwrap().data["response"].clone() } else { answer.json() };
            assert_whole(&response);
            let output = response["output"].as_array().unwrap();
            assert_eq!(types(output), ["message"], "{fault:?}");
            goes_on(&gateway, &json!({"input": [{"role": "user", "content": "hi"}]}), output, "a repaired answer")
                .await;
        }
    }
}

#[tokio::test]
async fn line_41_every_chat_message_is_accepted_as_it_was_returned() {
    let gateway = one().await;
    let custom = json!({"type": "custom", "custom": {"name": "patch", "description": "d", "format": {"type": "text"}}});
    for (words, more, calls) in [
        ("hello", json!({}), 0),
        ("hello", json!({"reasoning_effort": "high"}), 0),
        ("cite", json!({}), 0),
        ("refuse", json!({}), 0),
        ("search", json!({"tools": [{"type": "web_search"}]}), 0),
        ("draw", json!({"tools": [{"type": "image_generation"}]}), 0),
        ("call look", json!({"tools": [chat_function("look")]}), 1),
        ("parallel", json!({"tools": [chat_function("look"), custom]}), 2),
        ("call patch", json!({"tools": [custom]}), 1),
    ] {
        for stream in [false, true] {
            let question = json!({"role": "user", "content": words});
            let body = super::with(say(json!({"messages": [question], "stream": stream})), more.clone());
            let answer = chat(&gateway.client, &body).await;
            assert_eq!(answer.status, 200, "{words}: {}", answer.text());
            let message = match stream {
                true => assembled(&chunks(&answer).0),
                false => {
                    let message = answer.json()["choices"][0]["message"].clone();
                    let mut members = vec!["annotations", "content", "refusal", "role"];
                    members.extend((calls > 0).then_some("tool_calls"));
                    assert_eq!(keys(&message), members, "{words}");
                    message
                }
            };
            let empty = Vec::new();
            let made = message["tool_calls"].as_array().unwrap_or(&empty);
            assert_eq!(made.len(), calls, "{words}: {message}");
            let mut messages = vec![question, message.clone()];
            messages
                .extend(made.iter().map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "done"})));
            messages.push(json!({"role": "user", "content": "and now?"}));
            let next = super::with(body, json!({ "messages": messages }));
            let answer = chat(&gateway.client, &next).await;
            assert_eq!(answer.status, 200, "{words} {stream}: {}\n{message}", answer.text());
        }
    }
}
