//! The changes of one group before they are written: each step sees what the steps before it changed, and a step that fails
//! leaves nothing behind.

use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, Range};

use pooler_filter::{KeyId, RequestId};

use super::StoreError;
use super::codec::{HourSums, MetaNumber, Stored, Table, decode, encode, key};
use super::open::Open;
use super::records::UsageSums;

/// What a scan calls for each row, in order, until it breaks.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError>;

/// Direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Rising,
    Falling,
}

/// Rows as an engine stores them.
pub(super) trait Rows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    fn scan(&self, table: Table, keys: Range<Vec<u8>>, order: Order, visit: Visit<'_>) -> Result<(), StoreError>;
}

/// Rows to be written (some) or deleted (none).
pub(super) type Writes = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Name of the number of rows in the table of requests.
pub(super) const REQUESTS: &str = "requests";

/// Rows with the changes of the present group on top.
pub(super) struct Draft<'a> {
    rows: &'a dyn Rows,
    group: Writes,
    step: Writes,
    /// What keys took, by key and hour; written once for the whole group.
    gains: HashMap<(KeyId, u32), UsageSums>,
    step_gains: Vec<(KeyId, u32, UsageSums)>,
    /// Rows of requests that are new, less those that go.
    requests: i64,
    step_requests: i64,
    open: &'a mut Open,
    step_turns: Vec<Turn>,
}

/// What becomes of the open requests.
#[derive(Clone, Copy)]
enum Turn {
    Begins(RequestId),
    Ends(RequestId),
    Recovered,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rows: &'a dyn Rows, open: &'a mut Open) -> Self {
        Self {
            rows,
            group: Writes::new(),
            step: Writes::new(),
            gains: HashMap::new(),
            step_gains: Vec::new(),
            requests: 0,
            step_requests: 0,
            open,
            step_turns: Vec::new(),
        }
    }

    /// Runs one step: all its changes join the group, or, when it fails, none.
    pub(super) fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = step(self);
        let changes = std::mem::take(&mut self.step);
        let requests = std::mem::take(&mut self.step_requests);
        let turns = std::mem::take(&mut self.step_turns);
        if result.is_ok() {
            self.requests += requests;
            turns.into_iter().for_each(|turn| self.turn(turn));
            self.group.extend(changes);
            for (key, hour, gain) in self.step_gains.drain(..) {
                *self.gains.entry((key, hour)).or_default() += gain;
            }
        } else {
            self.step_gains.clear();
        }
        result
    }

    /// Adds to the sums of a key. They are read and written once for each key, hour and group, however many requests ended.
    pub(super) fn gain(&mut self, key: &KeyId, hour: u32, gain: UsageSums) {
        self.step_gains.push((key.clone(), hour, gain));
    }

    /// Notes that rows of requests are new, or go if it is less than none. Their number is written once for the group, so that rows which the
    /// engine lost are missed (docs/store.md, Verification).
    pub(super) const fn count_requests(&mut self, more: i64) {
        self.step_requests += more;
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Begins(id) => self.open.begin(id),
            Turn::Ends(id) => self.open.end(id),
            Turn::Recovered => self.open.recovered(),
        }
    }

    /// A request is open from now on.
    pub(super) fn begin(&mut self, id: RequestId) {
        self.step_turns.push(Turn::Begins(id));
    }

    /// A request is not open any more.
    pub(super) fn end(&mut self, id: RequestId) {
        self.step_turns.push(Turn::Ends(id));
    }

    /// No request of an earlier boot is open any more.
    pub(super) fn recovered(&mut self) {
        self.step_turns.push(Turn::Recovered);
    }

    /// What is open, as of the steps before this one.
    pub(super) const fn open(&self) -> &Open {
        self.open
    }

    /// The number of rows of requests after this group; a store from before they were counted stays without one.
    fn write_requests(&mut self) -> Result<(), StoreError> {
        let more = std::mem::take(&mut self.requests);
        let place = key::meta(REQUESTS);
        if more == 0 {
            return Ok(());
        }
        match self.read::<MetaNumber>(&place) {
            Ok(None) => Ok(()),
            Ok(Some(MetaNumber(count))) => self.write(place, &MetaNumber(count.saturating_add_signed(more))),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(%error, "the number of requests is damaged");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The changes of all steps that succeeded. A sum that is damaged stays as it is, and does not keep requests from ending: their rows are
    /// the truth. An error: the engine cannot read.
    pub(super) fn into_writes(mut self) -> Result<Writes, StoreError> {
        for ((id, hour), gain) in std::mem::take(&mut self.gains) {
            let place = key::usage(&id, hour);
            let mut sums = match self.read::<HourSums>(&place) {
                Ok(sums) => sums.unwrap_or_default(),
                Err(error @ StoreError::Corrupt(_)) => {
                    tracing::error!(key = %id, hour, %error, "a sum of usage is damaged; requests of this hour are not counted");
                    continue;
                }
                Err(error) => return Err(error),
            };
            sums.0 += gain;
            self.write(place, &sums)?;
        }
        self.write_requests()?;
        if let Some(since) = self.open.moved() {
            self.write(key::open_since(), &since)?;
        }
        self.group.extend(self.step);
        Ok(self.group)
    }

    pub(super) fn read<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let place = (T::TABLE, key.to_vec());
        let bytes = match self.step.get(&place).or_else(|| self.group.get(&place)) {
            Some(changed) => changed.clone(),
            None => self.rows.get(T::TABLE, key)?,
        };
        bytes.map(|bytes| decode(key, &bytes)).transpose()
    }

    pub(super) fn write<T: Stored>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        let bytes = encode(&key, value)?;
        self.step.insert((T::TABLE, key), Some(bytes));
        Ok(())
    }

    pub(super) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.step.insert((table, key), None);
    }

    /// Every record of a table, by key. For tables that are small.
    pub(super) fn list<T: Stored>(&self) -> Result<Vec<T>, StoreError> {
        self.table(T::TABLE)?.iter().map(|(key, bytes)| decode(key, bytes)).collect()
    }

    /// The same of a table that can be made anew: what is damaged is passed over, and the log says so.
    pub(super) fn list_readable<T: Stored>(&self) -> Result<Vec<T>, StoreError> {
        let rows = self.table(T::TABLE)?;
        let read = rows.iter().filter_map(|(key, bytes)| match decode(key, bytes) {
            Ok(record) => Some(Ok(record)),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(%error, "a damaged row counts as absent");
                None
            }
            Err(error) => Some(Err(error)),
        });
        read.collect()
    }

    fn table(&self, wanted: Table) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut rows = BTreeMap::new();
        self.rows.scan(wanted, key::all(), Order::Rising, &mut |key, bytes| {
            rows.insert(key.to_vec(), bytes.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        for ((table, key), changed) in self.group.iter().chain(&self.step) {
            match changed {
                _ if *table != wanted => {}
                Some(bytes) => drop(rows.insert(key.clone(), bytes.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(rows)
    }

    /// The first keys of a range that are stored, are not changed in this group, and that `wanted` wants.
    pub(super) fn stored_keys(
        &self,
        table: Table,
        keys: Range<Vec<u8>>,
        limit: usize,
        wanted: impl Fn(&Self, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        self.rows.scan(table, keys, Order::Rising, &mut |key, _| {
            if found.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            let place = (table, key.to_vec());
            if !self.group.contains_key(&place) && !self.step.contains_key(&place) && wanted(self, key)? {
                found.push(place.1);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
