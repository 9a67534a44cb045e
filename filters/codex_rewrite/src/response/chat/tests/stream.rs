//! Chunks of a chat, row by row (docs/v1.md, Chat completions, Stream).

use pooler_filter::{End, Frame};
use serde_json::{Value, json};

use super::support::{
    Backend, Chat, MADE_ID, NOW, chat, custom, function, message, response, streaming, usage, with_usage,
};

fn added(index: u64, item: &Value) -> Value {
    json!({"output_index": index, "item": item})
}

#[test]
fn the_head_is_that_of_a_stream_and_has_nothing_of_the_backend() {
    let head = streaming().head();
    assert_eq!(head.status, 200);
    assert_eq!(head.headers["content-type"], "text/event-stream");
    assert_eq!(head.headers["cache-control"], "no-cache");
    assert_eq!(head.headers.len(), 2);
}

#[test]
fn text_comes_as_role_content_reason_and_done() {
    let stream = Backend::new().begun().message(0, &["Hel", "lo"]).completed(json!([message(0, "Hello")]));
    let chat = chat(&stream);
    assert_eq!(chat.deltas(), [json!({"content": "Hel"}), json!({"content": "lo"})]);
    assert_eq!((chat.finish_reason(), chat.done), ("stop", true));
    let last = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_794_000_000, "model": "gpt-5.5",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "service_tier": "default"});
    assert_eq!(chat.chunks.last(), Some(&last));
}

#[test]
fn the_role_comes_with_the_first_sign_of_a_response() {
    let created = Backend::new().event("response.created", json!({"response": response("in_progress")}));
    let answer = streaming().run_cut(created.wire());
    assert_eq!(answer.frames.len(), 2, "the role and the cut");
    let firsts = [
        Backend::new().message(0, &["a"]).completed(json!([])),
        Backend::new().function_call(0).completed(json!([])),
        Backend::new().completed(json!([])),
        Backend::new().event("response.output_item.done", added(0, &custom(0, "x"))).completed(json!([])),
    ];
    for stream in firsts {
        let chat = chat(&stream);
        assert!(chat.done && chat.chunks.len() >= 2);
    }
}

