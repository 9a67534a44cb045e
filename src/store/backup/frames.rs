//! The file of a backup: a head that says how much follows, and one frame for each row.
//!
//! ```text
//! head   CXPOOLBK | format u32 | format of the store u32 | made at u64, milliseconds | revision u64 | rows u64 | bytes of all frames u64
//!        | crc32c u32 of all that
//! frame  length u32 | crc32c u32 | table u8 | length of the key u16 | key | value
//! ```
//!
//! Numbers are big-endian. The checksum of a frame covers its number and everything after the checksum, so that no frame passes for
//! another one; the value has the store's own checksum besides.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use pooler_filter::Timestamp;

use crate::store::codec::Table;
use crate::store::control::Rev;

const MAGIC: &[u8; 8] = b"CXPOOLBK";
/// Format of the file.
const FORMAT: u32 = 1;
const HEAD: usize = 8 + 4 + 4 + 8 + 8 + 8 + 8 + 4;
const FRAME: usize = 8;
/// No frame is larger: keys are short, and values have at most 64 KiB.
const MAX_FRAME: usize = 256 * 1024;

/// What the head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) store_format: u32,
    pub(super) made_at: Timestamp,
    pub(super) rev: Rev,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Head {
    fn encode(self) -> [u8; HEAD] {
        let mut out = Vec::with_capacity(HEAD);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.store_format.to_be_bytes());
        for number in [self.made_at.as_millis(), self.rev, self.rows, self.bytes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
        let mut head = [0; HEAD];
        head.copy_from_slice(&out);
        head
    }

    fn decode(bytes: &[u8; HEAD]) -> Result<Self, String> {
        let (said, sum) = bytes.split_at(HEAD - 4);
        if !said.starts_with(MAGIC) {
            return Err("it is no backup".to_owned());
        }
        if crc32c::crc32c(said).to_be_bytes() != sum {
            return Err("its head is damaged".to_owned());
        }
        let short = |at: usize| said[at..at + 4].iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        let long = |at: usize| said[at..at + 8].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        if short(8) != FORMAT {
            return Err(format!("it has format {}, this program knows format {FORMAT}", short(8)));
        }
        let (made_at, rev, rows, bytes) = (Timestamp::from_millis(long(16)), long(24), long(32), long(40));
        Ok(Self { store_format: short(12), made_at, rev, rows, bytes })
    }
}

fn sum(number: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_be_bytes()), payload)
}

/// Writes a backup; it is none before [`Writer::finish`].
pub(super) struct Writer {
    out: BufWriter<File>,
    rows: u64,
    bytes: u64,
}

impl Writer {
    /// Into this empty file.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(128 * 1024, file);
        out.write_all(&[0; HEAD])?;
        Ok(Self { out, rows: 0, bytes: 0 })
    }

    pub(super) fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::other("a key is too long for a backup");
        let mut payload = Vec::with_capacity(3 + key.len() + value.len());
        payload.push(u8::try_from(table.index()).unwrap_or(u8::MAX));
        payload.extend_from_slice(&u16::try_from(key.len()).map_err(too_long)?.to_be_bytes());
        payload.extend_from_slice(key);
        payload.extend_from_slice(value);
        if payload.len() > MAX_FRAME {
            return Err(io::Error::other("a row is too long for a backup"));
        }
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&sum(self.rows, &payload).to_be_bytes())?;
        self.out.write_all(&payload)?;
        self.rows += 1;
        self.bytes += (FRAME + payload.len()) as u64;
        Ok(())
    }

    /// Writes the head, and waits until everything is on disk.
    pub(super) fn finish(self, store_format: u32, made_at: Timestamp, rev: Rev) -> io::Result<Head> {
        let head = Head { store_format, made_at, rev, rows: self.rows, bytes: self.bytes };
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        file.write_all(&head.encode())?;
        file.sync_all()?;
        Ok(head)
    }
}

/// Reads a backup.
pub(super) struct Reader {
    from: BufReader<File>,
    pub(super) head: Head,
    read: u64,
}

/// Why a backup cannot be read: the file system, or what stands in it.
pub(super) enum Unreadable {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Reader {
    /// Looks at the head, and whether the file is as long as it says.
    pub(super) fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut from = BufReader::with_capacity(128 * 1024, file);
        let mut head = [0; HEAD];
        from.read_exact(&mut head).map_err(|error| {
            let cut = error.kind() == io::ErrorKind::UnexpectedEof;
            if cut { Unreadable::Damaged("it is too short".to_owned()) } else { Unreadable::Io(error) }
        })?;
        let head = Head::decode(&head).map_err(Unreadable::Damaged)?;
        let wanted = head.bytes.saturating_add(HEAD as u64);
        if length != wanted {
            return Err(Unreadable::Damaged(format!("it has {length} bytes and should have {wanted}")));
        }
        Ok(Self { from, head, read: 0 })
    }

    /// Every row, in order.
    pub(super) fn rows(
        mut self,
        mut visit: impl FnMut(Table, &[u8], &[u8]) -> Result<(), Unreadable>,
    ) -> Result<Head, Unreadable> {
        let mut left = self.head.bytes;
        let mut payload = Vec::new();
        while left > 0 {
            let damaged = |what: &str| Unreadable::Damaged(format!("row {}: {what}", self.read));
            let mut frame = [0; FRAME];
            if left < FRAME as u64 {
                return Err(damaged("it is cut"));
            }
            self.from.read_exact(&mut frame)?;
            let [l0, l1, l2, l3, s0, s1, s2, s3] = frame;
            let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
            left -= FRAME as u64;
            if length > MAX_FRAME || length as u64 > left {
                return Err(damaged("its length is wrong"));
            }
            payload.resize(length, 0);
            self.from.read_exact(&mut payload)?;
            left -= length as u64;
            if sum(self.read, &payload) != u32::from_be_bytes([s0, s1, s2, s3]) {
                return Err(damaged("the checksum is wrong"));
            }
            let Some((table, key, value)) = parts(&payload) else { return Err(damaged("it is malformed")) };
            visit(table, key, value)?;
            self.read += 1;
        }
        if self.read != self.head.rows {
            let (read, rows) = (self.read, self.head.rows);
            return Err(Unreadable::Damaged(format!("it has {read} rows and should have {rows}")));
        }
        Ok(self.head)
    }
}

fn parts(payload: &[u8]) -> Option<(Table, &[u8], &[u8])> {
    let [table, high, low, rest @ ..] = payload else { return None };
    let table = *Table::ALL.get(usize::from(*table))?;
    let (key, value) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((table, key, value))
}
