//! The compaction trigger on the way down.

use pooler_filter::{Expects, Operation};

use crate::harness::{Gateway, Sent, input, route, send, sent};

const TRIGGER: &str = r#"{"type":"compaction_trigger"}"#;

fn keys(sent: &Sent) -> Vec<String> {
    let mut keys: Vec<String> = sent.body.keys().map(|key| key.as_str().into_owned()).collect();
    keys.sort_unstable();
    keys
}

fn accept(sent: &Sent) -> Option<&str> {
    sent.request.headers.get("accept").and_then(|value| value.to_str().ok())
}

fn everything(metadata: &str) -> String {
    format!(
        r#"{{"model":"gpt-5.5","input":[{{"role":"user","content":"q"}},{TRIGGER}],"stream":true,"store":true,"include":["a"],"instructions":"i",
            "tools":[{{"type":"custom","name":"c"}}],"tool_choice":"auto","parallel_tool_calls":true,"reasoning":{{"effort":"low"}},
            "service_tier":"flex","prompt_cache_key":"k","text":{{"verbosity":"low"}},"client_metadata":{metadata},"moderation":{{"model":"m"}},
            "metadata":{{"a":"b"}},"max_output_tokens":5,"user":"u"}}"#
    )
}

const KEPT: [&str; 9] = [
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "service_tier",
    "store",
    "text",
];

