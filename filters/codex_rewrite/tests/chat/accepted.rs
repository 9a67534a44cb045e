//! What is accepted, where a fixture would hide the point.

use crate::harness::{gateway, input, messages, part, send, sent, with};

#[test]
fn values_that_ask_for_nothing_are_accepted_and_absent_upstream() {
    for (name, value) in [
        ("n", "1"),
        ("n", "1.0"),
        ("stop", "[]"),
        ("stop", "null"),
        ("logprobs", "false"),
        ("frequency_penalty", "0"),
        ("presence_penalty", "-0.0"),
        ("logit_bias", "{}"),
        ("top_logprobs", "0"),
        ("audio", "null"),
        ("modalities", r#"["text"]"#),
        ("modalities", "[]"),
        ("prediction", "[]"),
        ("web_search_options", "null"),
        ("functions", "[]"),
        ("user", r#""u""#),
        ("seed", "42"),
        ("seed", r#""any""#),
        ("temperature", "0.2"),
        ("top_p", "1"),
        ("safety_identifier", r#""s""#),
        ("prompt_cache_retention", r#""24h""#),
        ("stream_options", r#"{"include_usage":true,"include_obfuscation":false}"#),
        ("max_tokens", "5"),
        ("metadata", r#"{"a":"b"}"#),
    ] {
        let sent = sent(&with(&format!(r#""{name}":{value}"#)));
        assert_eq!(sent.member(name), None, "{name}");
        assert_eq!(sent.member("max_output_tokens"), None, "{name}");
    }
}

#[test]
fn the_request_goes_upstream_as_one_for_a_response() {
    let sent = sent(&with(r#""stream":false"#));
    assert_eq!(sent.request.path, "/backend-api/codex/responses");
    assert_eq!(sent.request.headers["originator"], "codex-pooler");
    assert_eq!(sent.member("stream").as_deref(), Some("true"));
    assert_eq!(sent.member("store").as_deref(), Some("false"));
    assert_eq!(sent.member("messages"), None);
}

#[test]
fn the_intent_tells_what_is_asked_for() {
    let body = r#"{"model":"GPT-5.5","stream":true,"prompt_cache_key":"k","reasoning_effort":"ultra","service_tier":"fast","max_completion_tokens":9000,
        "messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}},{"type":"file","file":{"file_id":"file-2"}}]}]}"#;
    let sent = sent(body);
    let intent = sent.intent();
    assert_eq!((intent.model.as_str(), intent.stream), ("gpt-5.5", true));
    assert_eq!(intent.prompt_cache_key.as_deref(), Some("k"));
    assert_eq!(intent.effort.as_deref(), Some("max"));
    assert_eq!(intent.service_tier.as_deref(), Some("priority"));
    assert_eq!(intent.files, ["file-1", "file-2"]);
    assert!(intent.input_file);
    assert_eq!(intent.estimated_output_tokens, 9000);
    assert_eq!(intent.context_window, Some(272_000));
}

#[test]
fn the_estimate_is_of_the_clients_own_json_without_its_limits() {
    let estimate = |members: &str| sent(&with(members)).intent().estimated_input_tokens;
    let (plain, limited) = (estimate(r#""stream":true"#), estimate(r#""max_tokens":9,"max_completion_tokens":99"#));
    assert_eq!(plain, limited);
    // 2 for the braces; "messages", its colon and comma, and its value.
    assert_eq!(plain, (2 + 10 + 2 + r#"[{"role":"user","content":"x"}]"#.len() as u64).div_ceil(4));
}

#[test]
fn images_and_tool_outputs_raise_the_estimate() {
    let image = part(r#"{"type":"image_url","image_url":"https://a.example/i.png"}"#);
    assert_eq!(sent(&image).intent().estimated_output_tokens, 2048);
    let output = messages(r#"{"role":"tool","tool_call_id":"c","content":"x"}"#);
    assert_eq!(sent(&output).intent().estimated_output_tokens, 2048);
    assert_eq!(sent(&messages(r#"{"role":"user","content":"x"}"#)).intent().estimated_output_tokens, 512);
}

#[test]
fn metadata_goes_upstream_only_when_configured() {
    let mut gateway = gateway();
    gateway.config.forward_metadata = true;
    let sent = gateway.send(&with(r#""metadata":{ "a":"1E5"}"#)).expect("accepted");
    assert_eq!(sent.member("metadata").as_deref(), Some(r#"{"a":"1E5"}"#));
}

#[test]
fn keys_that_no_rule_names_are_ignored_in_messages() {
    let list = r#"{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"},"zzz":1}],"name":"ann","id":"m1","zzz":{}}"#;
    let expected = r#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}]"#;
    assert_eq!(input(list), expected);
}

#[test]
fn a_role_in_another_spelling_is_the_same_role() {
    let expected = r#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"\u0078"}]}]"#;
    assert_eq!(input(r#"{"r\u006fle":"us\u0065r","content":"\u0078"}"#), expected);
}

#[test]
fn only_instructions_leave_an_empty_list() {
    let sent = sent(&messages(
        r#"{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]}"#,
    ));
    assert_eq!(sent.member("input").as_deref(), Some("[]"));
    assert_eq!(sent.member("instructions").as_deref(), Some(r#""a\nb""#));
}

#[test]
fn data_of_a_tool_that_is_no_text_goes_as_json_in_a_text() {
    let output = |output: &str| {
        input(&format!(
            r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c","content":{output}}}]}}"#
        ))
    };
    let expected = |output: &str| format!(r#"[{{"type":"function_call_output","call_id":"c","output":{output}}}]"#);
    for (given, sent) in [
        (r#"{"a": [1,"\""]}"#, r#""{\"a\": [1,\"\\\"\"]}""#),
        ("7", r#""7""#),
        ("false", r#""false""#),
        ("[1]", r#""[1]""#),
        (r#"[{"type":"text"}]"#, r#""[{\"type\":\"text\"}]""#),
        (r#"{"type":"error-text","value":"no"}"#, r#""no""#),
        (r#"{"type":"text"}"#, r#""{\"type\":\"text\"}""#),
        (r#"{"type":"json","value":null}"#, r#""null""#),
        ("[]", r#""""#),
        ("null", r#""""#),
    ] {
        assert_eq!(output(given), expected(sent), "{given}");
    }
}

#[test]
fn long_texts_and_data_pass_as_they_are() {
    let (text, data) = (r"x\u0041 \/".repeat(1000), "AAAA".repeat(1000));
    let sent = sent(&part(&format!(
        r#"{{"type":"text","text":"{text}"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}},{{"type":"input_audio","input_audio":{{"data":"{data}","format":"ogg"}}}}"#
    )));
    let parts = format!(
        r#"[{{"type":"input_text","text":"{text}"}},{{"type":"input_image","image_url":"data:image/png;base64,{data}"}},{{"type":"input_audio","audio_url":"data:audio/ogg;base64,{data}"}}]"#
    );
    assert!(sent.text().contains(&parts), "{}", sent.text());
}

#[test]
fn an_input_goes_on_unchanged_when_nothing_in_it_is_to_be_changed() {
    let items = r#"[ {"type" : "message", "role":"user" ,"content":[ {"type":"input_text", "text":"\u0061"} ]} ]"#;
    assert!(sent(&format!(r#"{{"model":"gpt-5.5","messages":null,"input":{items}}}"#)).text().contains(items));
}

#[test]
fn an_input_may_continue_a_response() {
    let body = r#"{"model":"gpt-5.5","previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"c","output":"1"}]}"#;
    assert_eq!(sent(body).member("previous_response_id").as_deref(), Some(r#""resp_1""#));
}

#[test]
fn a_members_own_form_counts_before_that_of_a_chat_when_there_is_an_input() {
    let members = r#""reasoning":{"effort":"low"},"reasoning_effort":"high","text":{"verbosity":"low"},"verbosity":"high","max_output_tokens":3000,"max_tokens":1"#;
    let sent = sent(&format!(r#"{{"model":"gpt-5.5","input":"x",{members}}}"#));
    assert_eq!(sent.member("reasoning").as_deref(), Some(r#"{"effort":"low"}"#));
    assert_eq!(sent.member("text").as_deref(), Some(r#"{"verbosity":"low"}"#));
    assert_eq!(sent.intent().estimated_output_tokens, 3000);
}

#[test]
fn every_mode_of_choice_is_taken() {
    let tools = r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}},{"type":"custom","custom":{"name":"c"}}]"#;
    let chosen = |choice: &str| sent(&with(&format!(r#"{tools},"tool_choice":{choice}"#))).member("tool_choice");
    for mode in [r#""auto""#, r#""none""#, r#""required""#] {
        assert_eq!(chosen(mode).as_deref(), Some(mode));
    }
    let custom = r#"{"type":"custom","custom":{"name":"c"}}"#;
    assert_eq!(chosen(custom).as_deref(), Some(r#"{"type":"custom","name":"c"}"#));
}

#[test]
fn a_strict_function_is_completed_as_elsewhere() {
    let body = with(
        r#""tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"properties":{},"required":[],"additionalProperties":false}},"required":["a"],"additionalProperties":false}}}]"#,
    );
    let repaired = r#"{"a":{"type":"object","properties":{},"required":[],"additionalProperties":false}}"#;
    assert!(sent(&body).text().contains(repaired), "{}", sent(&body).text());
}

#[test]
fn checklist_28_ordinary_defaults_of_clients_are_taken() {
    let body =
        with(r#""n":1,"stop":null,"seed":1,"user":"u","logprobs":false,"frequency_penalty":0,"presence_penalty":0.0"#);
    assert!(send(&body).is_ok());
}

#[test]
fn checklist_29_an_input_stands_in_for_messages() {
    for messages in ["", r#""messages":[],"#, r#""messages":null,"#] {
        let sent = sent(&format!(r#"{{"model":"gpt-5.5",{messages}"input":"q"}}"#));
        let expected = r#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]}]"#;
        assert_eq!(sent.member("input").as_deref(), Some(expected));
        assert_eq!(sent.member("instructions").as_deref(), Some(r#""""#));
    }
}
