//! Compaction in both ways, and recordings.

use bytes::Bytes;
use pooler_filter::form::{Form, Part};
use pooler_filter::{Body, Carrier, Expects, Operation};
use serde_json::{Value, json};

use crate::harness::{Answered, Native};

fn compact() -> Native {
    Native::of(Operation::Compact)
}

#[test]
fn compaction_gets_its_members_as_they_were_written_and_no_others() {
    let body = r#"{"model":"gpt-5.5", "instructions":"be", "input":[ {"type":"message","role":"user","content":[]} ,{"type":"compaction_trigger"}],
        "tools":[ {"type":"x"} ],"parallel_tool_calls":false,"reasoning":{"effort":"ultra","x":1},"service_tier":"fast","text":{},
        "promptCacheKey":"k","stream":true,"include":[],"store":true,"tool_choice":"auto","previous_response_id":"r","conversation":"c",
        "client_metadata":{},"max_output_tokens":1,"temperature":1,"top_p":1,"prompt_cache_options":{},"whatever":1}"#;
    let sent = compact().sent(body);
    let expected = json!({
        "model": "gpt-5.5", "instructions": "be", "input": [{"type": "message", "role": "user", "content": []}],
        "tools": [{"type": "x"}], "parallel_tool_calls": false, "reasoning": {"effort": "max", "x": 1}, "service_tier": "fast",
        "text": {}, "prompt_cache_key": "k",
    });
    assert_eq!(sent.json(), expected);
    assert_eq!(
        (sent.request.path.as_str(), sent.request.expects),
        ("/backend-api/codex/responses/compact", Expects::Json)
    );
    let intent = sent.intent();
    assert!(intent.one_account && !intent.stream && intent.previous_response_id.is_none());
    assert_eq!((intent.prompt_cache_key.as_deref(), sent.header("accept")), (Some("k"), Some("application/json")));
    let bare = compact().sent(r#"{"model":"gpt-5.5","input":[1]}"#);
    assert_eq!(bare.text(), r#"{"model":"gpt-5.5","input":[1]}"#, "nothing is made up");
}

#[test]
fn compaction_checks_the_form_of_what_it_sends() {
    let refuses = |members: &str, param: &str, message: &str| {
        compact().refuses(&format!(r#"{{"model":"gpt-5.5",{members}}}"#), "invalid_request", Some(param), message);
    };
    refuses(r#""input":[1],"tools":7"#, "tools", "tools must be an array");
    refuses(r#""input":[1],"parallel_tool_calls":"x""#, "parallel_tool_calls", "parallel_tool_calls must be a boolean");
    refuses(r#""input":[1],"text":"x""#, "text", "text must be an object");
    for input in [r#""input":[]"#, r#""input":"x""#, r#""x":1"#, r#""input":[{"type":"compaction_trigger"}]"#] {
        refuses(input, "input", "input must be a non-empty array");
    }
}

#[test]
fn what_compaction_answers_is_the_answer() {
    let answer = r#"{ "object":"response.compaction","output":[ {"type":"compaction"} ],"x":1.0 }"#;
    let given =
        [("content-type", "application/json"), ("x-codex-turn-state", "ts"), ("x-codex-primary-used-percent", "3")];
    let answered = compact().sent(r#"{"model":"gpt-5.5","input":[1]}"#).answered(Carrier::Json, &given, answer);
    assert_eq!((answered.text.as_str(), answered.headers.len()), (answer, 2));
    assert_eq!(answered.headers["x-codex-turn-state"], "ts");
}

const TURN: &str = r#""client_metadata":{"x-codex-turn-metadata":"{\"compaction\":{\"implementation\":\"responses_compaction_v2\"}}"}"#;

fn trigger(members: &str) -> String {
    format!(
        r#"{{"model":"gpt-5.5","stream":true,"input":[{{"type":"compaction_trigger"}}],"tool_choice":"auto",{members}}}"#
    )
}

#[test]
fn a_trigger_asks_for_json_or_for_a_stream_and_may_stand_alone() {
    let sent = Native::responses().sent(&trigger(r#""store":true,"prompt_cache_key":"k""#));
    let expected = json!({"model": "gpt-5.5", "input": [{"type": "compaction_trigger"}], "store": false, "prompt_cache_key": "k",
        "reasoning": {}});
    assert_eq!((sent.json(), sent.request.expects), (expected, Expects::Json));
    assert!(sent.intent().one_account && sent.intent().stream);
    let sent = Native::responses().sent(&trigger(TURN));
    let expected = json!({"model": "gpt-5.5", "input": [{"type": "compaction_trigger"}], "store": false, "stream": true,
        "reasoning": {}});
    assert_eq!((sent.json(), sent.request.expects), (expected, Expects::Response));
    let plain = r#"{"model":"gpt-5.5","input":[{"type":"compaction_trigger"}],"reasoning":{},"include":["reasoning.encrypted_content"]}"#;
    assert_eq!(Native::responses().sent(plain).text(), plain, "only streams are bridged");
}

fn events(answered: &Answered) -> Vec<(String, Value)> {
    let event = |block: &str| {
        let (name, data) = block.strip_prefix("event: ")?.split_once("\ndata: ")?;
        Some((name.to_owned(), serde_json::from_str(data).ok()?))
    };
    answered.text.split("\n\n").filter_map(event).collect()
}

fn told(answered: &Answered, item: &Value, response: &Value) {
    let events = events(answered);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["response.output_item.done", "response.completed"]);
    assert_eq!((&events[0].1["item"], &events[1].1["response"]), (item, response));
    assert!(answered.text.ends_with("data: [DONE]\n\n"));
}

#[test]
fn the_answer_to_a_trigger_is_one_item_and_a_response_without_an_object() {
    let usage = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3});
    let junk = json!({"type": "compaction", "encrypted_content": null});
    let item = json!({"type": "compaction_summary", "id": "cmp_1", "encrypted_content": "E", "x": 1,
        "internal_chat_message_metadata_passthrough": {"turn_id": "t", "create_time": 1}});
    let ours = json!({"type": "compaction", "encrypted_content": "E", "id": "cmp_1",
        "internal_chat_message_metadata_passthrough": {"turn_id": "t"}});
    let whole =
        json!({"id": "resp_1", "object": "response", "status": "completed", "output": [junk, item], "usage": usage});
    let given = [("content-type", "application/json"), ("x-codex-turn-state", "ts")];
    let answered = Native::responses().sent(&trigger(r#""x":1"#)).answered(Carrier::Json, &given, &whole.to_string());
    told(&answered, &ours, &json!({"id": "resp_1", "status": "completed", "output": [ours], "usage": usage}));
    assert_eq!(answered.headers["content-type"], "text/event-stream");
    assert_eq!(answered.headers["x-codex-turn-state"], "ts");
    let beside = json!({"id": "resp_1", "status": "completed", "output": [], "compaction_summary": {"encrypted_content": "S", "id": null}});
    let answered = Native::responses().sent(&trigger(r#""x":1"#)).answered(Carrier::Json, &given, &beside.to_string());
    let ours = json!({"type": "compaction", "encrypted_content": "S"});
    told(&answered, &ours, &json!({"id": "resp_1", "status": "completed", "output": [ours]}));
    let done = json!({"type": "response.output_item.done", "item": {"type": "compaction", "encrypted_content": "Z"}});
    let end = json!({"type": "response.completed", "response": {"id": "resp_2", "output": [], "usage": usage}});
    let stream =
        format!("event: response.output_item.done\ndata: {done}\n\nevent: response.completed\ndata: {end}\n\n");
    let answered = Native::responses().sent(&trigger(TURN)).streamed(&given, &stream);
    let ours = json!({"type": "compaction", "encrypted_content": "Z"});
    told(&answered, &ours, &json!({"id": "resp_2", "status": "completed", "output": [ours], "usage": usage}));
}

#[test]
fn a_recording_goes_on_with_its_prompt_and_without_a_model() {
    let part =
        |name: &str, data: &'static str| Part { name: name.into(), data: Bytes::from(data).into(), ..Part::default() };
    let file =
        Part { filename: Some("a.webm".into()), content_type: Some("audio/webm".into()), ..part("file", "RIFF") };
    let form = |extra: Vec<Part>| Body::Multipart(Form { parts: [vec![file.clone()], extra].concat() });
    let native = Native::of(Operation::Transcribe).header("cookie", "c").header("originator", "codex");
    let sent = native.send_body(form(vec![part("prompt", "p"), part("model", "whatever")])).unwrap();
    let parts = &sent.request.body.form().unwrap().parts;
    let names: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.filename.as_deref())).collect();
    assert_eq!(names, [("file", Some("a.webm")), ("prompt", None)]);
    assert_eq!((sent.request.path.as_str(), sent.header("originator")), ("/backend-api/transcribe", Some("codex")));
    assert_eq!((sent.header("cookie"), sent.header("content-type")), (None, None), "the form brings its own");
    let answer = "{ \"text\":\"hi\",\"languages\":[] }";
    assert_eq!(sent.answered(Carrier::Json, &[], answer).text, answer);
    for (extra, param) in [("keywords", "keywords"), ("keywords[]", "keywords[]"), ("language", "language")] {
        let Err(reject) = native.send_body(form(vec![part(extra, "x")])) else { panic!("{extra} was accepted") };
        assert_eq!((reject.code_str(), reject.param.as_deref()), ("unsupported_parameter", Some(param)));
    }
    assert_eq!(native.send("{}").err().map(|reject| reject.status().as_u16()), Some(400));
}