#[test]
fn only_what_a_compaction_needs_goes_upstream_and_one_json_object_is_expected() {
    let sent = sent(&everything(r#"{"thread_id":"t"}"#));
    let mut kept = KEPT.to_vec();
    kept.push("tools");
    assert_eq!(keys(&sent), kept);
    assert_eq!(sent.member("store").as_deref(), Some("false"));
    assert!(sent.member("input").is_some_and(|input| input.ends_with(&format!("{TRIGGER}]"))));
    assert_eq!((sent.request.expects, accept(&sent)), (Expects::Json, Some("application/json")));
    assert!(sent.intent().one_account && sent.intent().stream);
    assert_eq!(sent.request.path, "/backend-api/codex/responses");
}

#[test]
fn a_client_that_reads_compactions_from_streams_gets_one() {
    let turn = r#"{"x-codex-turn-metadata":"{\"compaction\":{\"implementation\":\"responses_compaction_v2\"}}"}"#;
    let sent = sent(&everything(turn));
    let mut kept = KEPT.to_vec();
    kept.insert(8, "stream");
    kept.push("tools");
    assert_eq!(keys(&sent), kept);
    assert_eq!(sent.member("stream").as_deref(), Some("true"));
    assert_eq!((sent.request.expects, accept(&sent)), (Expects::Response, Some("text/event-stream")));
    assert!(sent.intent().one_account);
}

#[test]
fn metadata_that_tells_nothing_of_streams_asks_for_none() {
    for turn in [
        r#""{""#,
        r#""[]""#,
        r#""{\"compaction\":\"responses_compaction_v2\"}""#,
        r#""{\"compaction\":{\"implementation\":\"v1\"}}""#,
        r#"{"compaction":{"implementation":"responses_compaction_v2"}}"#,
    ] {
        let sent = sent(&everything(&format!(r#"{{"x-codex-turn-metadata":{turn}}}"#)));
        assert_eq!(sent.request.expects, Expects::Json, "{turn}");
    }
}

#[test]
fn every_visible_part_can_be_compacted() {
    for part in [
        r#"{"type":"input_text","text":"x"}"#,
        r#"{"type":"text","text":"x"}"#,
        r#"{"type":"input_image","image_url":"https://a.example/i"}"#,
        r#"{"type":"input_image","file_id":"file_1"}"#,
        r#"{"type":"input_audio","data":"QQ==","format":"wav"}"#,
        r#"{"type":"input_file","file_id":"file_1"}"#,
    ] {
        assert!(send(&input(&format!(r#"[{{"role":"user","content":[{part}]}},{TRIGGER}]"#))).is_ok(), "{part}");
    }
    assert!(send(&input(&format!(r#"[{{"role":"assistant","content":"x"}},{TRIGGER}]"#))).is_ok());
    assert!(send(&input(&format!(r#"[{{"type":"input_file","file_id":"file_1"}},{TRIGGER}]"#))).is_ok());
}

#[test]
fn a_request_without_a_trigger_may_go_to_other_accounts() {
    let sent = sent(&input(r#"[{"role":"user","content":"q"}]"#));
    assert!(!sent.intent().one_account);
    assert_eq!((sent.request.expects, accept(&sent)), (Expects::Response, Some("text/event-stream")));
}

/// What a body becomes on its way to be compacted.
fn compacted(body: &str) -> Sent {
    let route = route("POST /v1/responses/compact", Operation::Compact);
    let sent = Gateway { route, ..Gateway::new() }.send(body);
    sent.unwrap_or_else(|reject| panic!("refused: {reject}\n{body}"))
}

#[test]
fn the_operation_of_its_own_needs_no_trigger() {
    let user = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]}"#;
    for model in ["gpt-5.5", "gpt-6-sol"] {
        let of = |items: &str| compacted(&format!(r#"{{"model":"{model}","instructions":"i","input":{items}}}"#));
        let without = of(&format!("[{user}]"));
        for items in [
            format!("[{user},{TRIGGER}]"),
            format!("[ {user} , {TRIGGER} ]"),
            r#"[{"role":"user","content":"q","type":"message"},TRIGGER]"#.replace("TRIGGER", TRIGGER),
        ] {
            let with = of(&items);
            let texts = |sent: &Sent| sent.body.get("input").expect("there is input").items().count();
            assert_eq!(texts(&with), texts(&without), "{items}");
            assert!(!with.text().contains("compaction_trigger"), "{items}");
        }
        assert_eq!((without.request.expects, accept(&without)), (Expects::Json, Some("application/json")));
        assert!(without.intent().one_account && !without.intent().stream);
    }
}

#[test]
fn the_operation_of_its_own_takes_the_lite_form() {
    let sent = compacted(
        r#"{"model":"gpt-6-sol","instructions":"i","stream":true,"store":true,"tools":[{"type":"custom","name":"c"}],"input":[{"role":"user","content":"q"},{"type":"reasoning","summary":[],"encrypted_content":"e"}]}"#,
    );
    assert_eq!(keys(&sent), ["input", "model", "parallel_tool_calls", "reasoning"]);
    assert!(sent.request.headers.contains_key("x-openai-internal-codex-responses-lite"));
    let input = sent.member("input").expect("there is input");
    assert!(input.starts_with(r#"[{"type":"additional_tools""#), "{input}");
    let place = sent.intent().replayed[0].place.clone().expect("reasoning has a place");
    assert_eq!(&input[place], r#"{"type":"reasoning","summary":[],"encrypted_content":"e"}"#);
}

#[test]
fn a_chat_is_not_compacted() {
    let route = route("POST /v1/chat/completions", Operation::Chat);
    let body =
        r#"{"model":"gpt-5.5","messages":[],"input":[{"role":"user","content":"q"},{"type":"compaction_trigger"}]}"#;
    let reject = Gateway { route, ..Gateway::new() }.send(body).err().expect("refused");
    assert_eq!((reject.code_str(), reject.param.as_deref()), ("invalid_request", Some("input")));
    assert_eq!(reject.message, "compaction_trigger input items are not supported");
}

#[test]
fn a_compaction_does_not_continue_the_response_that_it_names() {
    let user = r#"{"role":"user","content":"q"}"#;
    let output = r#"{"type":"function_call_output","call_id":"c","output":"1"}"#;
    let sealed = r#"{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"e"}"#;
    let body = |items: &str| format!(r#"{{"model":"gpt-5.5","previous_response_id":"resp_1","input":[{items}]}}"#);
    let items = format!(
        r#"{user},{{"type":"reasoning","id":"rs_1","summary":[]}},{sealed},{{"type":"item_reference","id":"rs_3"}},{output}"#
    );
    for sent in [compacted(&body(&items)), sent(&body(&format!("{items},{TRIGGER}")))] {
        assert!(sent.member("previous_response_id").is_none());
        assert_eq!(sent.intent().previous_response_id, None);
        let input = sent.member("input").expect("there is input");
        assert!(!input.contains("rs_1") && !input.contains("rs_3"), "{input}");
        let places: Vec<_> = sent.intent().replayed.iter().map(|replayed| replayed.place.clone()).collect();
        let [Some(place)] = places.as_slice() else { panic!("one item is read by its issuer alone: {places:?}") };
        assert_eq!(&input[place.clone()], sealed);
    }
    let reference = r#"{"type":"item_reference","id":"fc_1"}"#;
    let reject = send(&body(&format!("{user},{reference},{output},{TRIGGER}"))).err().expect("refused");
    assert!(reject.message.starts_with("Responses are not stored here"), "{reject}");
    let reject = send(&body(&format!("{user},{TRIGGER}"))).err().expect("refused");
    assert_eq!(reject.param.as_deref(), Some("previous_response_id"));
}
