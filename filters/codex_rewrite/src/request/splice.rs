//! A JSON text put together from pieces: long values of the request are referred to, not copied, until the text is joined once.

use bytes::Bytes;
use pooler_filter::json::{Key, Value, write_str};

/// From this length on a value is referred to: a reference costs more than copying a short value.
const LONG: usize = 512;

/// Room for the short pieces of a text that has many, in bytes.
const ROOM: usize = 1024;

/// The pieces of one JSON text, in order.
#[derive(Default)]
pub(super) struct Splice {
    /// The short pieces.
    text: Vec<u8>,
    /// The long ones, each with the place in `text` that it stands before.
    long: Vec<(usize, Bytes)>,
    /// How long these are together.
    long_len: usize,
}

impl Splice {
    /// Nothing yet, with room for many short pieces.
    pub(super) fn roomy() -> Self {
        Self { text: Vec::with_capacity(ROOM), ..Self::default() }
    }

    /// Adds a piece of JSON of our own.
    pub(super) fn lit(&mut self, text: &str) -> &mut Self {
        self.text.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds a value as the client wrote it.
    pub(super) fn raw(&mut self, value: Value<'_>) -> &mut Self {
        self.bytes(value.raw_bytes())
    }

    /// Adds what stands between the quotes of a string, escapes and all.
    pub(super) fn inner(&mut self, string: Value<'_>) -> &mut Self {
        let literal = string.raw_bytes();
        let end = literal.len().saturating_sub(1);
        self.bytes(literal.slice(1.min(end)..end))
    }

    /// Adds a key as the client wrote it, with its colon.
    pub(super) fn key(&mut self, key: Key<'_>) -> &mut Self {
        self.lit(key.raw()).lit(":")
    }

    /// Adds a text as a string literal.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        write_str(&mut self.text, text);
        self
    }

    /// Adds a further member of an object, if there is a value.
    pub(super) fn member(&mut self, name: &str, value: Option<Value<'_>>) -> &mut Self {
        match value {
            Some(value) => self.lit(",").text(name).lit(":").raw(value),
            None => self,
        }
    }

    /// Adds everything of another splice. A long one is referred to as well, or text deep inside would be copied once for each level.
    pub(super) fn splice(&mut self, other: Self) -> &mut Self {
        if other.text.len() >= LONG {
            return self.refer(other);
        }
        let before = self.text.len();
        self.text.extend_from_slice(&other.text);
        self.long_len += other.long_len;
        self.long.extend(other.long.into_iter().map(|(at, bytes)| (before + at, bytes)));
        self
    }

    /// How long the whole text is by now, in bytes.
    pub(super) const fn len(&self) -> usize {
        self.text.len() + self.long_len
    }

    /// The whole text. The only place where long values are copied.
    pub(super) fn join(self) -> Bytes {
        if self.long.is_empty() {
            return self.text.into();
        }
        let mut whole = Vec::with_capacity(self.len());
        let mut done = 0;
        for (at, bytes) in self.long {
            whole.extend_from_slice(self.text.get(done..at).unwrap_or_default());
            whole.extend_from_slice(&bytes);
            done = at;
        }
        whole.extend_from_slice(self.text.get(done..).unwrap_or_default());
        whole.into()
    }

    fn refer(&mut self, other: Self) -> &mut Self {
        let at = self.text.len();
        let text = Bytes::from(other.text);
        let mut done = 0;
        for (end, bytes) in other.long {
            if end > done {
                self.long.push((at, text.slice(done..end)));
            }
            self.long.push((at, bytes));
            done = end;
        }
        if text.len() > done {
            self.long.push((at, text.slice(done..)));
        }
        self.long_len += text.len() + other.long_len;
        self
    }

    fn bytes(&mut self, bytes: Bytes) -> &mut Self {
        if bytes.len() < LONG {
            self.text.extend_from_slice(&bytes);
        } else {
            self.long_len += bytes.len();
            self.long.push((self.text.len(), bytes));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(text: &str) -> Splice {
        let mut out = Splice::default();
        out.lit(text);
        out
    }

    #[test]
    fn pieces_stand_in_their_order_whatever_their_length() {
        let (short, long) = ("s", "l".repeat(LONG));
        for first in [short, &long] {
            for second in [short, &long] {
                let mut inner = lit(first);
                inner.bytes(Bytes::from(long.clone())).bytes(Bytes::from_static(b"b")).lit(second);
                inner.bytes(Bytes::from(long.clone()));
                let mut outer = lit("{");
                outer.splice(inner).lit(",").splice(lit(second)).lit("}");
                let wanted = format!("{{{first}{long}b{second}{long},{second}}}");
                assert_eq!(outer.len(), wanted.len());
                assert_eq!(outer.join(), wanted);
            }
        }
    }

    #[test]
    fn text_deep_inside_is_not_copied_for_each_level() {
        let mut nested = lit(&"x".repeat(1 << 20));
        for _ in 0..100 {
            let mut outer = lit("[");
            outer.splice(nested).lit("]");
            assert!(outer.text.len() < LONG, "only what is new stands in the text");
            nested = outer;
        }
        assert_eq!(nested.join().len(), (1 << 20) + 200);
    }
}
