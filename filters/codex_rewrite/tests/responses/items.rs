//! Items and parts whose limits a file could not show, and what the input declares.

use crate::harness::{input, item, part, refuses, send, sent};

fn shell(call_id: &str, skills: usize) -> String {
    let skills = vec![r#"{"name":"n","description":"d","path":"/p"}"#; skills].join(",");
    item(&format!(
        r#"{{"type":"shell_call","call_id":"{call_id}","action":{{"commands":["ls"]}},"environment":{{"type":"local","skills":[{skills}]}}}}"#
    ))
}

#[test]
fn ids_of_shell_calls_and_programs_are_short() {
    const MESSAGE: &str = "ids of shell calls and programs must be 64 characters or shorter";
    let long = "é".repeat(64);
    assert!(send(&shell(&long, 0)).is_ok());
    let longer = format!("{long}x");
    let program = |member: &str| format!(r#"{{"type":"program",{member},"code":"x","fingerprint":"f"}}"#);
    let output =
        r#"{"type":"shell_call_output","call_id":"c","output":[],"caller":{"type":"program","caller_id":"LONG"}}"#;
    for body in [
        shell(&longer, 0),
        item(&program(&format!(r#""call_id":"{longer}""#))),
        item(&program(&format!(r#""call_id":"c","id":"prog_{longer}""#))),
        item(&output.replace("LONG", &longer)),
    ] {
        refuses(&body, 400, "invalid_request", Some("input"), MESSAGE);
    }
}

#[test]
fn a_shell_has_at_most_two_hundred_skills() {
    assert!(send(&shell("c", 200)).is_ok());
    let message = "a shell environment may have 200 skills or fewer";
    refuses(&shell("c", 201), 400, "invalid_request", Some("input"), message);
}

#[test]
fn what_a_shell_printed_has_a_limit_in_characters() {
    let output = |text: &str| {
        item(&format!(
            r#"{{"type":"shell_call_output","call_id":"c","output":[{{"stdout":"","stderr":"{text}","outcome":{{"type":"timeout"}}}}]}}"#
        ))
    };
    let most = "é".repeat(10_485_760);
    assert!(send(&output(&most)).is_ok());
    let message = "output of a shell call must be 10485760 characters or shorter";
    refuses(&output(&format!("{most}x")), 400, "invalid_request", Some("input"), message);
}

#[test]
fn audio_that_is_a_data_url_already_passes() {
    let audio = r#"{ "type":"input_audio","audio_url":"data:audio\/ogg;base64,T2dnUw==" }"#;
    assert!(sent(&part(audio)).text().contains(audio));
}

#[test]
fn unknown_members_of_items_that_an_answer_had_are_taken_out() {
    for (given, kept) in [
        (
            r#"{"type":"shell_call","id":"sh_1","call_id":"c","action":{"commands":[]},"zzz":1}"#,
            r#"{"type":"shell_call","id":"sh_1","call_id":"c","action":{"commands":[]}}"#,
        ),
        (
            r#"{"type":"program","id":"prog_1","call_id":"c","code":"x","fingerprint":"f","zzz":1}"#,
            r#"{"type":"program","id":"prog_1","call_id":"c","code":"x","fingerprint":"f"}"#,
        ),
        (
            r#"{"type":"program_output","call_id":"c","result":"1","status":"completed","zzz":1}"#,
            r#"{"type":"program_output","call_id":"c","result":"1","status":"completed"}"#,
        ),
        (
            r#"{"type":"additional_tools","id":"at_1","role":"developer","tools":[],"zzz":1}"#,
            r#"{"type":"additional_tools","id":"at_1","role":"developer","tools":[]}"#,
        ),
    ] {
        assert_eq!(sent(&item(given)).member("input"), Some(format!("[{kept}]")));
    }
}

#[test]
fn the_output_of_a_shell_continues_a_response() {
    let output = r#"{"type":"shell_call_output","call_id":"c","output":[]}"#;
    assert!(send(&format!(r#"{{"model":"gpt-5.5","previous_response_id":"r","input":[{output}]}}"#)).is_ok());
}

#[test]
fn tools_of_the_input_can_be_chosen() {
    let body = |name: &str| {
        format!(
            r#"{{"model":"gpt-5.5","input":[{{"type":"additional_tools","role":"developer","tools":[{{"type":"custom","name":"c"}}]}}],"tools":[{{"type":"custom","name":"c"}}],"tool_choice":{{"type":"custom","name":"{name}"}}}}"#
        )
    };
    assert!(send(&body("c")).is_ok());
    refuses(&body("d"), 400, "invalid_request", Some("tool_choice"), "tool_choice shape is not translatable");
}

#[test]
fn many_lists_of_tools_are_read_once_each() {
    let list = vec![r#"{"type":"additional_tools","role":"developer","tools":[]}"#; 20_000].join(",");
    assert!(send(&input(&format!("[{list}]"))).is_ok());
}

#[test]
fn ids_that_answers_got_from_us_do_not_go_upstream() {
    for (given, upstream) in [
        (
            r#"{"type":"message","id":"message_0","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a"}]}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}"#,
        ),
        (
            r#"{"type":"function_call","id":"call_1","call_id":"call_\u0031","name":"f","arguments":"{}"}"#,
            r#"{"type":"function_call","call_id":"call_\u0031","name":"f","arguments":"{}"}"#,
        ),
        (
            r#"{"type":"custom_tool_call","id":"custom_tool_call_12","call_id":"c","name":"f","input":""}"#,
            r#"{"type":"custom_tool_call","call_id":"c","name":"f","input":""}"#,
        ),
        (
            r#"{"type":"reasoning","id":"reasoning_3","summary":[],"encrypted_content":"e"}"#,
            r#"{"type":"reasoning","summary":[],"encrypted_content":"e"}"#,
        ),
        (
            r#"{"type":"compaction","id":"compaction_0","encrypted_content":"e"}"#,
            r#"{"type":"compaction","encrypted_content":"e"}"#,
        ),
        (
            r#"{"type":"program_output","id":"call_1","call_id":"call_1","result":"r"}"#,
            r#"{"type":"program_output","call_id":"call_1","result":"r"}"#,
        ),
    ] {
        let sent = sent(&item(given));
        assert_eq!(sent.member("input").as_deref(), Some(format!("[{upstream}]").as_str()));
    }
}

#[test]
fn ids_of_the_upstream_stay() {
    for item_text in [
        r#"{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}"}"#,
        r#"{"type":"message","id":"msg_0","role":"assistant","content":[{"type":"output_text","text":"a"}]}"#,
        r#"{"type":"message","id":"message_0a","role":"assistant","content":[{"type":"output_text","text":"a"}]}"#,
        r#"{"type":"reasoning","id":"message_0","summary":[],"encrypted_content":"e"}"#,
        r#"{"type":"compaction","id":"cmp_0","encrypted_content":"e"}"#,
        r#"{"type":"compaction","id":null,"encrypted_content":"e"}"#,
    ] {
        assert_eq!(sent(&item(item_text)).member("input").as_deref(), Some(format!("[{item_text}]").as_str()));
    }
}
