//! Lines 25 to 29: chat completions.

use codex_pooler::simulator::{Fault, Who};
use serde_json::{Value, json};

use super::{
    WORDS, ask, assembled, chat, chat_function, chat_is_refused, chunks, delta, failed, keys, last_sent, message, one,
    say, scripted, sent, told_by,
};

const DETAILS: [&str; 5] =
    ["completion_tokens", "completion_tokens_details", "prompt_tokens", "prompt_tokens_details", "total_tokens"];

fn finish(chunk: &Value) -> Option<&str> {
    chunk["choices"][0]["finish_reason"].as_str()
}

#[tokio::test]
async fn line_25_a_chat_stream_has_its_chunks_in_order() {
    let gateway = one().await;
    let options = json!({"stream": true, "stream_options": {"include_usage": true}, "reasoning_effort": "high"});
    let answer = chat(&gateway.client, &say(options)).await;
    let (all, done) = chunks(&answer);
    assert!(done && answer.header("cache-control") == Some("no-cache"));
    let id = all[0]["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-") && !id.contains("resp_"), "{id}");
    for chunk in &all {
        let same = (&chunk["id"], &chunk["object"], &chunk["model"], &chunk["created"]);
        assert_eq!(same, (&json!(id), &json!("chat.completion.chunk"), &json!("gpt-5.5"), &all[0]["created"]));
    }
    let [first, middle @ .., end, usage] = &all[..] else { panic!("{}", answer.text()) };
    assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert!(middle.len() > 1);
    for chunk in middle {
        assert_eq!((keys(&chunk["choices"][0]["delta"]), finish(chunk)), (vec!["content"], None), "{chunk}");
    }
    assert_eq!((&end["choices"][0]["delta"], finish(end)), (&json!({}), Some("stop")));
    assert_eq!((&usage["choices"], keys(&usage["usage"])), (&json!([]), DETAILS.to_vec()));
    let reasoning = usage["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(reasoning > 0 && usage["usage"]["prompt_tokens_details"]["cached_tokens"].is_u64());

    let whole = chat(&gateway.client, &say(json!({"reasoning_effort": "high"}))).await.json();
    assert_eq!(keys(&whole["usage"]), DETAILS);
    assert_eq!(whole["choices"][0]["message"]["content"], assembled(&all)["content"]);
    let (quiet, done) = chunks(&chat(&gateway.client, &say(json!({"stream": true}))).await);
    assert!(done && quiet.iter().all(|chunk| chunk.get("usage").is_none()), "usage is told when it is asked for");
}

#[tokio::test]
async fn line_26_tool_calls_of_a_chat_are_counted_from_0_and_end_with_tool_calls() {
    let gateway = one().await;
    let body = |stream: bool| {
        let messages = json!([{"role": "user", "content": "call them parallel"}]);
        say(
            json!({"messages": messages, "tools": [chat_function("one"), chat_function("two")], "reasoning_effort": "high",
            "tool_choice": "required", "stream": stream}),
        )
    };
    let whole = chat(&gateway.client, &body(false)).await.json();
    let choice = &whole["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    assert_eq!((&choice["logprobs"], &choice["message"]["refusal"]), (&Value::Null, &Value::Null));
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let indexes: Vec<&Value> = calls.iter().map(|call| &call["index"]).collect();
    assert_eq!(indexes, [0, 1], "although reasoning came first");

    let (all, done) = chunks(&chat(&gateway.client, &body(true)).await);
    assert!(done);
    assert_eq!(all[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}), "before the calls too");
    assert_eq!(finish(all.last().unwrap()), Some("tool_calls"));
    let streamed = assembled(&all);
    assert_eq!(streamed["tool_calls"].as_array().unwrap().len(), 2);
    for (streamed, whole) in streamed["tool_calls"].as_array().unwrap().iter().zip(calls) {
        assert_eq!((&streamed["index"], &streamed["type"]), (&whole["index"], &json!("function")));
        assert_eq!(streamed["function"], whole["function"]);
    }
}

