//! Looks at every row of a store or a backup: whether it is what was written, stands where it belongs, and whether what it refers to is there
//! (docs/store.md, Verification).

use std::collections::{BTreeMap, HashMap, HashSet};

use pooler_filter::{AccountId, KeyId, PoolId, RequestId};

use super::codec::{DaySums, HourSums, MetaNumber, OpenSince, Stored, Table, decode, key};
use super::control::{ChangeRecord, KeyMark};
use super::draft::REQUESTS;
use super::open::made_at;
use super::records::{
    AccountRecord, AccountStatus, AssignmentRecord, CatalogSeen, CatalogSource, FileRecord, KeyRecord, PoolRecord,
    RequestRecord, RequestState, Span, TokenRecord, UsageSums,
};
use super::{Pace, SledOptions, SledStore, StoreError, StoreOpenError};

/// Most findings that are told one by one.
const MOST_TOLD: usize = 100;
const HOURS: u32 = 24;

/// What was found of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableReport {
    /// Rows, damaged ones included.
    pub rows: u64,
    /// Rows that are not what was written, or stand in a wrong place.
    pub damaged: u64,
    /// Rows that refer to something that is not there, or that lack what must be there.
    pub orphans: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// Damaged, or else an orphan.
    pub damaged: bool,
    /// What it is; never a secret.
    pub what: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// By the name of the table, all tables.
    pub tables: BTreeMap<&'static str, TableReport>,
    /// The first 100 things that are wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }

    /// Damaged rows of all tables.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.tables.values().map(|table| table.damaged).sum()
    }

    /// Orphans of all tables.
    #[must_use]
    pub fn orphans(&self) -> u64 {
        self.tables.values().map(|table| table.orphans).sum()
    }
}

