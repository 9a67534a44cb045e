//! A still picture of all tables while groups are committed: the rows as they stood at one moment, read a piece at a time.
//!
//! As long as a picture is taken, each group keeps what it is about to change and what the picture has not reached yet, as it was. Nobody
//! waits: neither the committer for the reader, nor the reader for the committer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::trees::{Trees, read_error};
use crate::store::StoreError;
use crate::store::codec::Table;
use crate::store::draft::Writes;

/// Rows that are read in one go.
const PIECE: usize = 256;
/// Most bytes that are kept of rows that changed meanwhile; beyond that the picture is given up.
pub(super) const MOST_KEPT: usize = 64 << 20;
/// What an entry of the map takes beside its bytes, roughly.
const ENTRY: usize = 96;

/// Rows as they were, by table and key; none: there was no such row.
type Kept = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Rows of one table, by key.
type Piece = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is called for each row.
pub(in crate::store) type EachRow<'a> = &'a mut dyn FnMut(Table, &[u8], &[u8]) -> Result<(), StoreError>;

/// What is known of a picture that is being taken.
#[derive(Default)]
pub(super) struct Taking {
    kept: Kept,
    bytes: usize,
    /// The table that is being read, by its index, and the first key that was not reached.
    at: (usize, Vec<u8>),
    given_up: Option<&'static str>,
}

impl Taking {
    /// Keeps the rows that are about to be changed, as they are.
    pub(super) fn keep(&mut self, writes: &Writes, read: impl Fn(Table, &[u8]) -> Result<Option<Vec<u8>>, StoreError>) {
        if self.given_up.is_some() {
            return;
        }
        for place in writes.keys() {
            if self.reached(place) || self.kept.contains_key(place) {
                continue;
            }
            let Ok(row) = read(place.0, &place.1) else {
                self.give_up("a row cannot be read");
                return;
            };
            self.bytes += place.1.len() + row.as_ref().map_or(0, Vec::len) + ENTRY;
            self.kept.insert(place.clone(), row);
        }
        if self.bytes > MOST_KEPT {
            self.give_up("too much was changed meanwhile");
        }
    }

    fn reached(&self, (table, key): &(Table, Vec<u8>)) -> bool {
        (table.index(), key.as_slice()) < (self.at.0, self.at.1.as_slice())
    }

    fn give_up(&mut self, why: &'static str) {
        self.given_up = Some(why);
        self.kept.clear();
    }

    /// The picture has reached this place; what was kept before it is handed out.
    fn reach(&mut self, table: usize, key: Vec<u8>) -> Result<Kept, StoreError> {
        if let Some(why) = self.given_up {
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        self.at = (table, key);
        let rest = Table::ALL.get(self.at.0).map(|table| (*table, self.at.1.clone()));
        let later = rest.map(|place| self.kept.split_off(&place)).unwrap_or_default();
        let before = std::mem::replace(&mut self.kept, later);
        let size = |(place, row): (&(Table, Vec<u8>), &Option<Vec<u8>>)| {
            place.1.len() + row.as_ref().map_or(0, Vec::len) + ENTRY
        };
        self.bytes = self.bytes.saturating_sub(before.iter().map(size).sum());
        Ok(before)
    }
}

/// How much of a processor the reader may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All of it: somebody waits.
    Full,
    /// Half of it at most: it pauses as long as it works.
    Half,
}

/// A picture, until it is dropped.
pub(in crate::store) struct Still<'a> {
    trees: &'a Trees,
    pace: Pace,
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        *self.trees.taking.lock() = None;
    }
}

impl<'a> Still<'a> {
    /// The rows as they are now. One picture at a time.
    pub(super) fn begin(trees: &'a Trees, pace: Pace) -> Result<Self, StoreError> {
        let mut taking = trees.taking.lock();
        if taking.is_some() {
            return Err(StoreError::Unavailable("another backup is being made".to_owned()));
        }
        *taking = Some(Taking::default());
        drop(taking);
        Ok(Self { trees, pace })
    }

    /// Every row of every table, in order. To be called once.
    pub(in crate::store) fn rows(&self, visit: EachRow<'_>) -> Result<(), StoreError> {
        for table in Table::ALL {
            let mut next = Some(Vec::new());
            while let Some(start) = next {
                let began = Instant::now();
                let (rows, then) = self.piece(table, &start)?;
                for (key, row) in &rows {
                    visit(table, key, row)?;
                }
                next = then;
                if self.pace == Pace::Half && next.is_some() {
                    std::thread::park_timeout(began.elapsed().min(Duration::from_millis(100)));
                }
            }
        }
        Ok(())
    }

    /// Some rows from this key on, and where the next piece begins.
    fn piece(&self, table: Table, start: &[u8]) -> Result<(Piece, Option<Vec<u8>>), StoreError> {
        let mut rows = Piece::new();
        let range = (Bound::Included(start.to_vec()), Bound::Unbounded);
        for row in self.trees.tree(table).range(range).take(PIECE) {
            let (key, value) = row.map_err(|error| read_error(&error))?;
            rows.insert(key.to_vec(), value.to_vec());
        }
        let next =
            (rows.len() == PIECE).then(|| rows.last_key_value().map(|(key, _)| [key, &[0][..]].concat())).flatten();
        // Looked at after the tree: whatever of a later group was seen there, its row from before was kept by then.
        let reached = next.clone().map_or((table.index() + 1, Vec::new()), |next| (table.index(), next));
        let kept = match self.trees.taking.lock().as_mut() {
            Some(taking) => taking.reach(reached.0, reached.1)?,
            None => return Err(StoreError::Unavailable("the picture is over".to_owned())),
        };
        for ((_, key), row) in kept {
            match row {
                Some(row) => drop(rows.insert(key, row)),
                None => drop(rows.remove(&key)),
            }
        }
        Ok((rows, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(key: u64) -> Writes {
        Writes::from([((Table::Requests, key.to_be_bytes().to_vec()), None)])
    }

    #[test]
    fn rows_are_kept_as_they_were_first_and_until_they_are_reached() {
        let mut taking = Taking::default();
        let (early, late) = (Table::Requests.index(), 5_u64.to_be_bytes().to_vec());
        for (key, row) in [(3, 1), (7, 2), (7, 3)] {
            taking.keep(&writes(key), |_, _| Ok(Some(vec![row])));
        }
        let first = taking.reach(early, late).unwrap();
        assert_eq!(first.into_values().collect::<Vec<_>>(), [Some(vec![1])]);
        // What was reached is not kept any more.
        taking.keep(&writes(4), |_, _| panic!("nobody needs it"));
        taking.keep(&writes(9), |_, _| Ok(None));
        let rest = taking.reach(Table::ALL.len(), Vec::new()).unwrap();
        assert_eq!(rest.into_values().collect::<Vec<_>>(), [Some(vec![2]), None]);
        assert_eq!(taking.bytes, 0);
    }

    #[test]
    fn a_picture_that_would_keep_too_much_or_cannot_read_is_given_up() {
        let row = vec![0; 1 << 20];
        let mut taking = Taking::default();
        for key in 0..100 {
            taking.keep(&writes(key), |_, _| Ok(Some(row.clone())));
        }
        assert!(taking.kept.is_empty());
        assert!(matches!(taking.reach(0, Vec::new()), Err(StoreError::Unavailable(_))));
        let mut taking = Taking::default();
        taking.keep(&writes(1), |_, _| Err(StoreError::Corrupt("x".to_owned())));
        assert!(matches!(taking.reach(0, Vec::new()), Err(StoreError::Unavailable(_))));
    }
}
