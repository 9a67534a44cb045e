//! The traits for anything that can run a step and make it durable: one implementation for all engines.

use std::fmt;
use std::ops::{ControlFlow, Range};

use async_trait::async_trait;
use pooler_filter::{AccountId, KeyId, PoolId, RequestId, Timestamp};
use tokio::sync::oneshot;

use super::catalog::{CatalogRows, CatalogStore};
use super::codec::{Table, decode, key};
use super::control::{ChangeRecord, ControlStore, ControlTx, KeyMark, Rev, Snapshot};
use super::draft::{Draft, Order, Rows};
use super::durable::{Durable, Resolver};
use super::files::FileStore;
use super::ledger::{CommitStats, LedgerStore, RequestFilter};
use super::records::{
    AccountStatus, CatalogSeen, CatalogSource, Fence, FileRecord, LedgerEvent, RequestRecord, SealedTokens, Span,
    TokenRecord, UsageSums, Version,
};
use super::rules;
use super::tokens::{AbortKind, RefreshGrant, TokenStore};
use super::{Actor, StoreError};

/// Tells whoever waits what came of a step; called once its group is on disk, or has failed.
pub(super) type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A step, with its way to answer.
pub(super) type Job = Box<dyn FnOnce(&mut Draft<'_>) -> Finish + Send>;
/// A look at what is stored.
pub(super) type View<T> = Box<dyn FnOnce(&dyn Rows) -> Result<T, StoreError> + Send>;

/// Something to do in the next group.
pub(super) enum Work {
    Event(LedgerEvent, Resolver),
    Job(Job),
}

impl Work {
    pub(super) fn run(self, draft: &mut Draft<'_>) -> Finish {
        match self {
            Self::Job(job) => job(draft),
            Self::Event(event, resolver) => {
                let result = draft.step(|draft| rules::ledger::record(draft, event));
                Box::new(move |written| resolver.resolve(written.and(result)))
            }
        }
    }

    /// Answers without having run.
    fn refuse(self, why: StoreError) {
        match self {
            Self::Event(_, resolver) => resolver.resolve(Err(why)),
            // The step is dropped with its channel; who waits got the refusal from `enqueue`.
            Self::Job(_) => {}
        }
    }
}

/// Runs steps in groups, each group in order, all of it durable or none.
#[async_trait]
pub(super) trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Queues the work, or gives it back.
    fn enqueue(&self, work: Work) -> Result<(), (Work, StoreError)>;
    /// Looks at what is stored, perhaps before it is durable, without holding up a worker thread.
    async fn view<T: Send + 'static>(&self, view: View<T>) -> Result<T, StoreError>;
    fn stats(&self) -> CommitStats;
}

/// Runs one step and waits until it is durable.
async fn run<E, T, F>(engine: &E, step: F) -> Result<T, StoreError>
where
    E: Engine,
    T: Send + 'static,
    F: FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
{
    let (answer, result) = oneshot::channel();
    let job: Job = Box::new(move |draft| {
        let result = draft.step(step);
        // A receiver that is gone does not want to know; the step itself stands.
        Box::new(move |written| drop(answer.send(written.and(result))))
    });
    engine.enqueue(Work::Job(job)).map_err(|(_, why)| why)?;
    result.await.unwrap_or_else(|_| Err(StoreError::Unknown("the store stopped".to_owned())))
}

#[async_trait]
impl<E: Engine> ControlStore for E {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        run(self, |draft| rules::control::load(draft)).await
    }

    async fn apply(&self, tx: ControlTx, actor: &Actor) -> Result<Rev, StoreError> {
        let actor = actor.clone();
        run(self, move |draft| rules::control::apply(draft, tx, &actor)).await
    }

    async fn changes(&self, limit: usize) -> Result<Vec<ChangeRecord>, StoreError> {
        self.view(Box::new(move |rows| {
            newest(rows, Table::Changes, key::all(), limit, |key, bytes| decode(key, bytes).map(Some))
        }))
        .await
    }

    async fn key_marks(&self) -> Result<Vec<KeyMark>, StoreError> {
        run(self, |draft| draft.list()).await
    }

    async fn add_key_mark(&self, mark: KeyMark) -> Result<(), StoreError> {
        run(self, move |draft| rules::control::add_key_mark(draft, &mark)).await
    }
}