/// Opens a store that nobody has, and looks at all of it.
///
/// # Errors
/// [`StoreOpenError`]: another process has it, it is damaged as a whole, or it is not there.
pub fn verify(options: &SledOptions) -> Result<Report, StoreOpenError> {
    let path = options.path().to_owned();
    // Opening would make one.
    let empty = || std::fs::read_dir(&path).map(|mut entries| entries.next().is_none());
    match empty() {
        Ok(false) => {}
        Ok(true) => return Err(StoreOpenError::Io { path, source: std::io::ErrorKind::NotFound.into() }),
        Err(source) => return Err(StoreOpenError::Io { path, source }),
    }
    let options = options.clone();
    let whole = |detail: &str| StoreOpenError::Damaged { path: path.clone(), detail: detail.to_owned() };
    // The engine panics on some damage.
    let looking = std::thread::spawn(move || -> Result<Result<Report, StoreError>, StoreOpenError> {
        let store = SledStore::open(&options)?;
        let report = store.verify();
        store.close();
        Ok(report)
    });
    match looking.join() {
        Ok(Ok(Ok(report))) => Ok(report),
        Ok(Ok(Err(error))) => Err(whole(&error.to_string())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(whole("the engine panicked while its rows were read")),
    }
}

impl SledStore {
    /// Looks at every row as it is now. Blocks.
    ///
    /// # Errors
    /// The engine cannot read; rows that it can read and that are wrong are in the report.
    pub fn verify(&self) -> Result<Report, StoreError> {
        let mut checker = Checker::default();
        self.still(Pace::Full, |still| {
            still.rows(&mut |table, key, value| {
                checker.row(table, key, value);
                Ok(())
            })
        })?;
        Ok(checker.finish())
    }
}

/// Takes rows one by one and knows in the end what is wrong with all of them.
#[derive(Default)]
pub(super) struct Checker {
    report: Report,
    rev: u64,
    /// How many rows of requests there should be; none in a store that does not count them.
    requests: Option<u64>,
    newest_change: u64,
    pools: HashSet<PoolId>,
    accounts: HashMap<AccountId, AccountStatus>,
    tokens: HashSet<AccountId>,
    keys: Vec<(KeyId, PoolId)>,
    assignments: Vec<(PoolId, AccountId)>,
    sources: Vec<AccountId>,
    seen: Vec<(PoolId, String)>,
    open_rows: HashSet<RequestId>,
    /// No open request should be older.
    open_since: Option<u64>,
    /// By key and day: what the rows of requests add up to, and what is stored.
    of_rows: HashMap<(KeyId, u32), UsageSums>,
    stored: HashMap<(KeyId, u32), UsageSums>,
    /// Days of which a sum is damaged.
    unknown: HashSet<(KeyId, u32)>,
}

impl Checker {
    /// Looks at a row; whether it is what was written, at its place.
    pub(super) fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> bool {
        self.report.tables.entry(table.name()).or_default().rows += 1;
        let looked = self.look(table, key, value);
        if let Err(error) = &looked {
            self.found(table, true, error.to_string());
        }
        looked.is_ok()
    }

    fn look(&mut self, table: Table, place: &[u8], value: &[u8]) -> Result<(), StoreError> {
        match table {
            Table::Meta => {
                let MetaNumber(number) = decode(place, value)?;
                if place == key::meta("rev") {
                    self.rev = number;
                }
                if place == key::meta(REQUESTS) {
                    self.requests = Some(number);
                }
            }
            Table::Pools => {
                let pool: PoolRecord = at(place, value, |pool: &PoolRecord| key::pool(pool.id))?;
                self.pools.insert(pool.id);
            }
            Table::Keys => {
                let record: KeyRecord = at(place, value, |record: &KeyRecord| key::pool_key(&record.id))?;
                self.keys.push((record.id, record.pool));
            }
            Table::Accounts => {
                let account: AccountRecord = at(place, value, |account: &AccountRecord| key::account(account.id))?;
                self.accounts.insert(account.id, account.status);
            }
            Table::Assignments => {
                let assignment: AssignmentRecord =
                    at(place, value, |record: &AssignmentRecord| key::assignment(record.pool, record.account))?;
                self.assignments.push((assignment.pool, assignment.account));
            }
            Table::Tokens => {
                let tokens: TokenRecord = at(place, value, |tokens: &TokenRecord| key::account(tokens.account))?;
                self.tokens.insert(tokens.account);
            }
            Table::Changes => {
                let change: ChangeRecord = at(place, value, |change: &ChangeRecord| key::change(change.rev))?;
                self.newest_change = self.newest_change.max(change.rev);
            }
            Table::Requests => {
                let row: RequestRecord = at(place, value, |row: &RequestRecord| key::request(row.request_id))?;
                self.request(&row);
            }
            Table::OpenRequests => {
                let OpenSince(since) = at(place, value, |_: &OpenSince| key::open_since())?;
                self.open_since = Some(since);
            }
            Table::KeyMarks => drop(at(place, value, |mark: &KeyMark| key::key_mark(&mark.key_id))?),
            Table::Files => drop(at(place, value, |file: &FileRecord| key::file(file.pool, &file.key, &file.id))?),
            Table::CatalogSources => {
                let source: CatalogSource = at(place, value, |source: &CatalogSource| key::account(source.account))?;
                self.sources.push(source.account);
            }
            Table::CatalogSeen => {
                let seen: CatalogSeen = at(place, value, |seen: &CatalogSeen| key::seen(seen.pool, &seen.model))?;
                self.seen.push((seen.pool, seen.model));
            }
            Table::UsageHours => self.sums(place, HOURS, decode::<HourSums>(place, value).map(|sums| sums.0))?,
            Table::UsageDays => self.sums(place, 1, decode::<DaySums>(place, value).map(|sums| sums.0))?,
        }
        Ok(())
    }

    fn request(&mut self, row: &RequestRecord) {
        if row.state() == RequestState::Open {
            self.open_rows.insert(row.request_id);
        }
        let key = row.subject().and_then(|subject| subject.key.clone());
        if let (Some(key), Some((at, sums))) = (key, UsageSums::of(row)) {
            *self.of_rows.entry((key, Span::Day.number(at))).or_default() += sums;
        }
    }

    fn sums(&mut self, place: &[u8], per_day: u32, sums: Result<UsageSums, StoreError>) -> Result<(), StoreError> {
        let Some((id, number)) = key::usage_parts(place).filter(|(id, number)| key::usage(id, *number) == place) else {
            return Err(StoreError::Corrupt(format!("usage {}: the key is malformed", hex::encode(place))));
        };
        let day = (id, number / per_day);
        match sums {
            Ok(sums) => *self.stored.entry(day).or_default() += sums,
            Err(error) => {
                self.unknown.insert(day);
                return Err(error);
            }
        }
        Ok(())
    }

    fn found(&mut self, table: Table, damaged: bool, what: String) {
        let report = self.report.tables.entry(table.name()).or_default();
        if damaged {
            report.damaged += 1;
        } else {
            report.orphans += 1;
        }
        if self.report.findings.len() < MOST_TOLD {
            self.report.findings.push(Finding { table: table.name(), damaged, what });
        }
    }

    /// Follows what rows refer to.
    pub(super) fn finish(mut self) -> Report {
        let mut orphans: Vec<(Table, String)> = Vec::new();
        let mut orphan = |table: Table, what: String| orphans.push((table, what));
        let lives = |id: &AccountId| self.accounts.get(id).is_some_and(|status| *status != AccountStatus::Deleted);
        for (id, pool) in self.keys.iter().filter(|(_, pool)| !self.pools.contains(pool)) {
            orphan(Table::Keys, format!("the key {id} is of the pool {pool}, which is not there"));
        }
        for (pool, account) in &self.assignments {
            if !self.pools.contains(pool) || !self.accounts.contains_key(account) {
                orphan(Table::Assignments, format!("{account} serves {pool}: one of them is not there"));
            }
        }
        for id in self.tokens.iter().filter(|id| !lives(id)) {
            orphan(Table::Tokens, format!("tokens of the account {id}, which is not there"));
        }
        for (id, status) in &self.accounts {
            let needs = !matches!(status, AccountStatus::Deleted | AccountStatus::Pending);
            if needs && !self.tokens.contains(id) {
                orphan(Table::Accounts, format!("the account {id} has no tokens: import it again"));
            }
        }
        for id in self.open_rows.iter().filter(|id| self.open_since.is_some_and(|since| made_at(**id) < since)) {
            orphan(Table::Requests, format!("the request {id} is open, and is too old to be found after a crash"));
        }
        for id in self.sources.iter().filter(|id| !lives(id)) {
            orphan(Table::CatalogSources, format!("models of the account {id}, which is not there"));
        }
        for (pool, model) in self.seen.iter().filter(|(pool, _)| !self.pools.contains(pool)) {
            orphan(Table::CatalogSeen, format!("the model {model} of the pool {pool}, which is not there"));
        }
        for ((id, day), sums) in self.of_rows.iter().filter(|(day, _)| !self.unknown.contains(*day)) {
            let stored = self.stored.get(&(id.clone(), *day)).copied().unwrap_or_default();
            // Rows are thrown away and sums are not, so the sums may be larger.
            if !covers(&stored, sums) {
                orphan(Table::UsageDays, format!("the sums of the key {id} on day {day} are smaller than its rows"));
            }
        }
        let rows = self.report.tables.get(Table::Requests.name()).map_or(0, |table| table.rows);
        if let Some(counted) = self.requests.filter(|counted| *counted != rows) {
            orphan(Table::Meta, format!("{counted} requests were counted, and there are {rows}"));
        }
        if self.newest_change > self.rev {
            let (newest, rev) = (self.newest_change, self.rev);
            orphan(Table::Changes, format!("there is a change {newest}, and the revision is {rev}"));
        }
        for (table, what) in orphans {
            self.found(table, false, what);
        }
        for table in Table::ALL {
            self.report.tables.entry(table.name()).or_default();
        }
        self.report
    }
}

/// The record, if it belongs to this place.
fn at<T: Stored>(place: &[u8], value: &[u8], belongs: impl Fn(&T) -> Vec<u8>) -> Result<T, StoreError> {
    let record: T = decode(place, value)?;
    if belongs(&record) == place {
        return Ok(record);
    }
    Err(StoreError::Corrupt(format!("{} {}: the record belongs elsewhere", T::TABLE.name(), hex::encode(place))))
}

fn covers(stored: &UsageSums, rows: &UsageSums) -> bool {
    let numbers = |s: &UsageSums| [s.requests, s.unknown, s.input, s.cached, s.cache_write, s.output, s.reasoning];
    numbers(stored).iter().zip(numbers(rows)).all(|(stored, row)| *stored >= row)
}

#[cfg(test)]
mod tests;
