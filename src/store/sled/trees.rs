//! The fixed trees, and the one way to change them: one transaction over all trees that a group touches.

use std::ops::Range;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::store::StoreError;
use crate::store::codec::Table;
use crate::store::draft::{Order, Rows, Visit, Writes};

pub(super) struct Trees {
    db: sled::Db,
    /// By [`Table::index`].
    trees: Vec<sled::Tree>,
}

impl Trees {
    pub(super) fn new(db: sled::Db) -> Result<Self, sled::Error> {
        let trees = Table::ALL.iter().map(|table| db.open_tree(table.name())).collect::<Result<_, _>>()?;
        Ok(Self { db, trees })
    }

    fn tree(&self, table: Table) -> &sled::Tree {
        &self.trees[table.index()]
    }

    /// Writes all rows or none. Not durable before [`Self::flush`] and a sync of the file.
    pub(super) fn write(&self, writes: Writes) -> Result<(), sled::Error> {
        let mut tables: Vec<Table> = writes.keys().map(|(table, _)| *table).collect();
        tables.dedup();
        let mut batches = vec![sled::Batch::default(); tables.len()];
        for ((table, key), change) in writes {
            let batch = &mut batches[tables.partition_point(|other| *other < table)];
            match change {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let trees: Vec<sled::Tree> = tables.iter().map(|table| self.tree(*table).clone()).collect();
        let written = trees[..].transaction(|views| {
            for (view, batch) in views.iter().zip(&batches) {
                view.apply_batch(batch)?;
            }
            Ok::<(), ConflictableTransactionError<()>>(())
        });
        match written {
            Ok(()) => Ok(()),
            Err(TransactionError::Storage(error)) => Err(error),
            Err(TransactionError::Abort(())) => Err(sled::Error::Unsupported("a write aborted itself".to_owned())),
        }
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&self) -> Result<(), sled::Error> {
        self.db.flush().map(drop)
    }

    /// Puts bytes under a key as they are, past all checks.
    #[cfg(test)]
    pub(super) fn raw(&self, table: Table) -> &sled::Tree {
        self.tree(table)
    }
}

impl Rows for Trees {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.tree(table).get(key).map_err(|error| read_error(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, keys: Range<Vec<u8>>, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut rows = self.tree(table).range(keys);
        let mut next = || if order == Order::Rising { rows.next() } else { rows.next_back() };
        while let Some(row) = next() {
            let (key, value) = row.map_err(|error| read_error(&error))?;
            if visit(&key, &value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn read_error(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        sled::Error::Io(_)
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => StoreError::Unavailable(error.to_string()),
    }
}
