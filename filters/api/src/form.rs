//! A form of the media type `multipart/form-data`: its parts in order, their bytes by reference (RFC 7578).

use std::fmt;

use bytes::{Bytes, BytesMut};

/// The parts of a form, in the order they came.
#[derive(Debug, Default)]
pub struct Form {
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part. `Debug` tells names and sizes, never contents.
#[derive(Default, Clone)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// Name of the file, for a part that is one.
    pub filename: Option<String>,
    /// Media type as the client gave it.
    pub content_type: Option<String>,
    /// The bytes.
    pub data: Chunks,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name).field("bytes", &self.data.len()).finish_non_exhaustive()
    }
}

/// Bytes in pieces, as they came from the wire: never copied together unless somebody needs them in one piece.
#[derive(Default, Clone)]
pub struct Chunks {
    pieces: Vec<Bytes>,
    len: usize,
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({} bytes)", self.len)
    }
}

impl From<Bytes> for Chunks {
    fn from(bytes: Bytes) -> Self {
        let mut chunks = Self::default();
        chunks.push(bytes);
        chunks
    }
}

impl Chunks {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push(piece);
        }
    }

    /// Adds all pieces of another one at the end.
    pub fn append(&mut self, other: Self) {
        self.len += other.len;
        self.pieces.extend(other.pieces);
    }

    /// Bytes in all.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order; none of them is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// All in one piece: a copy, unless it is one piece already.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => {
                let mut all = BytesMut::with_capacity(self.len);
                many.iter().for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }
}

impl Form {
    /// The first part of that name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The form on the wire, with this boundary, which must occur in no part. Contents are not copied.
    #[must_use]
    pub fn encode(&self, boundary: &str) -> Chunks {
        let mut out = Chunks::default();
        for part in &self.parts {
            let mut head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"", quoted(&part.name));
            if let Some(filename) = &part.filename {
                head.push_str("; filename=\"");
                head.push_str(&quoted(filename));
                head.push('"');
            }
            if let Some(kind) = &part.content_type {
                head.push_str("\r\ncontent-type: ");
                head.extend(kind.chars().filter(|c| !c.is_control()));
            }
            head.push_str("\r\n\r\n");
            out.push(head.into());
            out.append(part.data.clone());
            out.push(Bytes::from_static(b"\r\n"));
        }
        out.push(format!("--{boundary}--\r\n").into());
        out
    }
}

/// A name inside quotes: what would end them or the line is written as the HTML standard says.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_written_part_by_part_and_no_name_breaks_out_of_its_quotes() {
        let part = |name: &str, filename: Option<&str>, data: &'static [u8]| Part {
            name: name.into(),
            filename: filename.map(Into::into),
            content_type: filename.map(|_| "audio/wav".into()),
            data: Bytes::from_static(data).into(),
        };
        let form = Form { parts: vec![part("file", Some("a\"\r\nb"), b"RIFF"), part("prompt", None, b"hello")] };
        let wire = form.encode("xyz").to_bytes();
        let wanted = "--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a%22%0D%0Ab\"\r\ncontent-type: audio/wav\r\n\r\n\
                      RIFF\r\n--xyz\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\nhello\r\n--xyz--\r\n";
        assert_eq!(wire, wanted.as_bytes());
        assert_eq!(form.encode("xyz").len(), wanted.len());
    }

    #[test]
    fn the_debug_form_tells_no_content() {
        let part = Part { name: "file".into(), data: Bytes::from_static(b"CANARY").into(), ..Part::default() };
        assert!(!format!("{:?}", Form { parts: vec![part] }).contains("CANARY"));
    }
}
