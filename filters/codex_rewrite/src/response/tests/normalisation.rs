//! Events that change on their way, and those that are supplied (docs/v1.md, Normalisation).

use serde_json::{Value, json};

use super::support::{Backend, Host, MADE_ID, NOW, message, response, usage};

fn run(stream: &Backend) -> super::support::Answer {
    Host::streaming().run(stream.wire())
}

/// The types after the `response.created`.
fn rest(types: &[String]) -> Vec<&str> {
    assert_eq!(types[0], "response.created");
    types[1..].iter().map(String::as_str).collect()
}

const PREFIX: [&str; 6] = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
];

#[test]
fn response_done_is_renamed() {
    let stream =
        Backend::new().begun().message(0, &["a"]).event("response.done", json!({"response": response("completed")}));
    let answer = run(&stream);
    assert_eq!(answer.types().last().unwrap(), "response.completed");
    assert!(!answer.bytes().contains("response.done"));
}

#[test]
fn a_bare_response_object_is_wrapped_as_completed() {
    for label in ["", "event: response.completed\n", "event: response.done\n"] {
        let stream = Backend::new().begun().raw(&format!("{label}data: {}\n\n", response("completed")));
        let answer = run(&stream);
        let completed = answer.event("response.completed");
        assert_eq!(completed["response"], response("completed"));
        assert_eq!(completed["sequence_number"], 2);
    }
}

#[test]
fn a_bare_response_object_that_failed_is_no_success() {
    let mut failed = response("failed");
    failed["error"] = json!({"code": "invalid_prompt", "message": "their words"});
    let answer = run(&Backend::new().begun().raw(&format!("data: {failed}\n\n")));
    assert_eq!(answer.types().last().unwrap(), "response.failed");
    assert_eq!(answer.event("response.failed")["error"]["code"], "invalid_prompt");
    let answer = run(&Backend::new().begun().raw(&format!("data: {}\n\n", response("incomplete"))));
    assert_eq!(answer.types().last().unwrap(), "response.incomplete");
}

#[test]
fn an_ordinary_incomplete_is_relayed_as_a_success() {
    for details in [json!({"reason": "max_output_tokens"}), json!({"reason": "content_filter"}), Value::Null] {
        let mut incomplete = response("incomplete");
        incomplete["incomplete_details"] = details.clone();
        let stream =
            Backend::new().begun().message(0, &["a"]).event("response.incomplete", json!({"response": incomplete}));
        let event = run(&stream).event("response.incomplete");
        assert_eq!(event["response"]["incomplete_details"], details);
        assert!(event.get("error").is_none());
    }
}

#[test]
fn null_errors_are_preserved() {
    let stream = Backend::new().begun().event("response.reasoning_text.delta", json!({"delta": "a", "error": null}));
    let event = run(&stream).event("response.reasoning_text.delta");
    assert_eq!(event.get("error"), Some(&Value::Null));
}

#[test]
fn unknown_members_pass() {
    let mut completed = response("completed");
    completed["end_turn"] = json!(true);
    let stream = Backend::new()
        .begun()
        .event("response.reasoning_text.delta", json!({"delta": "a", "obfuscation": "xyz"}))
        .event("response.completed", json!({"response": completed, "trace": [1]}));
    let answer = run(&stream);
    assert_eq!(answer.event("response.reasoning_text.delta")["obfuscation"], "xyz");
    assert_eq!(answer.event("response.completed")["trace"], json!([1]));
    assert_eq!(answer.event("response.completed")["response"]["end_turn"], true);
}