#[test]
fn text_and_arguments_are_taken_over_as_they_are_written() {
    let raw = r#"{"type":"response.output_text.delta","output_index":0,"delta":"\u00e9\/\ud83d\ude00 \"x\" ö"}"#;
    let stream = Backend::new().begun().raw(&format!("data: {raw}\n\n")).completed(json!([]));
    let wire = streaming().run(stream.wire()).bytes();
    assert!(wire.contains(r#""delta":{"content":"\u00e9\/\ud83d\ude00 \"x\" ö"},"#), "{wire}");
}

#[test]
fn the_id_is_that_of_the_response_and_stays() {
    let table = [
        (json!({"id": "resp_ab-c_1"}), "chatcmpl-ab-c_1"),
        (json!({"id": "other_1"}), "chatcmpl-other_1"),
        (json!({"id": "resp_"}), MADE_ID),
        (json!({"id": "resp_a b"}), MADE_ID),
        (json!({"id": "x".repeat(129)}), MADE_ID),
        (json!({"id": 7}), MADE_ID),
        (json!({}), MADE_ID),
    ];
    for (object, id) in table {
        let stream = Backend::new()
            .event("response.created", json!({"response": object}))
            .event("response.completed", json!({"response": {"id": "resp_later", "created_at": 9}}));
        let chat = chat(&stream);
        assert_eq!((&chat.chunks[1]["id"], &chat.chunks[1]["created"]), (&json!(id), &json!(NOW)));
    }
    let text_first = Backend::new().event("response.output_text.delta", json!({"delta": "a"})).completed(json!([]));
    assert_eq!(chat(&text_first).chunks[0]["id"], MADE_ID);
}

#[test]
fn the_tier_is_told_when_the_backend_tells_it() {
    let tier = |value: Value| json!({"response": {"id": "resp_1", "service_tier": value}});
    let stream =
        Backend::new().event("response.created", tier(json!("auto"))).event("response.completed", tier("flex".into()));
    let told = chat(&stream);
    assert_eq!((&told.chunks[0]["service_tier"], &told.chunks[1]["service_tier"]), (&json!("auto"), &json!("flex")));
    let stream =
        Backend::new().event("response.created", tier(Value::Null)).event("response.completed", tier(json!(7)));
    assert!(chat(&stream).chunks.iter().all(|chunk| chunk.get("service_tier").is_none()));
}

#[test]
fn calls_get_dense_indexes_and_their_pieces_find_them() {
    let delta =
        |index: u64, text: &str| json!({"item_id": format!("fc_{index}"), "output_index": index, "delta": text});
    let stream = Backend::new()
        .begun()
        .reasoning(0)
        .event("response.output_item.added", added(1, &function(1, "in_progress", "")))
        .event("response.output_item.added", added(3, &function(3, "in_progress", "")))
        .event("response.function_call_arguments.delta", delta(3, "{\"b\":"))
        .event("response.function_call_arguments.delta", delta(1, "{}"))
        .event("response.function_call_arguments.delta", json!({"item_id": "fc_3", "delta": "2}"}))
        .event("response.function_call_arguments.delta", json!({"item_id": "fc_9", "output_index": 9, "delta": "?"}))
        .event("response.output_item.done", added(1, &function(1, "completed", "{}")))
        .event("response.output_item.done", added(3, &function(3, "completed", "{\"b\":2}")))
        .completed(json!([function(1, "completed", "{}"), function(3, "completed", "{\"b\":2}")]));
    let chat = chat(&stream);
    let expected = [
        json!({"tool_calls": [{"index": 0, "id": "call_1x", "type": "function", "function": {"name": "tool_1", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 1, "id": "call_3x", "type": "function", "function": {"name": "tool_3", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 1, "function": {"arguments": "{\"b\":"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        json!({"tool_calls": [{"index": 1, "function": {"arguments": "2}"}}]}),
    ];
    assert_eq!(chat.deltas(), expected);
    assert_eq!(chat.finish_reason(), "tool_calls");
}

#[test]
fn a_custom_tool_is_called_with_its_input() {
    let piece = |text: &str| json!({"item_id": "ctc_0", "output_index": 0, "delta": text});
    let stream = Backend::new()
        .begun()
        .event("response.output_item.added", added(0, &custom(0, "")))
        .event("response.custom_tool_call_input.delta", piece("a"))
        .event("response.custom_tool_call_input.delta", piece("b"))
        .event("response.custom_tool_call_input.done", json!({"item_id": "ctc_0", "output_index": 0, "input": "ab"}))
        .event("response.output_item.done", added(0, &custom(0, "ab")))
        .completed(json!([custom(0, "ab")]));
    let expected = [
        json!({"tool_calls": [{"index": 0, "id": "call_0x", "type": "custom", "custom": {"name": "tool_0", "input": ""}}]}),
        json!({"tool_calls": [{"index": 0, "custom": {"input": "a"}}]}),
        json!({"tool_calls": [{"index": 0, "custom": {"input": "b"}}]}),
    ];
    assert_eq!(chat(&stream).deltas(), expected);
}

#[test]
fn a_call_is_told_once_whichever_events_tell_it() {
    let item = || function(0, "completed", "{\"a\":1}");
    let begun = || added(0, &function(0, "in_progress", ""));
    let done = |key: &str| json!({"item_id": "fc_0", "output_index": 0, key: "{\"a\":1}"});
    let (on_added, on_item) = ("response.output_item.added", "response.output_item.done");
    let (on_delta, on_done) = ("response.function_call_arguments.delta", "response.function_call_arguments.done");
    let table = [
        Backend::new().event(on_item, added(0, &item())).completed(json!([item()])),
        Backend::new().event(on_added, begun()).event(on_item, added(0, &item())).completed(json!([])),
        Backend::new().event(on_added, begun()).event(on_done, done("arguments")).event(on_item, added(0, &item())),
        Backend::new().event(on_added, begun()).event(on_done, done("arguments")),
        Backend::new().event(on_delta, done("delta")).event(on_item, added(0, &item())),
        Backend::new().event(on_added, added(0, &item())).event(on_item, added(0, &item())),
        Backend::new().event(on_added, begun()).completed(json!([{"type": "reasoning"}, item()])),
        Backend::new().event(on_item, json!({"item": item()})).completed(json!([item()])),
        Backend::new().completed(json!([item()])),
        Backend::new().function_call(0).event(on_item, added(0, &item())),
    ];
    for (row, stream) in table.into_iter().enumerate() {
        let chat = chat(&stream.completed(json!([])));
        let calls = chat.message()["tool_calls"].clone();
        let given: Vec<&Value> = calls.as_array().unwrap().iter().map(|call| &call["function"]["arguments"]).collect();
        let expected = if row == 9 { vec!["{\"a\":1}"; 2] } else { vec!["{\"a\":1}"] };
        assert_eq!(given, expected, "row {row}");
        assert_eq!(chat.finish_reason(), "tool_calls");
    }
}

#[test]
fn a_call_without_an_id_gets_one() {
    let table = [
        (json!({"call_id": "c", "id": "i"}), "c"),
        (json!({"call_id": "", "id": "i"}), "i"),
        (json!({"item_id": "it"}), "it"),
        (json!({}), "call_0"),
    ];
    for (ids, expected) in table {
        let mut item = json!({"type": "function_call", "name": "f", "arguments": {"a": 1}});
        item.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        let stream = Backend::new().event("response.output_item.done", added(0, &item)).completed(json!([item]));
        let calls = chat(&stream).message()["tool_calls"].clone();
        let function = json!({"name": "f", "arguments": "{\"a\":1}"});
        assert_eq!(calls, json!([{"index": 0, "id": expected, "type": "function", "function": function}]));
    }
}

#[test]
fn text_is_told_once_whichever_events_tell_it() {
    let place = |more: Value| {
        let mut members = json!({"item_id": "msg_0", "output_index": 0, "content_index": 0});
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    let part = json!({"type": "output_text", "text": "ab"});
    let (on_delta, on_done) = ("response.output_text.delta", "response.output_text.done");
    let (on_part, on_item) = ("response.content_part.done", "response.output_item.done");
    let item = || message(0, "ab");
    let table = [
        Backend::new().message(0, &["a", "b"]).completed(json!([item()])),
        Backend::new().event(on_done, place(json!({"text": "ab"}))).event(on_item, added(0, &item())),
        Backend::new().event(on_part, place(json!({ "part": part }))).event(on_item, added(0, &item())),
        Backend::new().event(on_item, added(0, &item())).completed(json!([item()])),
        Backend::new().completed(json!([item()])),
        Backend::new().event(on_delta, json!({"delta": "ab"})).event(on_done, place(json!({"text": "ab"}))),
        Backend::new().event(on_delta, json!({"delta": "ab"})).event(on_item, added(0, &item())),
        Backend::new().event(on_delta, place(json!({"delta": "ab"}))).event(on_item, json!({"item": item()})),
        Backend::new().event(on_done, json!({"text": "ab"})).event(on_item, json!({"item": item()})),
        Backend::new().event(on_delta, place(json!({"delta": ""}))).event(on_done, place(json!({"text": "ab"}))),
    ];
    for (row, stream) in table.into_iter().enumerate() {
        let chat = chat(&stream.completed(json!([item()])));
        assert_eq!(chat.message()["content"], "ab", "row {row}");
    }
}

#[test]
fn several_messages_and_parts_are_told_in_their_order() {
    let two = json!([{"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "c"}, {"type": "output_text", "text": "d"}]);
    let item = json!({"type": "message", "content": two});
    let unplaced = Backend::new()
        .event("response.output_item.done", json!({"item": message(0, "a")}))
        .event("response.output_item.done", json!({"item": item}))
        .completed(json!([]));
    let placed = Backend::new()
        .message(0, &["a"])
        .event("response.output_text.delta", json!({"output_index": 1, "content_index": 0, "delta": "b"}))
        .event("response.output_item.done", added(1, &item))
        .completed(json!([]));
    let terminal = Backend::new().completed(json!([{"type": "reasoning"}, message(1, "a"), item]));
    for stream in [unplaced, placed, terminal] {
        let deltas = chat(&stream).deltas();
        let expected =
            [json!({"content": "a"}), json!({"content": "b"}), json!({"refusal": "c"}), json!({"content": "d"})];
        assert_eq!(deltas, expected);
    }
}

#[test]
fn a_refusal_is_told_in_its_pieces_or_as_a_whole() {
    let place = |key: &str, text: &str| json!({"item_id": "msg_0", "output_index": 0, "content_index": 0, key: text});
    let pieces = Backend::new()
        .begun()
        .event("response.refusal.delta", place("delta", "N"))
        .event("response.refusal.delta", place("delta", "o"))
        .event("response.refusal.done", place("refusal", "No"));
    let whole = Backend::new().begun().event("response.refusal.done", place("refusal", "No"));
    for (stream, count) in [(pieces, 2), (whole, 1)] {
        let chat = chat(&stream.completed(json!([])));
        assert_eq!((&chat.message()["refusal"], chat.deltas().len()), (&json!("No"), count));
        assert_eq!(chat.finish_reason(), "stop");
    }
}

#[test]
fn what_has_no_form_in_a_chat_is_dropped() {
    let stream = Backend::new()
        .event("codex.rate_limits", json!({"plan_type": "pro"}))
        .begun()
        .reasoning(0)
        .event("response.moderation.started", json!({}))
        .event("response.metadata", json!({"headers": {}}))
        .event("response.output_item.added", added(1, &json!({"id": "ws_1", "type": "web_search_call"})))
        .event("response.web_search_call.completed", json!({"item_id": "ws_1", "output_index": 1}))
        .event("response.output_item.done", added(1, &json!({"id": "ws_1", "type": "web_search_call"})))
        .event("response.image_generation_call.partial_image", json!({"partial_image_b64": "AA"}))
        .raw(": comment\n\ndata: nonsense\n\ndata: [DONE]\n\nevent: other\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n")
        .completed(json!([]));
    let chat = chat(&stream);
    assert_eq!((chat.deltas().len(), chat.finish_reason()), (0, "stop"));
}

#[test]
fn the_reason_tells_how_the_answer_ended() {
    let incomplete = |details: Value| ("response.incomplete", json!({"id": "resp_1", "incomplete_details": details}));
    let table = [
        (("response.completed", json!({})), "stop", "tool_calls"),
        (("response.done", json!({})), "stop", "tool_calls"),
        (("response.completed", json!({"status": "incomplete"})), "length", "length"),
        (incomplete(json!({"reason": "max_output_tokens"})), "length", "length"),
        (incomplete(Value::Null), "length", "length"),
        (incomplete(json!({"reason": "content_filter"})), "content_filter", "content_filter"),
        (incomplete(json!({"reason": "content-filter"})), "content_filter", "content_filter"),
    ];
    for ((kind, response), alone, with_call) in table {
        let end = json!({ "response": response });
        assert_eq!(chat(&Backend::new().event(kind, end.clone())).finish_reason(), alone);
        assert_eq!(chat(&Backend::new().function_call(0).event(kind, end)).finish_reason(), with_call);
    }
}

#[test]
fn usage_comes_in_a_chunk_of_its_own_when_it_is_wanted() {
    let stream = Backend::new().begun().message(0, &["a"]).completed(json!([]));
    let with = Chat::of(&with_usage().run(stream.wire()));
    let last = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_794_000_000, "model": "gpt-5.5",
        "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 1}},
        "service_tier": "default"});
    assert_eq!((with.chunks.last(), with.done), (Some(&last), true));
    let without = chat(&stream);
    assert_eq!(without.chunks.len() + 1, with.chunks.len());
    assert!(without.chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn usage_that_nobody_told_is_left_out() {
    let end = |usage: Value| json!({"response": {"id": "resp_1", "usage": usage}});
    for unknown in [Value::Null, json!({}), json!({"input_tokens": 3}), json!({"input_tokens": -1, "output_tokens": 1})]
    {
        let chat = Chat::of(&with_usage().run(Backend::new().event("response.completed", end(unknown)).wire()));
        assert!(chat.done && chat.chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    }
    let bare = end(json!({"input_tokens": 3, "output_tokens": 4}));
    let chat = Chat::of(&with_usage().run(Backend::new().event("response.completed", bare).wire()));
    assert_eq!(chat.chunks[2]["usage"]["total_tokens"], 7);
    assert_eq!(chat.chunks[2]["usage"]["prompt_tokens_details"], json!({"cached_tokens": 0}));
}

#[test]
fn nothing_counts_after_the_end() {
    let stream = Backend::new().begun().completed(json!([])).message(0, &["x"]).completed(json!([]));
    assert_eq!(chat(&stream).deltas().len(), 0);
    let answer = streaming().run_cut(Backend::new().begun().completed(json!([])).wire());
    assert!(Chat::of(&answer).done);
}

#[test]
fn plain_json_of_the_backend_is_told_as_chunks() {
    let mut whole = response("completed");
    whole["output"] = json!([message(0, "Hello"), function(1, "completed", "{}")]);
    whole["usage"] = usage();
    let frames = vec![Frame::json(whole.to_string())];
    let chat = Chat::of(&with_usage().plain_json().run_frames(frames, End::Complete));
    assert_eq!(chat.message()["content"], "Hello");
    assert_eq!(chat.message()["tool_calls"][0]["id"], "call_1x");
    assert_eq!((chat.finish_reason(), chat.done, chat.chunks.len()), ("tool_calls", true, 5));
}
