//! The form that nearly all blocks have: one line with the name, one with the data, both as we would write them.

use std::ops::Range;

pub(super) const EVENT: &[u8] = b"event: ";
const DATA: &[u8] = b"data: ";

/// Where the parts of a block in this form end. Ranges count from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    pub(super) name_end: usize,
    pub(super) end: usize,
}

impl Plain {
    /// The block that stands first, if it is whole.
    pub(super) fn first(text: &[u8]) -> Option<Self> {
        let name = line(text.strip_prefix(EVENT)?)?;
        let name_end = EVENT.len() + name.len();
        let data = line(text.get(name_end + 1..)?.strip_prefix(DATA)?)?;
        let end = name_end + 1 + DATA.len() + data.len() + 2;
        // White space around a name is no part of it.
        let bare = name.first()?.is_ascii_graphic() && name.last()?.is_ascii_graphic();
        (bare && text.get(end - 1) == Some(&b'\n')).then_some(Self { name_end, end })
    }

    pub(super) const fn data(self) -> Range<usize> {
        self.name_end + 1 + DATA.len()..self.end - 2
    }
}

/// The line that stands first, if it is all here and ends with an LF.
fn line(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'\n', b'\r', text)?;
    (text.get(end) == Some(&b'\n')).then(|| text.get(..end))?
}
