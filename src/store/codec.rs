//! Rows as bytes. A value is `version u8 | schema u16 | crc32c u32 | postcard body`, big-endian; a key is a format byte and
//! fixed-width big-endian parts, so that bytes sort as ids and numbers do.
//!
//! The checksum covers the table and the key as well as the body: a row that turns up in a wrong place is found out.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::ops::Range;

use pooler_filter::{AccountId, KeyId, PoolId, RequestId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records::{
    AccountRecord, AssignmentRecord, CatalogSeen, CatalogSource, FileRecord, KeyRecord, PoolRecord, RequestRecord,
    TokenRecord, UsageSums,
};
use super::{ChangeRecord, KeyMark, Rev, StoreError};

/// Format of keys and values; another number means another program.
const FORMAT: u8 = 1;
const HEADER: usize = 7;
/// The engine keeps values up to this size where they are synced; larger ones would go to files that are not.
pub(super) const MAX_VALUE: usize = 64 * 1024;
/// Memory for a value before its size is known: the row of a request.
const LIKELY_VALUE: usize = 384;

/// The fixed tables. Their order is their number in the checksum, so new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Meta,
    Pools,
    Keys,
    Accounts,
    Assignments,
    Tokens,
    Changes,
    Requests,
    OpenRequests,
    KeyMarks,
    Files,
    CatalogSources,
    CatalogSeen,
    UsageHours,
    UsageDays,
}

impl Table {
    pub(super) const ALL: [Self; 15] = [
        Self::Meta,
        Self::Pools,
        Self::Keys,
        Self::Accounts,
        Self::Assignments,
        Self::Tokens,
        Self::Changes,
        Self::Requests,
        Self::OpenRequests,
        Self::KeyMarks,
        Self::Files,
        Self::CatalogSources,
        Self::CatalogSeen,
        Self::UsageHours,
        Self::UsageDays,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Pools => "pools",
            Self::Keys => "keys",
            Self::Accounts => "accounts",
            Self::Assignments => "assignments",
            Self::Tokens => "secrets",
            Self::Changes => "changes",
            Self::Requests => "requests",
            Self::OpenRequests => "requests_open",
            Self::KeyMarks => "key_marks",
            Self::Files => "files",
            Self::CatalogSources => "catalog_sources",
            Self::CatalogSeen => "catalog_seen",
            Self::UsageHours => "usage_hours",
            Self::UsageDays => "usage_days",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// A record that has a table of its own.
pub(super) trait Stored: Serialize + DeserializeOwned {
    const TABLE: Table;
    const SCHEMA: u16 = 1;
}

/// A number in the meta table.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize)]
pub(super) struct MetaNumber(pub(super) u64);

/// No open request is older than this, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize)]
pub(super) struct OpenSince(pub(super) u64);

/// What a key took in one hour.
#[derive(Debug, Clone, Copy, Default, Serialize, serde::Deserialize)]
pub(super) struct HourSums(pub(super) UsageSums);

/// What a key took on one day.
#[derive(Debug, Clone, Copy, Default, Serialize, serde::Deserialize)]
pub(super) struct DaySums(pub(super) UsageSums);

macro_rules! stored {
    ($($record:ty => $table:ident),+ $(,)?) => { $(impl Stored for $record { const TABLE: Table = Table::$table; })+ };
}
stored! {
    MetaNumber => Meta, PoolRecord => Pools, KeyRecord => Keys, AccountRecord => Accounts, AssignmentRecord => Assignments,
    TokenRecord => Tokens, ChangeRecord => Changes, RequestRecord => Requests, OpenSince => OpenRequests, KeyMark => KeyMarks,
    FileRecord => Files,
    CatalogSource => CatalogSources, CatalogSeen => CatalogSeen, HourSums => UsageHours, DaySums => UsageDays,
}

/// The bytes of a value.
pub(super) fn encode<T: Stored>(key: &[u8], value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(LIKELY_VALUE);
    bytes.resize(HEADER, 0);
    bytes = postcard::to_extend(value, bytes)
        .map_err(|error| StoreError::Invalid(format!("{}: {error}", T::TABLE.name())))?;
    if bytes.len() > MAX_VALUE {
        return Err(StoreError::Invalid(format!("{}: the record is over 64 KiB", T::TABLE.name())));
    }
    bytes[0] = FORMAT;
    bytes[1..3].copy_from_slice(&T::SCHEMA.to_be_bytes());
    let sum = checksum(T::TABLE, [bytes[0], bytes[1], bytes[2]], key, &bytes[HEADER..]);
    bytes[3..HEADER].copy_from_slice(&sum.to_be_bytes());
    Ok(bytes)
}

/// The value of the bytes, or [`StoreError::Corrupt`] for anything that was not written exactly so at this place.
pub(super) fn decode<T: Stored>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("{} {}: {what}", T::TABLE.name(), hex::encode(key)));
    let [format, schema_high, schema_low, s0, s1, s2, s3, body @ ..] = bytes else {
        return Err(corrupt("the value is too short"));
    };
    let sum = checksum(T::TABLE, [*format, *schema_high, *schema_low], key, body);
    if sum != u32::from_be_bytes([*s0, *s1, *s2, *s3]) {
        return Err(corrupt("the checksum is wrong"));
    }
    if *format != FORMAT || u16::from_be_bytes([*schema_high, *schema_low]) != T::SCHEMA {
        return Err(corrupt("the format is unknown"));
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(corrupt("the content is malformed")),
    }
}

