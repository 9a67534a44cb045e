//! Writing an edited object: slices of the original text with the edits between them.

use bytes::{Bytes, BytesMut};

use super::{Change, JsonObject};
use crate::form::Chunks;

/// From this length on a piece is handed on as it is: one more piece to send costs more than copying a short one.
const SHARED: usize = 64 * 1024;

/// Where a member stands in the original text.
struct Member {
    /// After the comma or brace before it.
    start: usize,
    value_start: usize,
    value_end: usize,
    /// Before the comma after it; for the last one right after its value.
    end: usize,
}

/// The pieces of an object that has edits, and where in its text the value of the member `wanted` begins.
pub(super) fn edited<'a>(object: &'a JsonObject, wanted: &str) -> (Pieces<'a>, Option<usize>) {
    let text = object.json.bytes();
    let members = members(object, text);
    let open = object.json.root().span().0 + 1;
    let close = members.last().map_or(open, |(_, member)| member.end);
    let mut pieces = Pieces { text, list: Vec::with_capacity(8), written: 0, run: Some((0, open)), first: true };
    let found = object.original(wanted).map(|(key, _)| key);
    let mut place = None;
    for (key, member) in &members {
        match object.changes.get(key) {
            None => {
                pieces.keep(member.start, member.end);
                if found == Some(*key) {
                    place = Some(pieces.place_of(member.value_start));
                }
            }
            Some(Change::Replaced(written)) => {
                pieces.keep(member.start, member.value_start);
                pieces.put(&written.text, Some(&written.text));
                if found == Some(*key) {
                    place = Some(pieces.written - written.text.len());
                }
                pieces.run = Some((member.value_end, member.end));
            }
            Some(Change::Removed) => pieces.flush(),
        }
    }
    for added in &object.added {
        pieces.separate();
        pieces.put(&added.literal, None);
        pieces.put(b":", None);
        pieces.put(&added.value.text, Some(&added.value.text));
        if added.key().is(wanted) {
            place = Some(pieces.written - added.value.text.len());
        }
    }
    pieces.flush();
    pieces.put(text.get(close..).unwrap_or_default(), Some(text));
    (pieces, place)
}

/// The original members with their keys' places in the index.
fn members(object: &JsonObject, text: &[u8]) -> Vec<(u32, Member)> {
    let root = object.json.root();
    let mut members: Vec<(u32, Member)> = Vec::with_capacity(root.len());
    let mut start = root.span().0 + 1;
    for (key, value) in root.entry_nodes() {
        if let Some((_, before)) = members.last_mut() {
            // Only white space and one comma stand between a value and the next key.
            let gap = text.get(before.value_end..key.span().0).unwrap_or_default();
            before.end += memchr::memchr(b',', gap).unwrap_or_default();
            start = before.end + 1;
        }
        let (value_start, value_end) = value.span();
        members.push((key.node(), Member { start, value_start, value_end, end: value_end }));
    }
    members
}

/// The pieces of the new text. Neighbours of the original stay one piece with the comma between them.
pub(super) struct Pieces<'a> {
    text: &'a Bytes,
    /// Each with the memory that it is part of, where that is shared.
    list: Vec<(&'a [u8], Option<&'a Bytes>)>,
    /// Bytes in the list.
    written: usize,
    /// A piece of the original that may still grow.
    run: Option<(usize, usize)>,
    /// No member was written yet.
    first: bool,
}

impl<'a> Pieces<'a> {
    /// Takes over a member of the original, or the part of it before its value.
    fn keep(&mut self, start: usize, end: usize) {
        if let Some((_, run_end)) = &mut self.run {
            *run_end = end;
            self.first = false;
        } else {
            self.separate();
            self.run = Some((start, end));
        }
    }

    /// Ends what was written so far with a comma unless the next member is the first one.
    fn separate(&mut self) {
        self.flush();
        if !self.first {
            self.push(b",", None);
        }
        self.first = false;
    }

    fn put(&mut self, piece: &'a [u8], of: Option<&'a Bytes>) {
        self.flush();
        self.push(piece, of);
    }

    fn flush(&mut self) {
        if let Some((start, end)) = self.run.take() {
            self.push(self.text.get(start..end).unwrap_or_default(), Some(self.text));
        }
    }

    fn push(&mut self, piece: &'a [u8], of: Option<&'a Bytes>) {
        self.written += piece.len();
        self.list.push((piece, of));
    }

    /// Where a byte of the original that the current run has stands in the new text.
    fn place_of(&self, at: usize) -> usize {
        self.written + at - self.run.map_or(at, |(start, _)| start)
    }

    /// All in one piece.
    pub(super) fn join(self) -> Bytes {
        let mut text = Vec::with_capacity(self.written);
        for (piece, _) in self.list {
            text.extend_from_slice(piece);
        }
        text.into()
    }

    /// Long pieces as they are, short neighbours as one; and how much memory they keep. All is copied where that would be more than the
    /// text and a little: a part of a text keeps the whole of it.
    pub(super) fn share(self) -> (Chunks, usize) {
        let kept = self.kept();
        if kept > self.written + SHARED {
            let text = self.join();
            let len = text.len();
            return (text.into(), len);
        }
        let (mut chunks, mut short) = (Chunks::default(), BytesMut::new());
        for (piece, of) in self.list {
            match of.filter(|_| piece.len() >= SHARED) {
                Some(of) => {
                    chunks.push(short.split().freeze());
                    chunks.push(of.slice_ref(piece));
                }
                None => short.extend_from_slice(piece),
            }
        }
        chunks.push(short.freeze());
        (chunks, kept)
    }

    /// How much memory is kept when long pieces are shared.
    fn kept(&self) -> usize {
        let original = self.text.as_ptr_range();
        let (mut kept, mut keeps_original) = (0, false);
        for (piece, of) in &self.list {
            match of {
                Some(_) if piece.len() >= SHARED && original.contains(&piece.as_ptr()) => keeps_original = true,
                Some(of) if piece.len() >= SHARED => kept += of.len(),
                _ => kept += piece.len(),
            }
        }
        kept + if keeps_original { self.text.len() } else { 0 }
    }
}
