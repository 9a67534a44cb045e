//! What only one account can read or has: where it stands in the input, and what the intent tells of it.

use pooler_filter::Replayed;
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::harness::{Sent, input, item, sent};

const OUTPUT: &str = r#"{"type":"function_call_output","call_id":"c","output":"1"}"#;

fn digest(sealed: &str) -> [u8; 32] {
    Sha256::digest(sealed).into()
}

/// The texts at the places that the intent tells, each with its digest.
fn placed(sent: &Sent) -> Vec<([u8; 32], String)> {
    let input = sent.body.get("input").expect("there is input").raw().to_owned();
    let places = sent.intent().replayed.iter().filter_map(|replayed| Some((replayed.digest, replayed.place.clone()?)));
    places.map(|(digest, place)| (digest, input.get(place).expect("the place is in the input").to_owned())).collect()
}

#[test]
fn reasoning_with_content_stays_and_is_found_by_what_it_says() {
    let reasoning = r#"{"type":"reasoning", "summary":[],"encrypted_content":"gAA\/\u0041"}"#;
    let untouched = r#"[ {"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]} , RS ]"#;
    let edited = r#"[{"role":"user","content":"q"},RS,{"role":"user","content":"r"}]"#;
    for items in [untouched, edited] {
        let sent = sent(&input(&items.replace("RS", reasoning)));
        assert_eq!(placed(&sent), [(digest("gAA/A"), reasoning.to_owned())]);
    }
}

#[test]
fn reasoning_is_found_in_its_edited_form() {
    let body = item(
        r#"{"type":"reasoning","id":"foreign","summary":[],"encrypted_content":"e","status":"completed","zzz":1}"#,
    );
    let expected = r#"{"type":"reasoning","summary":[],"encrypted_content":"e"}"#;
    assert_eq!(placed(&sent(&body)), [(digest("e"), expected.to_owned())]);
}

