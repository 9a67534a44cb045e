//! How often the store was opened and closed: stored in it and, after that, in a file beside the engine's. A store that is younger than its
//! file has lost what it had: the engine takes a file that ends too early for one whose end was never written, and an empty one for a new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::trees::Trees;
use crate::store::StoreError;
use crate::store::codec::{MetaNumber, Table, decode, encode, key};
use crate::store::draft::{Rows as _, Writes};

const KEY: &str = "age";
const FILE: &str = "age";

/// The age in the store; 0: it was never opened by a program that counts, or it is empty.
pub(super) fn stored(trees: &Trees) -> Result<u64, StoreError> {
    let key = key::meta(KEY);
    let bytes = trees.get(Table::Meta, &key)?;
    bytes.map_or(Ok(0), |bytes| decode::<MetaNumber>(&key, &bytes).map(|number| number.0))
}

/// The row that says so.
pub(super) fn row(age: u64) -> Result<Writes, StoreError> {
    let key = key::meta(KEY);
    let value = encode(&key, &MetaNumber(age))?;
    Ok(Writes::from([((Table::Meta, key), Some(value))]))
}

/// The age in the file. None: there is no file, or nothing can be learned from it; then what is in the store counts.
pub(super) fn noted(directory: &Path) -> io::Result<Option<u64>> {
    match fs::read(directory.join(FILE)) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the file anew: complete and on disk, or as it was. Only after the store has the same age on disk.
pub(super) fn note(directory: &Path, age: u64) -> io::Result<()> {
    let draft = directory.join("age.new");
    let mut file = File::create(&draft)?;
    file.write_all(text(age).as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

fn text(age: u64) -> String {
    format!("{age} {:08x}\n", crc32c::crc32c(age.to_string().as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let written = std::str::from_utf8(bytes).ok()?;
    let age = written.split(' ').next()?.parse().ok()?;
    (text(age) == written).then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_a_damaged_one_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(noted(directory.path()).unwrap(), None);
        note(directory.path(), 41).unwrap();
        note(directory.path(), 42).unwrap();
        assert_eq!(noted(directory.path()).unwrap(), Some(42));
        let good = text(42).into_bytes();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(parse(&bad), None, "{:?}", String::from_utf8_lossy(&bad));
            }
            assert_eq!(parse(&good[..at]), None);
        }
    }
}
