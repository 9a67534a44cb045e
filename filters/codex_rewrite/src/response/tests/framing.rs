//! What passes, what is dropped, and the form of what goes out (docs/v1.md, Framing and Sequence numbers).

use pooler_filter::{Carrier, Delivery};
use serde_json::json;

use super::support::{Backend, Host, message};

fn plain() -> Backend {
    Backend::new().begun().message(0, &["Hel", "lo"]).completed(json!([message(0, "Hello")]))
}

/// The stream with something of the backend's before its terminal.
fn with_block(block: &str) -> Vec<String> {
    let stream = Backend::new().begun().raw(block).message(0, &["a"]).completed(json!([]));
    Host::streaming().run(stream.wire()).types()
}

#[test]
fn a_streaming_client_gets_an_event_stream_without_headers_of_the_backend() {
    let head = Host::streaming().head();
    assert_eq!((head.carrier, head.delivery), (Carrier::Sse, Delivery::Stream));
    assert_eq!(head.headers["content-type"], "text/event-stream");
    assert_eq!(head.headers["cache-control"], "no-cache");
    assert_eq!(head.headers.len(), 2);
}

#[test]
fn other_clients_get_json_at_the_end() {
    let head = Host::collecting().head();
    assert_eq!((head.carrier, head.delivery), (Carrier::Json, Delivery::Whole));
    assert_eq!(head.headers["content-type"], "application/json");
    assert_eq!(head.headers.len(), 1);
}

#[test]
fn a_piece_is_changed_only_where_it_has_to_be() {
    let event = |kind: &str, number: u64, rest: &str| {
        let kind = format!("response.{kind}.delta");
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"delta\":\"a\",\"sequence_number\":{number}{rest}}}\n\n")
    };
    let (text, call, full) = ("output_text", "function_call_arguments", ",\"logprobs\":[]");
    let theirs = |block: String| block.replace("event: ", "event:").replace("data: ", "data:");
    let table = [
        (event(call, 10, ""), event(call, 10, "")),
        (event(text, 11, full), event(text, 11, full)),
        (event(text, 12, ""), event(text, 12, full)),
        (theirs(event(call, 13, "")), event(call, 13, "")),
        (theirs(event(text, 14, full)), event(text, 14, full)),
        (theirs(event(text, 15, "")), event(text, 15, full)),
        (event(text, 15, full), event(text, 16, full)),
        (event(text, 3, ""), event(text, 17, full)),
        (event(text, 20, ""), event(text, 20, full)),
    ];
    let (came, goes): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let stream = Backend::new().begun().raw(&came.concat()).completed(json!([]));
    let answer = Host::streaming().run(stream.wire()).bytes();
    assert!(answer.contains(&goes.concat()), "{answer}");
}

#[test]
fn a_stream_with_nothing_to_change_passes_byte_for_byte() {
    let stream = plain();
    assert_eq!(Host::streaming().run(stream.wire()).bytes(), stream.wire());
}

#[test]
fn an_untouched_event_is_not_copied() {
    let answer = Host::streaming().run(plain().wire());
    assert!(answer.frames.iter().all(pooler_filter::Frame::is_untouched));
}

#[test]
fn every_line_ending_and_label_gives_the_same_stream() {
    let expected = plain().wire().to_owned();
    let forms: [fn(&str) -> String; 7] = [
        |wire| wire.replace('\n', "\r\n"),
        |wire| wire.replace('\n', "\r"),
        |wire| wire.replace("data: ", "data:"),
        |wire| wire.lines().filter(|line| !line.starts_with("event:")).map(|line| format!("{line}\n")).collect(),
        |wire| wire.replace("event: response", "event:   response"),
        |wire| wire.replace("event: ", "id: 7\nevent: "),
        |wire| wire.replace("event: ", "retry: 9\n: comment\nevent: "),
    ];
    for (place, form) in forms.iter().enumerate() {
        assert_eq!(Host::streaming().run(&form(&expected)).bytes(), expected, "form {place}");
    }
}

#[test]
fn a_blank_label_counts_as_none() {
    let wire = plain().wire().replace("event: response.output_text.delta\n", "event:  \n");
    assert_eq!(Host::streaming().run(&wire).bytes(), plain().wire());
}