#[async_trait]
impl<E: Engine> TokenStore for E {
    async fn read(&self, account: AccountId) -> Result<TokenRecord, StoreError> {
        run(self, move |draft| rules::tokens::read(draft, account)).await
    }

    async fn begin_refresh(
        &self,
        account: AccountId,
        expect: Version,
        at: Timestamp,
    ) -> Result<RefreshGrant, StoreError> {
        run(self, move |draft| rules::tokens::begin_refresh(draft, account, expect, at)).await
    }

    async fn mark_sent(&self, account: AccountId, fence: Fence) -> Result<(), StoreError> {
        run(self, move |draft| rules::tokens::mark_sent(draft, account, fence)).await
    }

    async fn commit_refresh(
        &self,
        account: AccountId,
        parent: Version,
        new: SealedTokens,
        at: Timestamp,
    ) -> Result<Version, StoreError> {
        run(self, move |draft| rules::tokens::commit_refresh(draft, account, parent, new, at)).await
    }

    async fn abort_refresh(&self, account: AccountId, fence: Fence, why: AbortKind) -> Result<(), StoreError> {
        run(self, move |draft| rules::tokens::abort_refresh(draft, account, fence, why)).await
    }

    async fn set_state(
        &self,
        account: AccountId,
        expect: Version,
        status: AccountStatus,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let actor = actor.clone();
        run(self, move |draft| rules::tokens::set_state(draft, account, expect, status, &actor)).await
    }

    async fn park_orphan(
        &self,
        account: AccountId,
        parent: Version,
        tokens: SealedTokens,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        run(self, move |draft| rules::tokens::park_orphan(draft, account, parent, tokens, at)).await
    }
}

#[async_trait]
impl<E: Engine> LedgerStore for E {
    fn append(&self, event: LedgerEvent) -> Durable {
        let (durable, resolver) = Durable::pending();
        if let Err((work, why)) = self.enqueue(Work::Event(event, resolver)) {
            work.refuse(why);
        }
        durable
    }

    async fn recent(&self, limit: usize, filter: RequestFilter) -> Result<Vec<RequestRecord>, StoreError> {
        let wanted = move |row: &RequestRecord| filter.matches(row);
        self.view(Box::new(move |rows| requests(rows, key::all(), limit, wanted))).await
    }

    async fn get(&self, id: RequestId) -> Result<Option<RequestRecord>, StoreError> {
        self.view(Box::new(move |rows| {
            let key = key::request(id);
            rows.get(Table::Requests, &key)?.map(|bytes| decode(&key, &bytes)).transpose()
        }))
        .await
    }

    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<RequestRecord>, StoreError> {
        match key::requests_like(prefix) {
            Some(keys) => self.view(Box::new(move |rows| requests(rows, keys, limit, |_| true))).await,
            None => Ok(Vec::new()),
        }
    }

    async fn recover(&self, at: Timestamp) -> Result<u64, StoreError> {
        in_chunks(self, move |draft| rules::ledger::recover(draft, at)).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        run(self, |_| Ok(())).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        in_chunks(self, move |draft| rules::ledger::prune(draft, before)).await
    }

    async fn usage(&self, key: &KeyId, span: Span, since: Timestamp) -> Result<UsageSums, StoreError> {
        let key = key.clone();
        self.view(Box::new(move |rows| rules::usage::read(rows, &key, span, since))).await
    }

    async fn prune_usage(&self, before: Timestamp) -> Result<u64, StoreError> {
        let step = move |draft: &mut Draft<'_>, old: Vec<Vec<u8>>| rules::usage::prune(draft, old);
        prune(self, Table::UsageHours, move |key, bytes| rules::usage::is_old(key, bytes, before), step).await
    }

    fn commit_stats(&self) -> CommitStats {
        self.stats()
    }
}

#[async_trait]
impl<E: Engine> FileStore for E {
    async fn put_file(&self, file: FileRecord) -> Result<(), StoreError> {
        run(self, move |draft| rules::files::put(draft, file)).await
    }

