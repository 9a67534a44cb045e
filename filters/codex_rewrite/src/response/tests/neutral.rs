//! What stands for keys that the backend left out (docs/v1.md, Neutral values).

use serde_json::{Value, json};

use super::support::{Backend, Host, NOW, message, response, usage};

/// The response object of a terminal whose response was this.
fn completed(host: &Host, response: &Value) -> Value {
    let stream = Backend::new().begun().event("response.completed", json!({ "response": response }));
    host.run(stream.wire()).event("response.completed")["response"].clone()
}

#[test]
fn every_key_of_a_response_object_has_its_neutral_value() {
    let filled = completed(&Host::streaming(), &json!({}));
    let expected = json!({
        "id": "resp_1", "object": "response", "created_at": 1_794_000_000, "completed_at": NOW, "status": "completed",
        "model": "gpt-5.5", "output": [], "usage": null, "error": null, "incomplete_details": null, "instructions": null,
        "previous_response_id": null, "reasoning": null, "max_output_tokens": null, "max_tool_calls": null,
        "safety_identifier": null, "prompt_cache_key": null, "user": null, "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": true, "truncation": "disabled", "text": {"format": {"type": "text"}}, "temperature": 1.0,
        "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0, "store": false,
        "background": false, "service_tier": "default", "metadata": {}
    });
    assert_eq!(filled, expected);
}

#[test]
fn the_value_of_the_request_comes_before_the_neutral_one() {
    let asked = [
        ("instructions", json!("be brief")),
        ("max_output_tokens", json!(100)),
        ("max_tool_calls", json!(3)),
        ("parallel_tool_calls", json!(false)),
        ("previous_response_id", json!("resp_0")),
        ("prompt_cache_key", json!("k")),
        ("reasoning", json!({"effort": "low"})),
        ("safety_identifier", json!("s")),
        ("service_tier", json!("flex")),
        ("temperature", json!(0.5)),
        ("top_p", json!(0.9)),
        ("presence_penalty", json!(0.1)),
        ("frequency_penalty", json!(0.2)),
        ("top_logprobs", json!(2)),
        ("text", json!({"format": {"type": "json_object"}})),
        ("tool_choice", json!("required")),
        ("truncation", json!("auto")),
        ("user", json!("u")),
        ("metadata", json!({"a": "b"})),
    ];
    let host = asked.iter().fold(Host::streaming(), |host, (name, value)| host.asked(name, value));
    let filled = completed(&host, &json!({}));
    for (name, value) in &asked {
        assert_eq!(&filled[name], value, "{name}");
    }
}

#[test]
fn an_answer_is_never_said_to_be_stored() {
    let host = Host::streaming().asked("store", &json!(true)).asked("background", &json!(true));
    let filled = completed(&host, &json!({}));
    assert_eq!((&filled["store"], &filled["background"]), (&json!(false), &json!(false)));
}

#[test]
fn what_the_backend_sent_is_never_changed_and_null_counts() {
    let mut given = response("completed");
    for (_, value) in given.as_object_mut().unwrap() {
        if !value.is_string() {
            *value = Value::Null;
        }
    }
    given["store"] = json!(true);
    given["output"] = json!([message(0, "")]);
    let host = Host::streaming().asked("temperature", &json!(0.5));
    assert_eq!(completed(&host, &given), given);
}

#[test]
fn a_response_that_runs_is_not_completed() {
    let wire = Backend::new()
        .event("response.created", json!({"response": {"id": "resp_1"}}))
        .event("response.queued", json!({"response": {"id": "resp_1"}}))
        .event("response.in_progress", json!({}));
    let answer = Host::streaming().run(wire.wire());
    for (kind, status) in
        [("response.created", "in_progress"), ("response.queued", "queued"), ("response.in_progress", "in_progress")]
    {
        let event = answer.event(kind);
        assert_eq!(event["response"]["status"], status);
        assert_eq!(event["response"]["completed_at"], Value::Null);
        assert_eq!(event["response"]["usage"], Value::Null);
        assert_eq!(event["response"]["created_at"], NOW);
    }
}

#[test]
fn an_incomplete_response_is_not_completed() {
    let given = json!({"id": "resp_1", "incomplete_details": {"reason": "max_output_tokens"}});
    let wire = Backend::new().begun().event("response.incomplete", json!({ "response": given }));
    let event = Host::streaming().run(wire.wire()).event("response.incomplete");
    assert_eq!(
        (&event["response"]["status"], &event["response"]["completed_at"]),
        (&json!("incomplete"), &Value::Null)
    );
}

#[test]
fn functions_have_their_three_keys_whoever_named_them() {
    let tools = json!([{"type": "function", "name": "f"}, {"type": "function", "name": "g", "description": "d",
        "parameters": {}, "strict": true}, {"type": "web_search"}]);
    let filled = json!([{"type": "function", "name": "f", "description": null, "parameters": null, "strict": null},
        {"type": "function", "name": "g", "description": "d", "parameters": {}, "strict": true}, {"type": "web_search"}]);
    assert_eq!(completed(&Host::streaming(), &json!({ "tools": tools }))["tools"], filled);
    assert_eq!(completed(&Host::streaming().asked("tools", &tools), &json!({}))["tools"], filled);
}

