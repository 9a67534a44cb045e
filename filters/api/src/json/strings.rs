//! Where the strings of a text end, and that they are UTF-8.
//!
//! Outside its strings a text is ASCII or refused, so that UTF-8 is checked only where a block with a string has something else, while it is
//! still near.

use super::marks::{BLOCK, Marks};

/// Bytes whose UTF-8 is checked together: few calls, and still in the nearest memory.
const CHECKED_AT_ONCE: usize = 8 * 1024;

/// The strings of one text, from its begin to its end.
pub(super) struct Strings<'t> {
    text: &'t [u8],
    /// The block that was looked at last, and what it has.
    block: usize,
    marks: Marks,
    /// Up to where UTF-8 is checked, and whether a block behind that place has something to check.
    checked: usize,
    wide: bool,
}

/// The end of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Behind its last quote.
    pub(super) at: usize,
    /// Whether it has escapes.
    pub(super) escaped: bool,
}

/// There is no end: the byte at this place does not belong into a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endless(pub(super) usize);

impl<'t> Strings<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        let marks = Marks::at(text, 0);
        Self { text, block: 0, marks, checked: 0, wide: marks.wide }
    }

    /// The end of the string whose first quote stands before this place. Places only grow.
    #[inline]
    pub(super) fn end(&mut self, inside: usize) -> Result<Ended, Endless> {
        // Most strings are short: they end in the block that was looked at last, or in the one behind it.
        let at = inside % BLOCK;
        if inside - at == self.block {
            let special = self.marks.special >> at;
            let end = inside + special.trailing_zeros() as usize;
            if special != 0 && self.text.get(end) == Some(&b'"') {
                return self.ended(end + 1, false);
            }
        }
        self.long(inside)
    }

    #[inline(never)]
    fn long(&mut self, inside: usize) -> Result<Ended, Endless> {
        let mut block = inside - inside % BLOCK;
        if block != self.block {
            self.look_at(block);
        }
        let (mut from, mut escaped) = (inside, false);
        let mut special = self.marks.special & behind(from - block);
        loop {
            while special == 0 {
                block += BLOCK;
                if block >= self.text.len() {
                    return Err(Endless(self.text.len()));
                }
                self.look_at(block);
                // An escape may reach into the next block.
                special = self.marks.special & behind(from.saturating_sub(block));
            }
            let bit = special.trailing_zeros();
            let at = block + bit as usize;
            match self.text.get(at) {
                Some(b'"') => return self.ended(at + 1, escaped),
                Some(b'\\') => {
                    escaped = true;
                    from = at + escape_len(self.text, at)?;
                    // What is escaped counts no more; nothing else in an escape is marked.
                    special &= !(0b11 << bit);
                }
                _ => return Err(Endless(at)),
            }
        }
    }

    /// Checks what is left to check.
    pub(super) fn finish(&mut self) -> Result<(), Endless> {
        if self.wide { self.check(self.text.len()) } else { Ok(()) }
    }

    #[inline]
    fn ended(&mut self, at: usize, escaped: bool) -> Result<Ended, Endless> {
        if self.wide && at - self.checked >= CHECKED_AT_ONCE {
            self.check(at)?;
        }
        Ok(Ended { at, escaped })
    }

    fn look_at(&mut self, block: usize) {
        self.block = block;
        self.marks = Marks::at(self.text, block);
        self.wide |= self.marks.wide;
    }

    /// Checks up to this place, where a character ends. The block may have more of them.
    #[inline(never)]
    fn check(&mut self, end: usize) -> Result<(), Endless> {
        let unchecked = self.text.get(self.checked..end).unwrap_or_default();
        simdutf8::basic::from_utf8(unchecked).map_err(|_| Endless(self.checked))?;
        self.checked = end;
        self.wide = self.marks.wide;
        Ok(())
    }
}

/// The bits of a block from its byte `at` on.
const fn behind(at: usize) -> u64 {
    if at < BLOCK { u64::MAX << at } else { 0 }
}

/// What may stand behind a backslash by itself.
const ESCAPES: [bool; 256] = {
    let mut escapes = [false; 256];
    let mut at = 0;
    while at < ESCAPED.len() {
        escapes[ESCAPED[at] as usize] = true;
        at += 1;
    }
    escapes
};
const ESCAPED: &[u8] = br#""\/bfnrt"#;

/// The length of the escape that begins at this place.
#[inline]
fn escape_len(text: &[u8], at: usize) -> Result<usize, Endless> {
    match text.get(at + 1) {
        Some(byte) if ESCAPES[usize::from(*byte)] => Ok(2),
        Some(b'u') => {
            let digits = text.get(at + 2..).unwrap_or_default().iter().take(4);
            match digits.take_while(|byte| byte.is_ascii_hexdigit()).count() {
                4 => Ok(6),
                count => Err(Endless(at + 2 + count)),
            }
        }
        _ => Err(Endless(at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of the strings that begin after these quotes.
    fn end(text: &str) -> Result<Ended, Endless> {
        let (begin, _) = text.split_once('"').unwrap();
        Strings::of(text.as_bytes()).end(begin.len() + 1)
    }

    #[test]
    fn an_escape_is_one_wherever_blocks_meet() {
        for len in 0..3 * BLOCK {
            for escape in [r"\n", r#"\""#, r"\\", r"\u0022", r"\\\\", r#"\\\""#, r#"\u005c\""#] {
                let text = format!("[\"{}{escape}\"\"", "x".repeat(len));
                assert_eq!(end(&text), Ok(Ended { at: text.len() - 1, escaped: true }), "{text}");
            }
        }
    }

    #[test]
    fn what_does_not_belong_into_a_string_is_found_where_it_stands() {
        for len in 0..2 * BLOCK {
            for (tail, at) in [("", 0), ("\n", 0), (r"\", 1), (r"\x", 1), (r"\u", 2), (r"\u12", 4), (r"\u12g4\", 4)] {
                let text = format!("\"{}{tail}", "x".repeat(len));
                assert_eq!(end(&text), Err(Endless(1 + len + at)), "{text}");
            }
        }
    }

    #[test]
    fn utf_8_is_checked_whatever_the_distance() {
        for before in [0, 1, 60, CHECKED_AT_ONCE - 70, CHECKED_AT_ONCE, 3 * CHECKED_AT_ONCE] {
            for middle in 0..BLOCK {
                let begin = format!("\"é{}\"{}\"", "x".repeat(before), " ".repeat(middle));
                for (tail, good) in [(&b"\xc3\xa9\""[..], true), (b"\xff\"", false), (b"\xc3\"", false)] {
                    let text = [begin.as_bytes(), tail].concat();
                    let mut strings = Strings::of(&text);
                    let first = strings.end(1).unwrap();
                    let second = strings.end(first.at + middle + 1);
                    assert_eq!(second.and_then(|_| strings.finish()).is_ok(), good, "{before} {middle} {tail:?}");
                }
            }
        }
    }
}
