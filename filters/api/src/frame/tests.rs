use super::*;
use crate::sse::{Framer, Limits};

fn block(text: &'static str) -> Block {
    let mut framer = Framer::new(Limits::default());
    framer.push(Bytes::from_static(text.as_bytes()));
    framer.next_block().unwrap().unwrap()
}

#[test]
fn an_untouched_frame_is_written_as_it_came() {
    let text = "event:a\r\nid: 7\r\ndata:  {}\r\n\r\n";
    let frame = Frame::from_block(block(text));
    assert_eq!(frame.to_bytes(), text.as_bytes());
    assert_eq!(frame.name(), Some("a"));
}

#[test]
fn a_touched_frame_is_written_in_our_form() {
    let mut frame = Frame::from_block(block("event:a\r\ndata:{}\r\n\r\n"));
    frame.set_data("{\"x\":1}");
    assert_eq!(frame.to_bytes(), "event: a\ndata: {\"x\":1}\n\n");
    assert_eq!(frame.wire_len(), frame.to_bytes().len());
}

#[test]
fn members_are_added_wherever_the_frame_came_from() {
    let ours = Frame::from_block(block("event: a\ndata: {\"x\":1}\n\n"));
    let theirs = Frame::from_block(block("event:a\r\ndata:{\"x\":1}\r\n\r\n"));
    let unnamed = Frame::from_block(block("data: {\"x\":1}\n\n"));
    let own = Frame::event("a", "{\"x\":1}");
    let whole = "event: a\ndata: {\"x\":1,\"y\":2}\n\n";
    assert!(ours.is_in_our_form() && unnamed.is_in_our_form() && own.is_in_our_form());
    assert!(!theirs.is_in_our_form());
    for mut frame in [ours, theirs, own, unnamed] {
        assert!(frame.json_data().unwrap().root().get("y").is_none());
        let wire = if frame.name().is_some() { whole } else { &whole[9..] };
        frame.add_members(",\"y\":2");
        assert!(!frame.is_untouched());
        assert_eq!(frame.clone().to_bytes(), wire);
        assert_eq!(frame.data(), "{\"x\":1,\"y\":2}");
        assert_eq!(frame.json_data().unwrap().root().get("y").unwrap().as_u64(), Some(2));
        assert!(frame.wire_len() >= wire.len());
        frame.add_members(",\"z\":3");
        assert_eq!(frame.data(), "{\"x\":1,\"y\":2,\"z\":3}");
        frame.set_data("{}");
        assert_eq!(frame.data(), "{}");
    }
    let mut body = Frame::json("{\"x\":1}");
    body.add_members(",\"y\":2");
    assert_eq!(body.to_bytes(), "{\"x\":1,\"y\":2}");
}

#[test]
fn an_event_without_a_name_has_no_label() {
    let frame = Frame::unnamed("[DONE]");
    assert_eq!((frame.to_bytes(), frame.name()), ("data: [DONE]\n\n".into(), None));
}

#[test]
fn a_frame_knows_its_label_and_is_parsed_once() {
    let mut frame = Frame::from_block(block("event: response.completed\ndata: {\"a\":1}\n\n"));
    assert_eq!(frame.label(), Some(EventKind::Completed));
    let first = std::ptr::from_ref(frame.json_data().unwrap());
    assert_eq!(first, std::ptr::from_ref(frame.json_data().unwrap()));
    frame.set_data("{\"a\":2}");
    assert!(frame.json_data().unwrap().root().get("a").is_some_and(|a| a.as_u64() == Some(2)));
    assert!(Frame::unnamed("{").json_data().is_none());
    assert_eq!(Frame::event(" ", "{}").label(), None);
}

#[test]
fn a_body_is_written_bare() {
    assert_eq!(Frame::json("{}").to_bytes(), "{}");
}

#[test]
fn the_debug_form_tells_no_content() {
    assert_eq!(format!("{:?}", Frame::event("CANARY", "CANARY")), "Frame(Sse, 6 bytes)");
}