#[test]
fn reasoning_without_content_is_left_out() {
    for content in ["null", r#""""#, r#"" ""#, "5"] {
        let reasoning =
            format!(r#"{{"type":"reasoning","id":"rs_1","summary":[],"zzz":1,"encrypted_content":{content}}}"#);
        let sent = sent(&input(&format!(r#"[{reasoning},{{"role":"user","content":"q"}}]"#)));
        assert!(!sent.text().contains("rs_1"), "{content}");
        assert_eq!(sent.intent().replayed, []);
    }
}

#[test]
fn a_continuation_binds_by_its_response_and_not_by_its_reasoning() {
    let reasoning = r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"e"}"#;
    let sent =
        sent(&format!(r#"{{"model":"gpt-5.5","previous_response_id":"resp_\u0031","input":[{reasoning},{OUTPUT}]}}"#));
    assert!(sent.text().contains(reasoning));
    assert_eq!(sent.intent().previous_response_id.as_deref(), Some("resp_1"));
    assert_eq!(sent.intent().replayed, []);
}

#[test]
fn a_request_that_goes_on_with_nothing_is_bound_to_nothing() {
    let sent = sent(r#"{"model":"gpt-5.5","previous_response_id":" ","input":"x"}"#);
    assert_eq!(sent.intent().previous_response_id, None);
    assert_eq!(sent.intent().files, Vec::<String>::new());
    assert_eq!(sent.intent().replayed, []);
}

#[test]
fn compactions_must_not_be_left_out() {
    let sent = sent(&input(
        r#"[{"type":"compaction","id":"cmp_1","encrypted_content":"a"},{"type":"compaction_summary","encrypted_content":"b"},{"role":"user","content":"q"}]"#,
    ));
    let bound = |sealed: &str| Replayed { digest: digest(sealed), place: None };
    assert_eq!(sent.intent().replayed, [bound("a"), bound("b")]);
}

#[test]
fn every_file_is_told_once_in_the_order_of_the_input() {
    let sent = sent(&input(
        r#"[{"type":"input_file","file_id":"file_b"},
            {"role":"user","content":[{"type":"input_image","file_id":"file_a"},{"type":"input_file","file_id":"file_b"},{"type":"input_image","image_url":"https://a.example/i","file_id":"file_c"}]},
            {"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_id":"file_\u0064"},{"type":"data","file_id":"file_x"}]},
            {"role":"tool","tool_call_id":"c","content":[{"type":"input_image","file_id":"file_a"}]}]"#,
    ));
    assert_eq!(sent.intent().files, ["file_b", "file_a", "file_c", "file_d"]);
    assert!(sent.intent().input_file);
}

/// Items, the reasoning among them with a content that says which one it is.
fn items() -> impl Strategy<Value = Vec<String>> {
    let long = "x".repeat(700);
    let item = prop::sample::select(vec![
        r#"{"role":"user","content":"q"}"#.to_owned(),
        r#"{"role":"developer","content":"lifted"}"#.to_owned(),
        format!(r#"{{"role":"user","content":"{long}"}}"#),
        format!(r#"{{"type":"message","role":"user","content":[{{"type":"input_text","text":"{long}"}}]}}"#),
        r#"{"type":"function_call_output","call_id":"c","output":"1"}"#.to_owned(),
        r#"{"type":"additional_tools","role":"developer","tools":[]}"#.to_owned(),
        r#"{"type":"additional_tools","tools":[{"type":"custom","name":"c","description":null}]}"#.to_owned(),
        r#"{"type":"item_reference","id":"rs_1"}"#.to_owned(),
        r#"{"type":"compaction","encrypted_content":"c"}"#.to_owned(),
        r#"{"type":"reasoning","summary":[]}"#.to_owned(),
        r#"{"type":"reasoning","id":"rs_N","summary":[ ],"encrypted_content":"N"}"#.to_owned(),
        r#"{"type":"reasoning","id":"foreign","summary":[],"encrypted_content":"N","status":null}"#.to_owned(),
        format!(
            r#"{{"type":"reasoning","summary":[{{"type":"summary_text","text":"{long}"}}],"encrypted_content":"N"}}"#
        ),
    ]);
    let number = |(at, item): (usize, String)| item.replace("\"N\"", &format!("\"{at}\""));
    vec(item, 1..12).prop_map(move |items| items.into_iter().enumerate().map(number).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_places_are_those_of_the_reasoning_and_of_nothing_else(
        items in items(),
        (a, b) in ("[ \n]{0,3}", "[ \n]{0,3}"),
        model in prop::sample::select(vec!["gpt-5.5", "gpt-6-sol"]),
        tools in prop::sample::select(vec!["", r#","tools":[{"type":"custom","name":"c"}]"#]),
        instructions in prop::sample::select(vec!["", r#","instructions":"i""#]),
    ) {
        let list = items.join(&format!("{a},{b}"));
        let sent = sent(&format!(r#"{{"model":"{model}","input":[{b}{list}{a}]{tools}{instructions}}}"#));
        let input = sent.body.get("input").expect("there is input");
        let reasoning = input.items().filter(|item| item.get("type").is_some_and(|kind| kind.is_str("reasoning")));
        let expected: Vec<_> = reasoning
            .map(|item| {
                let sealed = item.get("encrypted_content").and_then(|sealed| sealed.as_str()).unwrap_or_default();
                (digest(&sealed), item.raw().to_owned())
            })
            .collect();
        let given = items.iter().filter(|item| item.contains("reasoning") && item.contains("encrypted")).count();
        prop_assert_eq!(expected.len(), given);
        prop_assert_eq!(placed(&sent), expected);
    }
}

#[test]
fn items_are_told_in_the_order_of_the_input_whatever_they_are() {
    let reasoning = |sealed: &str| format!(r#"{{"type":"reasoning","summary":[],"encrypted_content":"{sealed}"}}"#);
    let compaction = |sealed: &str| format!(r#"{{"type":"compaction","encrypted_content":"{sealed}"}}"#);
    let items = [reasoning("a"), compaction("b"), reasoning("c"), compaction("d")].join(",");
    for model in ["gpt-5.5", "gpt-6-sol"] {
        for first in ["", r#"{"role":"user","content":"q"},"#] {
            let sent = sent(&format!(r#"{{"model":"{model}","input":[{first}{items}]}}"#));
            let told: Vec<_> = sent.intent().replayed.iter().map(|item| (item.digest, item.place.is_some())).collect();
            assert_eq!(told, [(digest("a"), true), (digest("b"), false), (digest("c"), true), (digest("d"), false)]);
            assert_eq!(placed(&sent), [(digest("a"), reasoning("a")), (digest("c"), reasoning("c"))]);
        }
    }
}
