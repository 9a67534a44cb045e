//! Blocks that are taken many at once.

use super::*;

fn pushed(text: &'static str) -> Framer {
    let mut framer = Framer::new(Limits { ordinary: 40, terminal: 80 });
    framer.push(Bytes::from_static(text.as_bytes()));
    framer
}

const TWO: &str = "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n";

#[test]
fn plain_blocks_are_taken_as_long_as_they_may_pass() {
    let mut framer = pushed("event: a\ndata: 1\n\nevent: b\ndata: 2\n\nevent: c\ndata: 3\n\nevent: a\nda");
    assert_eq!(framer.next_run(|name| name != b"c").unwrap(), TWO);
    assert_eq!(framer.next_run(|name| name != b"c"), None);
    assert_eq!(framer.next_block().unwrap().unwrap().name(), Some("c"));
    assert_eq!((framer.next_run(|_| true), framer.next_block()), (None, Ok(None)));
    framer.push(Bytes::from_static(b"ta: 4\n\nevent: a\ndata: 5\n\n"));
    assert_eq!(framer.next_run(|_| true), None, "a block has begun");
    assert_eq!(framer.next_block().unwrap().unwrap().raw, "event: a\ndata: 4\n\n");
    assert_eq!(framer.next_run(|_| true).unwrap(), "event: a\ndata: 5\n\n");
    assert_eq!(framer.finish(), None);
}

#[test]
fn blocks_that_are_not_plain_are_not_taken() {
    for text in [
        "event:a\ndata: 1\n\n",
        "event: a\ndata:1\n\n",
        "event: a\r\ndata: 1\n\n",
        "event: a\ndata: 1\r\n\n",
        "event: a\ndata: 1\n\r\n",
        "event: a\ndata: 1\ndata: 2\n\n",
        "event: a\nid: 1\ndata: 1\n\n",
        "event: a\n\n",
        "event: a \ndata: 1\n\n",
        "event:  a\ndata: 1\n\n",
        "event: \ndata: 1\n\n",
        "data: 1\n\n",
        ": comment\n\n",
        "\u{feff}event: a\ndata: 1\n\n",
        "event: a\ndata: 12345678901234567890123456789\n\n",
    ] {
        assert_eq!(pushed(text).next_run(|_| true), None, "{text:?}");
    }
    assert_eq!(pushed("event: a\ndata: 12345678901234567890123\n\n").next_run(|_| true).unwrap().len(), 40);
}

#[test]
fn a_mark_after_a_run_is_no_byte_order_mark() {
    let mut framer = pushed("event: a\ndata: 1\n\n\u{feff}data: 2\n\n");
    assert!(framer.next_run(|_| true).is_some());
    assert_eq!(framer.next_block().unwrap().unwrap().data, None);
}
