//! The fields of the block that is being read, collected line by line.

use std::ops::Range;

use bytes::Bytes;

use super::Block;

/// What the lines of a block said so far. Ranges count from the start of the block.
#[derive(Debug, Default)]
pub(super) struct Fields {
    event: Option<Range<usize>>,
    data: Data,
}

#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    Line(Range<usize>),
    Joined(Vec<u8>),
}

impl Fields {
    /// Takes in the line at `line` of a block, its line ending not included. `block` has to reach to the end of the
    /// line.
    pub(super) fn line(&mut self, block: &[u8], line: Range<usize>) {
        let bytes = block.get(line.clone()).unwrap_or_default();
        if let Some(skipped) = value_start(bytes, b"data") {
            self.data_line(block, line.start + skipped..line.end);
        } else if let Some(skipped) = value_start(bytes, b"event") {
            let value = bytes.get(skipped..).unwrap_or_default();
            let start = line.start + skipped + (value.len() - value.trim_ascii_start().len());
            let len = value.trim_ascii().len();
            self.event = (len > 0).then(|| start..start + len);
        }
    }

    /// Where the event's name stands.
    pub(super) fn event(&self) -> Option<Range<usize>> {
        self.event.clone()
    }

    /// The data of the lines that have ended.
    pub(super) fn data<'a>(&'a self, block: &'a [u8]) -> Option<&'a [u8]> {
        match &self.data {
            Data::None => None,
            Data::Line(range) => block.get(range.clone()),
            Data::Joined(joined) => Some(joined),
        }
    }

    /// The finished block; the fields are empty afterwards.
    pub(super) fn take(&mut self, raw: Bytes) -> Block {
        let event = self.event.take().map(|range| raw.slice(range));
        let data = match std::mem::take(&mut self.data) {
            Data::None => None,
            Data::Line(range) => Some(raw.slice(range)),
            Data::Joined(joined) => Some(joined.into()),
        };
        Block { raw, event, data }
    }

    fn data_line(&mut self, block: &[u8], value: Range<usize>) {
        match &mut self.data {
            Data::None => self.data = Data::Line(value),
            Data::Line(first) => {
                let mut joined = Vec::with_capacity(first.len() + 1 + value.len());
                joined.extend_from_slice(block.get(first.clone()).unwrap_or_default());
                join(&mut joined, block, value);
                self.data = Data::Joined(joined);
            }
            Data::Joined(joined) => join(joined, block, value),
        }
    }
}

fn join(joined: &mut Vec<u8>, block: &[u8], value: Range<usize>) {
    joined.push(b'\n');
    joined.extend_from_slice(block.get(value).unwrap_or_default());
}

/// Where the value starts on a line of the field `name`: after the colon and one space.
pub(super) fn value_start(line: &[u8], name: &[u8]) -> Option<usize> {
    match line.strip_prefix(name)? {
        [] => Some(name.len()),
        [b':', b' ', ..] => Some(name.len() + 2),
        [b':', ..] => Some(name.len() + 1),
        _ => None,
    }
}