#[test]
fn usage_has_its_details() {
    let counts = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3});
    let whole = |input: Value, output: Value| {
        let mut whole = counts.clone();
        whole["input_tokens_details"] = input;
        whole["output_tokens_details"] = output;
        whole
    };
    let table = [
        (counts.clone(), whole(json!({"cached_tokens": 0, "cache_write_tokens": 0}), json!({"reasoning_tokens": 0}))),
        (
            whole(json!({"cached_tokens": 7}), json!({})),
            whole(json!({"cached_tokens": 7, "cache_write_tokens": 0}), json!({"reasoning_tokens": 0})),
        ),
        (whole(Value::Null, Value::Null), whole(Value::Null, Value::Null)),
        (usage(), usage()),
    ];
    for (given, expected) in table {
        assert_eq!(completed(&Host::streaming(), &json!({ "usage": given }))["usage"], expected);
    }
}

#[test]
fn message_and_function_call_items_have_their_keys() {
    let stream = |kind: &str, item: Value| {
        let wire = Backend::new().begun().event(kind, json!({"output_index": 0, "item": item}));
        Host::streaming().run(wire.wire()).event(kind)["item"].clone()
    };
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": ""}, {"type": "refusal", "refusal": "no"}]});
    let filled = |status: &str| {
        json!({"type": "message", "id": "message_0", "status": status, "role": "assistant", "content": [
            {"type": "output_text", "text": "", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]})
    };
    assert_eq!(stream("response.output_item.added", message.clone()), filled("in_progress"));
    assert_eq!(stream("response.output_item.done", message), filled("completed"));
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": ""});
    let filled = |status: &str| json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "", "id": "c", "status": status});
    assert_eq!(stream("response.output_item.added", call.clone()), filled("in_progress"));
    assert_eq!(stream("response.output_item.done", call), filled("completed"));
}

#[test]
fn items_inside_a_response_object_are_filled() {
    let given = json!({"output": [{"type": "reasoning", "summary": []}, {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, 7]});
    let output = completed(&Host::streaming(), &given)["output"].clone();
    assert_eq!(output[0]["id"], "reasoning_0");
    assert_eq!(
        (&output[1]["id"], &output[1]["status"], &output[1]["role"]),
        (&json!("message_1"), &json!("completed"), &json!("assistant"))
    );
    assert_eq!(output[1]["content"][0]["logprobs"], json!([]));
    assert_eq!((&output[2]["id"], &output[2]["status"]), (&json!("c"), &json!("completed")));
    assert_eq!(output[3], 7);
}

#[test]
fn text_events_and_parts_have_their_lists() {
    let place = json!({"item_id": "m", "output_index": 0, "content_index": 0});
    let with = |key: &str, value: Value| {
        let mut members = place.clone();
        members[key] = value;
        members
    };
    let part = json!({"type": "output_text", "text": "a"});
    let stream = Backend::new()
        .begun()
        .event("response.content_part.added", with("part", part.clone()))
        .event("response.output_text.delta", with("delta", json!("a")))
        .event("response.output_text.done", with("text", json!("a")))
        .event("response.content_part.done", with("part", part));
    let answer = Host::streaming().run(stream.wire());
    for kind in ["response.output_text.delta", "response.output_text.done"] {
        assert_eq!(answer.event(kind)["logprobs"], json!([]));
    }
    for kind in ["response.content_part.added", "response.content_part.done"] {
        let filled = json!({"type": "output_text", "text": "a", "annotations": [], "logprobs": []});
        assert_eq!(answer.event(kind)["part"], filled);
    }
}

#[test]
fn finished_arguments_name_their_function() {
    let answer = Host::streaming().run(Backend::new().begun().function_call(0).wire());
    assert_eq!(answer.event("response.function_call_arguments.done")["name"], "look");
    let done = |members: Value| {
        let wire = Backend::new().begun().function_call(2).raw(&format!("data: {members}\n\n"));
        Host::streaming().run(wire.wire()).events().into_iter().rfind(|e| e["arguments"] == "late").unwrap()["name"]
            .clone()
    };
    let kind = "response.function_call_arguments.done";
    assert_eq!(done(json!({"type": kind, "output_index": 2, "arguments": "late"})), "look");
    assert_eq!(done(json!({"type": kind, "item_id": "fc_2", "arguments": "late"})), "look");
    assert_eq!(done(json!({"type": kind, "item_id": "fc_9", "output_index": 9, "arguments": "late"})), "");
    assert_eq!(done(json!({"type": kind, "item_id": "fc_2", "arguments": "late", "name": "theirs"})), "theirs");
}