#[test]
fn data_of_several_lines_becomes_one_line() {
    let stream = plain();
    let wire = stream.wire().replace("{\"content_index\"", "{\ndata: \"content_index\"");
    assert_ne!(wire, stream.wire());
    let expected = stream.wire().replace("{\"content_index\"", "{ \"content_index\"");
    assert_eq!(Host::streaming().run(&wire).bytes(), expected);
}

#[test]
fn what_is_no_event_of_the_schema_is_dropped() {
    let clean = with_block("");
    let blocks = [
        ": keepalive\n\n",
        "data: [DONE]\n\n",
        "data: {\"type\":\"response.output_text.delta\",\n\n",
        "data: [1,2]\n\n",
        "data: \"text\"\n\n",
        "data: {}\n\n",
        "data: {\"type\":7}\n\n",
        "data: {\"type\":\"ping\"}\n\n",
        "data: {\"type\":\"response.\\nfoo\"}\n\n",
        "event: codex.rate_limits\ndata: {\"type\":\"codex.rate_limits\"}\n\n",
        "data: {\"type\":\"codex.response.metadata\"}\n\n",
        "data: {\"type\":\"response.metadata\"}\n\n",
        "data: {\"type\":\"response.moderation.started\"}\n\n",
        "data: {\"type\":\"response.moderation.completed\"}\n\n",
        "event: response.queued\ndata: {\"type\":\"response.in_progress\"}\n\n",
        "event: response.failed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n",
        "event: response.failed\n\n",
        "data: {\"type\":\"response.x\",\"type\":\"response.y\"}\n\n",
        "event: foo\ndata: {\"id\":\"resp_1\"}\n\n",
    ];
    for block in blocks {
        assert_eq!(with_block(block), clean, "{block}");
    }
}

#[test]
fn dropped_events_consume_no_number() {
    let stream = Backend::new()
        .begun()
        .raw("data: nonsense\n\ndata: {\"type\":\"codex.rate_limits\"}\n\n")
        .message(0, &["a"])
        .completed(json!([]));
    let numbers: Vec<u64> =
        Host::streaming().run(stream.wire()).events().iter().map(|e| e["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
}

#[test]
fn unknown_events_of_a_response_pass() {
    let types = with_block("data: {\"type\":\"response.some_new.thing\",\"x\":1}\n\n");
    assert!(types.contains(&"response.some_new.thing".to_owned()));
}

#[test]
fn nothing_follows_the_first_terminal() {
    let stream = plain().raw("data: [DONE]\n\n").begun().completed(json!([]));
    assert_eq!(Host::streaming().run(stream.wire()).bytes(), plain().wire());
    assert_eq!(Host::streaming().run_cut(stream.wire()).bytes(), plain().wire());
}

#[test]
fn numbers_are_kept_when_they_increase_and_repaired_when_they_do_not() {
    let delta = |number: &str| format!("data: {{\"type\":\"response.reasoning_text.delta\"{number}}}\n\n");
    let table = [
        (",\"sequence_number\":0", 0),
        (",\"sequence_number\":5", 5),
        (",\"sequence_number\":5", 6),
        (",\"sequence_number\":2", 7),
        ("", 8),
        (",\"sequence_number\":null", 9),
        (",\"sequence_number\":\"40\"", 10),
        (",\"sequence_number\":-1", 11),
        (",\"sequence_number\":12.5", 12),
        (",\"sequence_number\":9007199254740992", 13),
        (",\"sequence_number\":9007199254740990", 9_007_199_254_740_990),
    ];
    let mut wire = "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{}}\n\n".to_owned();
    wire += &table[1..].iter().map(|(number, _)| delta(number)).collect::<String>();
    let answer = Host::streaming().run_cut(&wire);
    let numbers: Vec<u64> = answer.events().iter().map(|e| e["sequence_number"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = table.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers[..table.len()], expected);
}

#[test]
fn a_stream_ends_when_no_number_is_left() {
    let created = "data: {\"type\":\"response.created\",\"sequence_number\":9007199254740991,\"response\":{\"id\":\"resp_1\"}}\n\n";
    let wire = created.to_owned() + Backend::new().message(0, &["a"]).completed(json!([])).wire();
    let answer = Host::streaming().run(&wire);
    assert_eq!(answer.types(), ["response.created", "response.failed"]);
    let failed = answer.event("response.failed");
    assert_eq!(failed["error"]["code"], "response_sequence_exhausted");
    assert_eq!(failed["response"]["id"], "resp_1");
}