#[tokio::test]
async fn line_27_a_chat_that_fails_after_its_first_chunk_ends_with_one_error() {
    let gateway = one().await;
    let cut = "The answer of the provider ended before it was complete.";
    for (fault, code, kind, message) in [
        (failed("context_length_exceeded", 6), "context_length_exceeded", "invalid_request_error", None),
        (failed("rate_limit_exceeded", 6), "rate_limit_exceeded", "rate_limit_error", None),
        (Fault::Cut { after_events: 6 }, "server_error", "server_error", Some(cut)),
        (Fault::NoTerminal, "server_error", "server_error", Some(cut)),
    ] {
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, fault.clone());
        let answer = chat(&gateway.client, &say(json!({"stream": true}))).await;
        let (all, done) = chunks(&answer);
        let error = &all.last().unwrap()["error"];
        assert_eq!((answer.status, done, keys(all.last().unwrap())), (200, false, vec!["error"]), "{fault:?}");
        assert_eq!((keys(error), &error["param"]), (vec!["code", "message", "param", "type"], &Value::Null));
        assert_eq!((&error["code"], &error["type"]), (&json!(code), &json!(kind)));
        assert!(message.is_none_or(|message| error["message"] == message) && !answer.text().contains(WORDS));
        assert!(all.iter().all(|chunk| finish(chunk).is_none()), "a cut stream is never a success");
    }
}

#[tokio::test]
async fn line_28_what_asks_for_nothing_is_accepted_and_what_asks_for_something_is_refused() {
    let gateway = one().await;
    assert_eq!(chat(&gateway.client, &say(json!({}))).await.status, 200);
    let plain = last_sent(&gateway);
    for members in [
        json!({"n": 1, "stop": null, "seed": 7, "user": "u", "logprobs": false, "frequency_penalty": 0, "presence_penalty": 0.0}),
        json!({"stop": [], "logit_bias": {}, "top_logprobs": 0, "modalities": ["text"], "audio": null, "prediction": null}),
    ] {
        let answer = chat(&gateway.client, &say(members)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(last_sent(&gateway), plain);
    }
    for (members, param) in [
        (json!({"n": 2}), "n"),
        (json!({"stop": ["x"]}), "stop"),
        (json!({"frequency_penalty": 0.5}), "frequency_penalty"),
        (json!({"presence_penalty": -1}), "presence_penalty"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"nonsense": 1}), "nonsense"),
    ] {
        chat_is_refused(&gateway, members, "unsupported_parameter", param).await;
    }
    let legacy = json!({"functions": [{"name": "f", "parameters": {}}]});
    chat_is_refused(&gateway, legacy, "invalid_request", "functions").await;
    chat_is_refused(&gateway, json!({"function_call": "auto"}), "invalid_request", "function_call").await;
}

#[tokio::test]
async fn line_29_a_chat_without_messages_may_have_an_input() {
    let gateway = one().await;
    let direct = sent(&gateway, ask(json!({}))).await;
    for messages in [json!([]), json!(null)] {
        let body = ask(json!({"messages": messages}));
        let answer = chat(&gateway.client, &body).await;
        assert_eq!((answer.status, &answer.json()["object"]), (200, &json!("chat.completion")), "{}", answer.text());
        assert_eq!(last_sent(&gateway), direct);
    }
    chat_is_refused(&gateway, json!({"messages": []}), "invalid_request", "messages").await;
    chat_is_refused(&gateway, json!({"messages": null}), "invalid_request", "messages").await;
}

/// T4 and T10 say what a failure is: an ordinary end is none, whatever the upstream left out.
#[tokio::test]
async fn line_25_a_last_event_alone_is_a_whole_chat() {
    let gateway = one().await;
    scripted(&gateway, &told_by(&json!([message("all at once")]), &[])[1..]);
    let (all, done) = chunks(&chat(&gateway.client, &say(json!({"stream": true}))).await);
    assert!(done);
    assert_eq!(assembled(&all), json!({"role": "assistant", "content": "all at once"}));
    scripted(&gateway, &told_by(&json!([]), &[delta("only "), delta("deltas")]));
    let answer = chat(&gateway.client, &say(json!({}))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "only deltas");
    assert_eq!(answer["id"], "chatcmpl-up");
}