#[test]
fn items_without_an_id_get_one() {
    let item = |index: u64, item: Value, more: Value| {
        let mut members = json!({"output_index": index, "item": item});
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    let table = [
        (json!({"id": "x_1", "type": "reasoning"}), json!({"item_id": "other"}), "x_1"),
        (json!({"type": "function_call", "call_id": "call_9"}), json!({"item_id": "other"}), "call_9"),
        (json!({"type": "reasoning", "item_id": "rs_7"}), json!({"item_id": "other"}), "rs_7"),
        (json!({"type": "reasoning"}), json!({"item_id": "rs_8"}), "rs_8"),
        (json!({"type": "web_search_call"}), json!({}), "web_search_call_3"),
        (json!({"type": "reasoning", "id": " "}), json!({}), "reasoning_3"),
        (json!({"type": "reasoning", "id": null}), json!({}), "reasoning_3"),
        (json!({}), json!({}), "item_3"),
    ];
    for (given, more, id) in table {
        for kind in ["response.output_item.added", "response.output_item.done"] {
            let stream = Backend::new().begun().event(kind, item(3, given.clone(), more.clone()));
            assert_eq!(run(&stream).event(kind)["item"]["id"], id, "{given}");
        }
    }
}

#[test]
fn a_custom_tool_call_gets_its_namespace_back() {
    let mut host = Host::streaming();
    host.echo.namespaces.insert("apply_patch".into(), "edit".into());
    let call =
        |name: &str| json!({"id": "ctc_1", "type": "custom_tool_call", "call_id": "c", "name": name, "input": "x"});
    let mut own = call("apply_patch");
    own["namespace"] = json!("theirs");
    let stream = Backend::new()
        .begun()
        .event("response.output_item.added", json!({"output_index": 0, "item": call("apply_patch")}))
        .completed(json!([call("apply_patch"), call("other"), own]));
    let answer = host.run(stream.wire());
    assert_eq!(answer.event("response.output_item.added")["item"]["namespace"], "edit");
    let output = &answer.event("response.completed")["response"]["output"];
    assert_eq!(output[0]["namespace"], "edit");
    assert_eq!(output[1].get("namespace"), None);
    assert_eq!(output[2]["namespace"], "theirs");
}

#[test]
fn every_response_object_names_the_model_that_was_asked_for() {
    let mut host = Host::streaming();
    host.echo.model = "my \"model\"".into();
    let stream = Backend::new()
        .begun()
        .message(0, &["a"])
        .event("response.some_new.event", json!({"response": {"model": "gpt-5.5-2026"}}))
        .completed(json!([]));
    let answer = host.run(stream.wire());
    let models: Vec<Value> =
        answer.events().iter().filter_map(|event| event.get("response")).map(|r| r["model"].clone()).collect();
    assert_eq!(models, vec![json!("my \"model\""); 4]);
}

#[test]
fn a_stream_that_begins_later_gets_its_beginning() {
    let lifecycle = json!({"response": {"id": "resp_7", "created_at": 5, "model": "x"}});
    let stream = Backend::new().event("response.in_progress", lifecycle).completed(json!([]));
    let answer = run(&stream);
    assert_eq!(answer.types(), ["response.created", "response.in_progress", "response.completed"]);
    let created = answer.event("response.created");
    assert_eq!(created["response"]["id"], "resp_7");
    assert_eq!(created["response"]["created_at"], 5);
    assert_eq!(created["response"]["status"], "in_progress");
    assert_eq!(created["response"]["model"], "gpt-5.5");
    assert_eq!(created["response"]["usage"], Value::Null);
    assert_eq!(created["response"]["output"], json!([]));
    assert_eq!(created["sequence_number"], 0);
}

#[test]
fn a_beginning_that_names_nothing_gets_a_made_id() {
    let answer = run(&Backend::new().message(0, &["a"]).event("response.completed", json!({"response": {}})));
    let created = answer.event("response.created");
    assert_eq!(created["response"]["id"], MADE_ID);
    assert_eq!(created["response"]["created_at"], NOW);
    let completed = answer.event("response.completed");
    assert_eq!(completed["response"]["id"], MADE_ID);
    assert_eq!(completed["response"]["created_at"], NOW);
}

#[test]
fn a_terminal_alone_gets_the_whole_prefix() {
    let text = "He said \"\u{e9}\u{1f600}\"\n";
    let answer = run(&Backend::new().completed(json!([message(0, text)])));
    let types = answer.types();
    assert_eq!(rest(&types)[..6], PREFIX);
    assert_eq!(rest(&types)[6..], ["response.completed"]);
    let events = answer.events();
    for event in &events[2..6] {
        assert_eq!(
            (&event["item_id"], &event["output_index"], &event["content_index"]),
            (&json!("msg_0"), &json!(0), &json!(0))
        );
    }
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let begun = json!({"id": "msg_0", "type": "message", "status": "in_progress", "role": "assistant", "content": []});
    assert_eq!((&events[1]["output_index"], &events[1]["item"]), (&json!(0), &begun));
    assert_eq!(events[2]["part"], part(""));
    assert_eq!((&events[3]["delta"], &events[3]["logprobs"]), (&json!(text), &json!([])));
    assert_eq!((&events[4]["text"], &events[4]["logprobs"]), (&json!(text), &json!([])));
    assert_eq!(events[5]["part"], part(text));
    assert_eq!((&events[6]["output_index"], &events[6]["item"]), (&json!(0), &message(0, text)));
    assert_eq!(events[7]["response"]["output"], json!([message(0, text)]));
}

#[test]
fn the_prefix_has_ids_and_keys_that_the_final_item_lacks() {
    let bare = json!({"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]});
    let answer = run(&Backend::new().begun().completed(json!([bare])));
    let events = answer.events();
    let done = events.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
    assert_eq!(done["item"], answer.event("response.completed")["response"]["output"][0]);
    assert_eq!((&done["item"]["id"], &done["item"]["role"]), (&json!("message_0"), &json!("assistant")));
    let deltas: Vec<_> = events.iter().filter(|event| event["type"] == "response.output_text.delta").collect();
    assert_eq!(deltas.iter().map(|delta| delta["item_id"].as_str().unwrap()).collect::<Vec<_>>(), ["message_0"; 2]);
    assert_eq!((&deltas[0]["content_index"], &deltas[1]["content_index"]), (&json!(0), &json!(1)));
}

#[test]
fn items_before_a_supplied_message_are_announced_too() {
    let reasoning = json!({"id": "rs_0", "type": "reasoning", "summary": []});
    let call = json!({"id": "fc_2", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"});
    let answer = run(&Backend::new().completed(json!([reasoning, message(1, "a"), call])));
    let types = answer.types();
    assert_eq!(rest(&types)[..2], ["response.output_item.added", "response.output_item.done"]);
    assert_eq!(rest(&types)[2..8], PREFIX);
    assert_eq!(rest(&types)[8..], ["response.completed"]);
    let answer = run(&Backend::new().reasoning(0).completed(json!([reasoning, message(1, "a")])));
    assert_eq!(answer.types().iter().filter(|kind| *kind == "response.output_item.added").count(), 2);
}

#[test]
fn a_finished_message_without_deltas_gets_them_before_its_end() {
    let stream = Backend::new()
        .begun()
        .event("response.output_item.done", json!({"output_index": 0, "item": message(0, "Hello")}))
        .completed(json!([message(0, "Hello")]));
    let types = run(&stream).types();
    assert_eq!(rest(&types)[1..7], PREFIX);
    assert_eq!(rest(&types)[7..], ["response.completed"]);
}

#[test]
fn what_was_announced_already_is_not_announced_again() {
    let begun = json!({"id": "msg_0", "type": "message", "status": "in_progress", "role": "assistant", "content": []});
    let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
    let place = json!({"item_id": "msg_0", "output_index": 0, "content_index": 0, "part": part});
    let stream = Backend::new()
        .begun()
        .event("response.output_item.added", json!({"output_index": 0, "item": begun}))
        .event("response.content_part.added", place)
        .event("response.output_item.done", json!({"output_index": 0, "item": message(0, "Hello")}))
        .completed(json!([message(0, "Hello")]));
    let types = run(&stream).types();
    assert_eq!(rest(&types)[1..7], PREFIX);
    assert_eq!(rest(&types)[7..], ["response.completed"]);
}

#[test]
fn nothing_is_supplied_when_the_text_was_streamed_or_there_is_none() {
    let call = json!({"id": "fc_0", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"});
    for stream in [
        Backend::new().begun().message(0, &["a"]).completed(json!([message(0, "a")])),
        Backend::new().begun().completed(json!([])),
        Backend::new().begun().completed(json!([call])),
        Backend::new().begun().completed(json!([message(0, "")])),
    ] {
        let backend = stream.wire().matches("event: ").count();
        assert_eq!(run(&stream).events().len(), backend);
    }
}

#[test]
fn a_terminal_without_output_gets_the_finished_items_in_order() {
    for output in [json!([]), Value::Null] {
        let stream = Backend::new().begun().message(1, &["b"]).reasoning(0).completed(output);
        let answer = run(&stream);
        let output = &answer.event("response.completed")["response"]["output"];
        assert_eq!((&output[0]["id"], &output[1]), (&json!("rs_0"), &message(1, "b")));
        assert_eq!(answer.types().iter().filter(|kind| *kind == "response.output_text.delta").count(), 1);
    }
}

#[test]
fn a_terminal_without_a_response_object_gets_one() {
    let stream = Backend::new().begun().message(0, &["a"]).event("response.completed", json!({"response": null}));
    let completed = run(&stream).event("response.completed");
    assert_eq!(
        (&completed["response"]["id"], &completed["response"]["status"]),
        (&json!("resp_1"), &json!("completed"))
    );
    assert_eq!(completed["response"]["output"], json!([message(0, "a")]));
}

#[test]
fn a_plain_json_answer_becomes_a_stream_for_a_streaming_client() {
    let mut body = response("completed");
    body["output"] = json!([message(0, "Hello")]);
    body["usage"] = usage();
    let frame = pooler_filter::Frame::json(body.to_string());
    let answer = Host::streaming().plain_json().run_frames(vec![frame], pooler_filter::End::Complete);
    assert_eq!(rest(&answer.types())[..6], PREFIX);
    assert_eq!(answer.event("response.completed")["response"], body);
    let frame = pooler_filter::Frame::json("<html>");
    let answer = Host::streaming().plain_json().run_frames(vec![frame], pooler_filter::End::Complete);
    assert_eq!(answer.types(), ["response.failed"]);
    assert_eq!(answer.event("response.failed")["error"]["code"], "invalid_upstream_response");
}

#[test]
fn text_that_was_streamed_without_its_place_is_not_supplied_again() {
    let stream = Backend::new()
        .begun()
        .event("response.output_text.delta", json!({"delta": "Hello"}))
        .event("response.output_item.done", json!({"output_index": 0, "item": message(0, "Hello")}))
        .completed(json!([message(0, "Hello")]));
    let types = run(&stream).types();
    let told = ["response.output_text.delta", "response.output_item.added", "response.output_item.done"];
    assert_eq!(rest(&types)[1..4], told);
    assert_eq!(types.len(), 6);
}

/// `[output_item.done, completed]` is a whole stream, and clients look an item up among those announced.
#[test]
fn an_item_that_was_not_announced_is_announced_before_it_is_done() {
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"});
    let stream = Backend::new()
        .begun()
        .event("response.output_item.done", json!({"output_index": 0, "item": call}))
        .completed(json!([call]));
    let answer = run(&stream);
    assert_eq!(rest(&answer.types())[1..3], ["response.output_item.added", "response.output_item.done"]);
    assert_eq!(answer.event("response.output_item.added")["item"], call);
}

#[test]
fn a_stream_tells_of_one_response_also_when_its_first_id_was_made_up() {
    let stream = Backend::new()
        .event("response.output_item.added", json!({"output_index": 0, "item": message(0, "")}))
        .event("response.completed", json!({"response": response("completed")}));
    let answer = run(&stream);
    let made_up = &answer.event("response.created")["response"]["id"];
    assert_eq!(&answer.event("response.completed")["response"]["id"], made_up);
}
