//! Framing by example: line endings, fields, splits, limits.

mod generated;
mod runs;

use bytes::Bytes;

use super::*;

/// Pushes the chunks and takes out every complete block after each.
fn blocks_of(framer: &mut Framer, chunks: &[&[u8]]) -> Result<Vec<Block>, BlockTooLarge> {
    let mut blocks = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(block) = framer.next_block()? {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

fn blocks(text: &str) -> Vec<Block> {
    blocks_of(&mut Framer::new(Limits::default()), &[text.as_bytes()]).unwrap()
}

/// Event and data of every block that a text holds.
fn fields(text: &str) -> Vec<(Option<String>, Option<String>)> {
    let text_of = |field: Option<Bytes>| field.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    blocks(text).into_iter().map(|block| (text_of(block.event), text_of(block.data))).collect()
}

fn data(text: &str) -> Vec<Option<String>> {
    fields(text).into_iter().map(|(_, data)| data).collect()
}

fn raws(blocks: &[Block]) -> Vec<&[u8]> {
    blocks.iter().map(|block| block.raw.as_ref()).collect()
}

#[test]
fn ends_lines_with_lf_cr_and_crlf() {
    for ending in ["\n", "\r", "\r\n"] {
        let text = "event: a\ndata: 1\n\n: note\n\ndata: 2\ndata: 3\n\n".replace('\n', ending);
        let found = fields(&text);
        let expected = [(Some("a"), Some("1")), (None, None), (None, Some("2\n3"))];
        let expected = expected.map(|(event, data)| (event.map(str::to_owned), data.map(str::to_owned)));
        assert_eq!(found, expected, "{ending:?}");
        assert_eq!(blocks(&text).iter().map(|block| block.raw.len()).sum::<usize>(), text.len());
    }
}

#[test]
fn ends_lines_with_mixed_endings() {
    let found = blocks("data: 1\r\n\ndata: 2\r\rdata: 3\n\rdata: 4\r\r\ndata: 5\n\r\n");
    let expected: [&[u8]; 5] = [b"data: 1\r\n\n", b"data: 2\r\r", b"data: 3\n\r", b"data: 4\r\r\n", b"data: 5\n\r\n"];
    assert_eq!(raws(&found), expected);
}

#[test]
fn reads_values_as_the_standard_says() {
    let one = |text: &str| data(text)[0].clone();
    assert_eq!(one("data:x\n\n").unwrap(), "x");
    assert_eq!(one("data:  x \n\n").unwrap(), " x ", "one space is taken off, no more");
    assert_eq!(one("data\n\n").unwrap(), "");
    assert_eq!(one("data:\ndata\n\n").unwrap(), "\n");
    assert_eq!(one("data: a\nid: 1\ndata: b\nretry: 5\ndata:\n\n").unwrap(), "a\nb\n");
    for none in ["datax: 1\n\n", " data: 1\n\n", ": data: 1\n\n", "Data: 1\n\n", "data : 1\n\n", "id: 1\n\n", "\n"] {
        assert_eq!(one(none), None, "{none:?}");
    }
}

#[test]
fn reads_the_last_event_name_without_the_space_around_it() {
    let one = |text: &str| fields(text)[0].0.clone();
    assert_eq!(one("event:a\n\n").unwrap(), "a");
    assert_eq!(one("event: \t a b \t\ndata: 1\n\n").unwrap(), "a b");
    assert_eq!(one("event: a\nevent: b\n\n").unwrap(), "b");
    for none in ["event: a\nevent:\n\n", "event:   \n\n", "event\n\n", "events: a\n\n", ":event: a\n\n"] {
        assert_eq!(one(none), None, "{none:?}");
    }
    assert_eq!(blocks("event: x\n\n")[0].name(), Some("x"));
}

#[test]
fn ignores_a_byte_order_mark_at_the_start_and_only_there() {
    assert_eq!(data("\u{feff}data: 1\n\n\u{feff}data: 2\n\n"), [Some("1".to_owned()), None]);
    assert_eq!(data("\u{feff}\ndata: 1\n\n"), [None, Some("1".to_owned())], "alone on its line it is a blank line");
    assert_eq!(data("\u{feff}\u{feff}data: 1\n\n"), [None]);
    let mut framer = Framer::new(Limits::default());
    let found = blocks_of(&mut framer, &[b"\xef", b"\xbb", b"\xbfdata:", b" 1\n", b"\n"]).unwrap();
    assert_eq!(found[0].data.as_deref(), Some(&b"1"[..]));
    assert_eq!(found[0].raw, "\u{feff}data: 1\n\n");
}

#[test]
fn makes_blank_lines_blocks_of_their_own() {
    assert_eq!(raws(&blocks("\n\r\r\ndata\n\n\n")), [&b"\n"[..], b"\r", b"\r\n", b"data\n\n", b"\n"]);
}

#[test]
fn hands_out_slices_of_the_chunk() {
    let chunk = Bytes::from_static(b"event: a\ndata: 1\n\ndata: 2\n\nda");
    let mut framer = Framer::new(Limits::default());
    framer.push(chunk.clone());
    let mut slices = 0;
    while let Some(block) = framer.next_block().unwrap() {
        for bytes in [Some(block.raw), block.event, block.data].into_iter().flatten() {
            assert!(chunk.as_ptr_range().contains(&bytes.as_ptr()));
            slices += 1;
        }
    }
    assert_eq!(slices, 5);
    let rest = framer.finish().unwrap();
    assert_eq!(rest, "da");
    assert!(chunk.as_ptr_range().contains(&rest.as_ptr()));
}

#[test]
fn hands_a_block_out_at_its_last_cr_and_the_lf_that_follows_on_its_own() {
    let mut framer = Framer::new(Limits::default());
    let found = blocks_of(&mut framer, &[b"data: 1\r\n\r"]).unwrap();
    assert_eq!(raws(&found), [b"data: 1\r\n\r"]);
    assert!(!framer.has_partial());
    let found = blocks_of(&mut framer, &[b"\ndata: 2\r", b"\n\r\n"]).unwrap();
    assert_eq!(raws(&found), [&b"\n"[..], b"data: 2\r\n\r\n"]);
    assert_eq!((found[0].data.clone(), found[1].data.as_deref()), (None, Some(&b"2"[..])));
    assert!(!framer.has_partial());
}

#[test]
fn tells_whether_a_block_is_unfinished() {
    let mut framer = Framer::new(Limits::default());
    assert!(!framer.has_partial());
    for (chunk, partial) in [("d", 1), ("ata: 1\n", 8), ("\n", 0), (": x\n\n", 0), ("data: 2\n\nda", 2), ("", 2)] {
        blocks_of(&mut framer, &[chunk.as_bytes()]).unwrap();
        assert_eq!((framer.has_partial(), framer.partial_len()), (partial > 0, partial), "{chunk:?}");
    }
    assert_eq!(framer.finish().unwrap(), "da");
    assert_eq!((framer.has_partial(), framer.finish()), (false, None));
}

#[test]
fn returns_an_unfinished_block_at_the_end_and_never_as_an_event() {
    let mut framer = Framer::new(Limits::default());
    let found = blocks_of(&mut framer, &[b"data: 1\n\nevent: response.completed\n", b"data: {}\n"]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(framer.finish().unwrap(), "event: response.completed\ndata: {}\n");
    framer.push("\u{feff}data: 2\n\n".into());
    let block = framer.next_block().unwrap().unwrap();
    assert_eq!(block.data.unwrap(), "2", "after the end it stands at a beginning again");
}

#[test]
fn keeps_what_was_pushed_before_anybody_asked() {
    let mut framer = Framer::new(Limits::default());
    for chunk in ["data: ", "1\n", "\ndata: 2", "\n\nda"] {
        framer.push(chunk.into());
    }
    assert_eq!(framer.partial_len(), 20);
    let mut found = Vec::new();
    while let Some(block) = framer.next_block().unwrap() {
        found.push(block.raw);
    }
    assert_eq!(found, ["data: 1\n\n", "data: 2\n\n"]);
    assert_eq!(framer.finish().unwrap(), "da");
}

#[test]
fn looks_at_every_byte_once_however_small_the_chunks() {
    // Looking again at what is there with every byte would take hours.
    let mut framer = Framer::new(Limits::default());
    for _ in 0..4 << 20 {
        framer.push(Bytes::from_static(b"x"));
        assert_eq!(framer.next_block(), Ok(None));
    }
    assert_eq!(framer.partial_len(), 4 << 20);
}

const SMALL: Limits = Limits { ordinary: 64, terminal: 256 };

/// The last accepted and the first refused size of a block that begins like this, whole and in pieces of that size.
fn bounds(beginning: &str, piece: usize) -> (usize, usize) {
    let fits = |len: usize| {
        let text = format!("{beginning}{}\n\n", "x".repeat(len - beginning.len() - 2));
        let chunks: Vec<_> = text.as_bytes().chunks(piece).collect();
        blocks_of(&mut Framer::new(SMALL), &chunks).map(|found| assert_eq!(raws(&found), [text.as_bytes()])).is_ok()
    };
    let refused = (beginning.len() + 3..400).find(|&len| !fits(len)).unwrap();
    (refused - 1, refused)
}

#[test]
fn refuses_blocks_over_their_limit_in_any_pieces() {
    for piece in [1, 7, 64, 400] {
        for ordinary in [
            "data: ",
            ": ",
            "",
            "id",
            "event: response.created\ndata: ",
            r#"data: {"type":"response.created","x":""#,
            "event: error\ndata: ",
            r#"data: {"x":{"type":"response.failed"},"y":"#,
            "data: response.completed",
            r#"data: {"x":"\"type\":\"response.failed\"","y":"#,
            r#"data: ["type","response.done""#,
            r#": {"type":"response.completed"}"#,
            r#"data: {"type" "response.completed","#,
        ] {
            assert_eq!(bounds(ordinary, piece), (64, 65), "{ordinary} {piece}");
        }
        for terminal in [
            "\u{feff}event: response.done\n",
            "\u{feff}data: {\"type\":\"response.done\",",
            "event: response.completed\ndata: ",
            "event:response.done \n",
            "data: 1\nevent: response.failed\ndata: ",
            "event: response.incomplete\r\ndata: ",
            r#"data: {"type":"response.completed","x":""#,
            r#"data:{ "type" : "response.failed" , "#,
            r#"data: {"n":-1,"type":"response.done","#,
            "data: {\ndata: \"type\":\"response.incomplete\"\ndata:",
            r#"data: {"t":true,"s":"\"{\\","type":"response.done""#,
        ] {
            assert_eq!(bounds(terminal, piece), (256, 257), "{terminal} {piece}");
        }
    }
}

#[test]
fn counts_every_block_for_itself() {
    let text = format!("data: {}\n\n", "x".repeat(50)).repeat(20);
    for piece in [1, 13, 2000] {
        let chunks: Vec<_> = text.as_bytes().chunks(piece).collect();
        assert_eq!(blocks_of(&mut Framer::new(SMALL), &chunks).unwrap().len(), 20);
    }
    let completed = format!("event: response.completed\ndata: {}\n\n", "x".repeat(100));
    let mut framer = Framer::new(SMALL);
    assert_eq!(blocks_of(&mut framer, &[completed.as_bytes()]).unwrap().len(), 1);
    let after = format!("data: {}", "x".repeat(100));
    assert!(blocks_of(&mut framer, &[after.as_bytes()]).is_err(), "what one block may the next may not");
}

#[test]
fn stays_refused_and_takes_in_nothing_more() {
    let mut framer = Framer::new(SMALL);
    let first = blocks_of(&mut framer, &[b"data: 1\n\n", "x".repeat(100).as_bytes()]);
    assert_eq!(first, Err(BlockTooLarge { limit: 64 }));
    let held = framer.partial_len();
    assert_eq!(blocks_of(&mut framer, &[b"\n\ndata: 1\n\n"]), Err(BlockTooLarge { limit: 64 }));
    assert_eq!(framer.partial_len(), held);
    let mut framer = Framer::new(SMALL);
    let completed = format!("event: response.completed\n{}", "x".repeat(300));
    assert_eq!(blocks_of(&mut framer, &[completed.as_bytes()]), Err(BlockTooLarge { limit: 256 }));
}

#[test]
fn limits_are_those_of_the_protocol_by_default() {
    assert_eq!(Limits::default(), Limits { ordinary: 8 * 1024 * 1024, terminal: 64 * 1024 * 1024 });
}

#[test]
fn writes_events_that_read_as_they_were_meant() {
    assert_eq!(Block::new(None, "{}").raw, "data: {}\n\n");
    assert_eq!(Block::new(Some(" a "), "1\r\n2\r3\n").raw, "event: a\ndata: 1\ndata: 2\ndata: 3\ndata: \n\n");
    assert_eq!(Block::new(Some("a\ndata: x"), "").raw, "event: a\ndata: \n\n");
    assert_eq!(Block::new(Some(" \t"), "x").event, None);
}

#[test]
fn tells_sizes_and_no_contents_when_printed() {
    let mut framer = Framer::new(Limits { ordinary: 100, terminal: 200 });
    framer.push("data: secret".into());
    let shown = format!("{:?} {framer:?}", Block::new(Some("ping"), "hunter2"));
    assert_eq!(
        shown,
        "Block { raw: 27, event: Some(4), data: Some(7) } Framer { limits: Limits { ordinary: 100, terminal: 200 }, \
         partial_len: 12, failed: None, .. }"
    );
}