fn checksum(table: Table, head: [u8; 3], key: &[u8], body: &[u8]) -> u32 {
    let [format, high, low] = head;
    let place = [u8::try_from(table.index()).unwrap_or(u8::MAX), format, high, low];
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&place), key), body)
}

/// Keys of the tables.
pub(super) mod key {
    use super::{AccountId, FORMAT, KeyId, PoolId, Range, RequestId, Rev, Timestamp};

    fn of(parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
        key.push(FORMAT);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }

    pub(in crate::store) fn meta(name: &str) -> Vec<u8> {
        of(&[name.as_bytes()])
    }

    pub(in crate::store) fn pool(id: PoolId) -> Vec<u8> {
        of(&[id.as_bytes()])
    }

    pub(in crate::store) fn pool_key(id: &KeyId) -> Vec<u8> {
        of(&[id.as_str().as_bytes()])
    }

    pub(in crate::store) fn account(id: AccountId) -> Vec<u8> {
        of(&[id.as_bytes()])
    }

    pub(in crate::store) fn assignment(pool: PoolId, account: AccountId) -> Vec<u8> {
        of(&[pool.as_bytes(), account.as_bytes()])
    }

    pub(in crate::store) fn change(rev: Rev) -> Vec<u8> {
        of(&[&rev.to_be_bytes()])
    }

    pub(in crate::store) fn request(id: RequestId) -> Vec<u8> {
        of(&[id.as_bytes()])
    }

    /// The one row of its table.
    pub(in crate::store) fn open_since() -> Vec<u8> {
        of(&[b"since"])
    }

    pub(in crate::store) fn key_mark(key_id: &str) -> Vec<u8> {
        of(&[key_id.as_bytes()])
    }

    /// The public half of a key has a fixed width; its length is told all the same, so that no key is the beginning of another.
    fn owner(pool: PoolId, key: &KeyId) -> Vec<u8> {
        let length = u8::try_from(key.as_str().len()).unwrap_or(u8::MAX);
        of(&[pool.as_bytes(), &[length], key.as_str().as_bytes()])
    }

    pub(in crate::store) fn file(pool: PoolId, key: &KeyId, id: &str) -> Vec<u8> {
        let mut place = owner(pool, key);
        place.extend_from_slice(id.as_bytes());
        place
    }

    /// Every file of one key of a pool; ids are text, which has no byte 255.
    pub(in crate::store) fn files(pool: PoolId, key: &KeyId) -> Range<Vec<u8>> {
        let start = owner(pool, key);
        let end = [start.as_slice(), &[u8::MAX]].concat();
        start..end
    }

    /// Since when the pool knows the model.
    pub(in crate::store) fn seen(pool: PoolId, model: &str) -> Vec<u8> {
        of(&[pool.as_bytes(), model.as_bytes()])
    }

    /// The sums of a key in the span of this number. The length keeps a key apart from one that it is the beginning of.
    pub(in crate::store) fn usage(id: &KeyId, number: u32) -> Vec<u8> {
        let id = id.as_str().as_bytes();
        of(&[&[u8::try_from(id.len()).unwrap_or(u8::MAX)], id, &number.to_be_bytes()])
    }

    /// The sums of a key in the span of this number and all later ones.
    pub(in crate::store) fn usage_since(id: &KeyId, number: u32) -> Range<Vec<u8>> {
        let mut end = usage(id, u32::MAX);
        end.push(0);
        usage(id, number)..end
    }

    /// The key and the number of the span in such a key.
    pub(in crate::store) fn usage_parts(key: &[u8]) -> Option<(KeyId, u32)> {
        let (id, number) = key.get(2..)?.split_last_chunk()?;
        Some((KeyId::new(std::str::from_utf8(id).ok()?), u32::from_be_bytes(*number)))
    }

    /// Every key of a table.
    pub(in crate::store) fn all() -> Range<Vec<u8>> {
        vec![FORMAT]..vec![FORMAT + 1]
    }

    /// Every request whose id was made before this moment: a UUIDv7 begins with 48 bits of milliseconds.
    pub(in crate::store) fn requests_before(moment: Timestamp) -> Range<Vec<u8>> {
        vec![FORMAT]..made_at(moment.as_millis())
    }

    /// Every request whose id was made then or later.
    pub(in crate::store) fn requests_since(millis: u64) -> Range<Vec<u8>> {
        made_at(millis)..vec![FORMAT + 1]
    }

    fn made_at(millis: u64) -> Vec<u8> {
        of(&[&millis.min((1 << 48) - 1).to_be_bytes()[2..]])
    }

    /// The id in the key of a request.
    pub(in crate::store) fn request_id(key: &[u8]) -> Option<RequestId> {
        Some(RequestId::from_bytes(key.get(1..)?.try_into().ok()?))
    }

    /// Every request whose id begins with these hex digits; none if the text is something else.
    pub(in crate::store) fn requests_like(prefix: &str) -> Option<Range<Vec<u8>>> {
        let digits: Vec<u8> = prefix
            .bytes()
            .filter(|byte| *byte != b'-')
            .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        if digits.is_empty() || digits.len() > 32 {
            return None;
        }
        let fill = |rest: u8| {
            let nibble = |at: usize| digits.get(at).copied().unwrap_or(rest);
            let bytes: Vec<u8> = (0..16).map(|byte| nibble(2 * byte) << 4 | nibble(2 * byte + 1)).collect();
            of(&[&bytes])
        };
        let mut end = fill(0xf);
        end.push(0);
        Some(fill(0)..end)
    }
}

#[cfg(test)]
mod tests;