    async fn file(
        &self,
        pool: PoolId,
        key: &KeyId,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<FileRecord>, StoreError> {
        let key = key::file(pool, key, id);
        self.view(Box::new(move |rows| {
            let found = rows.get(Table::Files, &key)?.map(|bytes| decode::<FileRecord>(&key, &bytes)).transpose()?;
            Ok(found.filter(|file| file.expires_at > now))
        }))
        .await
    }

    async fn files(&self, pool: PoolId, key: &KeyId, now: Timestamp) -> Result<Vec<FileRecord>, StoreError> {
        let keys = key::files(pool, key);
        self.view(Box::new(move |rows| {
            let live = |key: &[u8], bytes: &[u8]| {
                Ok(Some(decode::<FileRecord>(key, bytes)?).filter(|file| file.expires_at > now))
            };
            let mut files = newest(rows, Table::Files, keys, usize::MAX, live)?;
            files.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
            Ok(files)
        }))
        .await
    }

    async fn prune_files(&self, now: Timestamp) -> Result<u64, StoreError> {
        let step = move |draft: &mut Draft<'_>, old: Vec<Vec<u8>>| rules::files::prune(draft, old, now);
        prune(self, Table::Files, move |key, bytes| rules::files::is_old(key, bytes, now), step).await
    }
}

#[async_trait]
impl<E: Engine> CatalogStore for E {
    async fn load_catalog(&self) -> Result<CatalogRows, StoreError> {
        run(self, |draft| rules::catalog::load(draft)).await
    }

    async fn put_source(&self, source: CatalogSource) -> Result<(), StoreError> {
        run(self, move |draft| rules::catalog::put_source(draft, &source)).await
    }

    async fn see(&self, seen: Vec<CatalogSeen>) -> Result<(), StoreError> {
        run(self, move |draft| rules::catalog::see(draft, &seen)).await
    }
}

/// Repeats a step that changes at most a chunk of rows until it has less than that to do.
async fn in_chunks<E, F>(engine: &E, step: F) -> Result<u64, StoreError>
where
    E: Engine,
    F: Fn(&mut Draft<'_>) -> Result<usize, StoreError> + Copy + Send + 'static,
{
    let mut total = 0;
    loop {
        let done = run(engine, step).await?;
        total += done as u64;
        if done < rules::ledger::CHUNK {
            return Ok(total);
        }
    }
}

/// Takes the old rows out of a table whose keys do not tell which these are, a chunk at a time. They are looked for beside the committer,
/// which would else stand still while a large table is read; the step looks at each of them again. A damaged row stays.
async fn prune<E, O, F>(engine: &E, table: Table, is_old: O, step: F) -> Result<u64, StoreError>
where
    E: Engine,
    O: Fn(&[u8], &[u8]) -> Result<bool, StoreError> + Copy + Send + 'static,
    F: Fn(&mut Draft<'_>, Vec<Vec<u8>>) -> Result<usize, StoreError> + Copy + Send + 'static,
{
    let (mut total, mut keys) = (0, key::all());
    loop {
        let range = keys.clone();
        let old = engine.view(Box::new(move |rows| old_keys(rows, table, range, is_old))).await?;
        let Some(last) = old.last() else { return Ok(total) };
        keys.start = [last.as_slice(), &[0]].concat();
        total += run(engine, move |draft| step(draft, old)).await? as u64;
    }
}

/// The first keys of a range whose rows are old, at most a chunk of them.
fn old_keys(
    rows: &dyn Rows,
    table: Table,
    keys: Range<Vec<u8>>,
    is_old: impl Fn(&[u8], &[u8]) -> Result<bool, StoreError>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut old = Vec::new();
    rows.scan(table, keys, Order::Rising, &mut |key, bytes| {
        match is_old(key, bytes) {
            Ok(true) => old.push(key.to_vec()),
            Ok(false) => {}
            Err(error @ StoreError::Corrupt(_)) => tracing::error!(%error, "a damaged row is not thrown away"),
            Err(error) => return Err(error),
        }
        Ok(if old.len() == rules::ledger::CHUNK { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(old)
}

fn requests(
    rows: &dyn Rows,
    keys: Range<Vec<u8>>,
    limit: usize,
    wanted: impl Fn(&RequestRecord) -> bool,
) -> Result<Vec<RequestRecord>, StoreError> {
    newest(rows, Table::Requests, keys, limit, |key, bytes| {
        let row = decode::<RequestRecord>(key, bytes)?;
        Ok(wanted(&row).then_some(row))
    })
}

/// The last rows of a range that `pick` picks, last first.
fn newest<T>(
    rows: &dyn Rows,
    table: Table,
    keys: Range<Vec<u8>>,
    limit: usize,
    pick: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    rows.scan(table, keys, Order::Falling, &mut |key, bytes| {
        if found.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        found.extend(pick(key, bytes)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
