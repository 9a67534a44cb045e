//! What is accepted, where a fixture would hide the point.

use crate::harness::{input, item, part, refuses, send, sent, with};

fn rewritten(body: &str) -> String {
    sent(body).member("input").expect("there is input")
}

#[test]
fn untouched_items_and_tools_keep_their_white_space() {
    let items = r#"[ {"type" : "message", "role":"user" ,"content":[ {"type":"input_text", "text":"\u0061"} ]} ]"#;
    let tools =
        r#"[ { "type":"function", "name":"f", "parameters":{ "type":"object","properties":{}, "default" : 1E5 } } ]"#;
    let sent = sent(&format!(r#"{{"model":"gpt-5.5","input":{items},"tools":{tools}}}"#));
    assert!(sent.text().contains(items), "{}", sent.text());
    assert!(sent.text().contains(tools), "{}", sent.text());
}

#[test]
fn an_unchanged_item_keeps_its_text_beside_a_changed_one() {
    let kept = r#"{ "type":"function_call","call_id":"c", "name":"f","arguments":"{}" }"#;
    let body =
        input(&format!(r#"[{kept},{{"type":"function_call_output","call_id":"c","output":"1","status":null}}]"#));
    assert!(sent(&body).text().contains(kept));
}

#[test]
fn long_values_survive_the_splicing() {
    let long = "x".repeat(5000);
    let body = input(&format!(
        r#"[{{"role":"system","content":"{long}1"}},{{"role":"user","content":"{long}2"}},{{"role":"user","content":[{{"type":"text","text":"{long}3"}}]}}]"#
    ));
    let sent = sent(&body);
    assert_eq!(sent.member("instructions"), Some(format!(r#""{long}1""#)));
    let user =
        |n: u8| format!(r#"{{"role":"user","content":[{{"type":"input_text","text":"{long}{n}"}}],"type":"message"}}"#);
    assert_eq!(sent.member("input"), Some(format!("[{},{}]", user(2), user(3))));
}

#[test]
fn a_reference_within_a_continuation_needs_a_tool_output() {
    let reference = r#"{"type":"item_reference","id":"msg_1"}"#;
    let body = |items: &str| format!(r#"{{"model":"gpt-5.5","previous_response_id":"r","input":[{items}]}}"#);
    refuses(&body(reference), 400, "invalid_request", Some("input"), "input item shape is not translatable");
    let output = r#"{"type":"function_call_output","call_id":"c","output":"1"}"#;
    assert_eq!(rewritten(&body(&format!("{reference},{output}"))), format!("[{reference},{output}]"));
}

#[test]
fn ids_of_foreign_forms_are_taken_out() {
    let kept = |id: &str| {
        rewritten(&item(&format!(r#"{{"type":"custom_tool_call","id":"{id}","call_id":"c","name":"n","input":""}}"#)))
            .contains(r#""id""#)
    };
    for id in ["ctc_1", "msg_a_b", "x_-"] {
        assert!(kept(id), "{id}");
    }
    for id in ["", "abc", "_1", "a_", "a-b_1", "550e8400-e29b-41d4-a716-446655440000"] {
        assert!(!kept(id), "{id}");
    }
}

#[test]
fn every_image_form_is_taken() {
    for url in [
        "https://a.example/i.png",
        "HTTPS://a.example",
        "data:image/gif;base64,AAAA",
        "data:image/jpeg;base64,AA==",
        "data:IMAGE/PNG;base64,AAA=",
        "data:image\\/webp;base64,+\\/A",
    ] {
        let image = format!(r#"{{"type":"input_image","image_url":"{url}","detail":"high"}}"#);
        assert!(rewritten(&part(&image)).contains(&image), "{url}");
    }
}

#[test]
fn an_empty_answer_that_we_returned_is_taken_back() {
    let item = item(r#"{"id":"msg_1","type":"message","role":"assistant","status":"incomplete","content":[]}"#);
    let silence =
        r#"[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":""}]}]"#;
    assert_eq!(rewritten(&item), silence);
}

#[test]
fn unknown_members_of_our_reasoning_are_ignored() {
    let body = |id: &str| {
        format!(
            r#"{{"model":"gpt-5.5","previous_response_id":"r","input":[{{"type":"reasoning",{id}"summary":[],"zzz":1}},{{"type":"function_call_output","call_id":"c","output":"1"}}]}}"#
        )
    };
    assert!(rewritten(&body(r#""id":"rs_1","#)).starts_with(r#"[{"type":"reasoning","id":"rs_1","summary":[]},"#));
    refuses(&body(""), 400, "invalid_request", Some("input"), "input item shape is not translatable");
}

#[test]
fn outputs_of_calls_made_at_once_take_their_ids_in_order() {
    let call =
        |id: &str| format!(r#"{{"type":"function_call","id":"{id}","call_id":"","name":"f","arguments":"{{}}"}}"#);
    let output = |n: u8| format!(r#"{{"type":"function_call_output","call_id":"","output":"{n}"}}"#);
    let user = r#"{"role":"user","content":"q"}"#;
    let items = [call("fc_0"), user.to_owned(), call("fc_1"), call("fc_2"), output(1), output(2), output(0)];
    let sent = rewritten(&input(&format!("[{}]", items.join(","))));
    for n in 0..3 {
        let paired = format!(r#"{{"type":"function_call_output","call_id":"fc_{n}","output":"{n}"}}"#);
        assert!(sent.contains(&paired), "{paired}\n{sent}");
    }
}

#[test]
fn only_the_output_right_after_a_call_takes_its_id() {
    let call = r#"{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"}"#;
    let output = r#"{"type":"function_call_output","call_id":"","output":"x"}"#;
    for between in [r#"{"role":"user","content":"q"}"#, output] {
        let body = input(&format!("[{call},{between},{output}]"));
        refuses(&body, 400, "invalid_request", Some("input"), "input item shape is not translatable");
    }
}

#[test]
fn input_that_is_absent_or_null_is_sent_as_an_empty_list() {
    for body in [r#"{"model":"gpt-5.5"}"#, r#"{"model":"gpt-5.5","input":null,"instructions":"i"}"#] {
        assert_eq!(rewritten(body), "[]");
    }
}

#[test]
fn lifting_everything_leaves_an_empty_list() {
    let sent = sent(&item(r#"{"role":"system","content":"be brief"}"#));
    assert_eq!(sent.member("input").as_deref(), Some("[]"));
    assert_eq!(sent.member("instructions").as_deref(), Some(r#""be brief""#));
}

#[test]
fn a_name_may_stand_in_two_namespaces() {
    let namespace = |name: &str| {
        format!(r#"{{"type":"namespace","name":"{name}","description":"d","tools":[{{"type":"custom","name":"c"}}]}}"#)
    };
    assert!(send(&with(&format!(r#""tools":[{},{}]"#, namespace("a"), namespace("b")))).is_ok());
    let twice = with(&format!(r#""tools":[{},{}]"#, namespace("a"), namespace("a")));
    refuses(&twice, 400, "invalid_request", Some("tools"), "tool names must be unique");
}

#[test]
fn every_tool_choice_of_the_table_is_taken() {
    let tools = r#""tools":[{"type":"function","name":"f","parameters":{}},{"type":"custom","name":"c"}]"#;
    let chosen = |choice: &str| sent(&with(&format!(r#"{tools},"tool_choice":{choice}"#))).member("tool_choice");
    for choice in [
        r#""auto""#,
        r#""none""#,
        r#""required""#,
        r#"{"type":"function","name":"f"}"#,
        r#"{"name":"c","type":"custom"}"#,
        r#"{"type":"image_generation"}"#,
        r#"{"type":"programmatic_tool_calling"}"#,
        r#"{"type":"web_search"}"#,
        r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]}"#,
    ] {
        assert_eq!(chosen(choice).as_deref(), Some(choice));
    }
    assert_eq!(chosen(r#"{"type":"web_search_preview"}"#).as_deref(), Some(r#"{"type":"web_search"}"#));
}
