//! Steps of the control plane: versions, unique names, and no reference to a record that is not there.

use std::fmt::Display;

use pooler_filter::{AccountId, PoolId};

use super::{next_revision, revision};
use crate::store::codec::{Stored, Table, key};
use crate::store::control::{Change, ControlOp, ControlTx, KeyMark, Rev, Snapshot};
use crate::store::draft::Draft;
use crate::store::records::{AccountRecord, AccountStatus, AssignmentRecord, KeyRecord, PoolRecord, PoolStatus};
use crate::store::{Actor, Clash, StoreError};

/// Longest name, label or other short text of a control record, in bytes.
const MAX_TEXT: usize = 512;

/// Everything, as the draft stands.
pub(in crate::store) fn load(draft: &Draft<'_>) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        rev: revision(draft)?,
        pools: draft.list()?,
        keys: draft.list()?,
        accounts: draft.list()?,
        assignments: draft.list()?,
    })
}

/// All changes, or none.
pub(in crate::store) fn apply(draft: &mut Draft<'_>, tx: ControlTx, actor: &Actor) -> Result<Rev, StoreError> {
    if tx.ops.is_empty() {
        return Err(StoreError::Invalid("there is nothing to change".to_owned()));
    }
    let mut changes = Vec::with_capacity(tx.ops.len());
    let mut promises = Vec::new();
    for op in tx.ops {
        changes.push(one(draft, op, actor, &mut promises)?);
    }
    for promise in promises {
        promise.check(draft)?;
    }
    next_revision(draft, changes, actor)
}

/// Remembers a root key unless it is known.
pub(in crate::store) fn add_key_mark(draft: &mut Draft<'_>, mark: &KeyMark) -> Result<(), StoreError> {
    let key = key::key_mark(&mark.key_id);
    if draft.read::<KeyMark>(&key)?.is_none() {
        draft.write(key, mark)?;
    }
    Ok(())
}

/// What must hold once all changes of a transaction are made.
enum Promise {
    PoolThere(PoolId),
    PoolUnused(PoolId),
    AccountThere(AccountId),
    AccountUnused(AccountId),
}

impl Promise {
    fn check(&self, draft: &Draft<'_>) -> Result<(), StoreError> {
        match self {
            Self::PoolThere(id) => draft.read::<PoolRecord>(&key::pool(*id))?.map(drop).ok_or(StoreError::NotFound),
            Self::AccountThere(id) => {
                draft.read::<AccountRecord>(&key::account(*id))?.map(drop).ok_or(StoreError::NotFound)
            }
            Self::PoolUnused(id) => {
                let keys = draft.list::<KeyRecord>()?.iter().any(|key| key.pool == *id);
                let accounts = draft.list::<AssignmentRecord>()?.iter().any(|assignment| assignment.pool == *id);
                if keys || accounts { Err(StoreError::Conflict(Clash::InUse)) } else { Ok(()) }
            }
            Self::AccountUnused(id) => {
                let serves = draft.list::<AssignmentRecord>()?.iter().any(|assignment| assignment.account == *id);
                if serves { Err(StoreError::Conflict(Clash::InUse)) } else { Ok(()) }
            }
        }
    }
}

fn one(draft: &mut Draft<'_>, op: ControlOp, actor: &Actor, promises: &mut Vec<Promise>) -> Result<Change, StoreError> {
    match op {
        ControlOp::PutPool(pool) => put_pool(draft, pool),
        ControlOp::DeletePool(id, version) => {
            let found = draft.read::<PoolRecord>(&key::pool(id))?.ok_or(StoreError::NotFound)?;
            if found.status != PoolStatus::Archived {
                return Err(StoreError::Conflict(Clash::InUse));
            }
            promises.push(Promise::PoolUnused(id));
            super::catalog::forget_pool(draft, id)?;
            delete::<PoolRecord>(draft, key::pool(id), found.version, version, ("delete pool", &id))
        }
        ControlOp::PutKey(record) => {
            promises.push(Promise::PoolThere(record.pool));
            put_key(draft, record)
        }
        ControlOp::DeleteKey(id, version) => {
            let place = key::pool_key(&id);
            let found = draft.read::<KeyRecord>(&place)?.ok_or(StoreError::NotFound)?.version;
            delete::<KeyRecord>(draft, place, found, version, ("delete key", &id))
        }
        ControlOp::PutAccount(account) => put_account(draft, account),
        ControlOp::DeleteAccount(id, version) => {
            let found = draft.read::<AccountRecord>(&key::account(id))?.ok_or(StoreError::NotFound)?.version;
            promises.push(Promise::AccountUnused(id));
            draft.delete(Table::Tokens, key::account(id));
            super::catalog::forget_account(draft, id);
            delete::<AccountRecord>(draft, key::account(id), found, version, ("delete account", &id))
        }
        ControlOp::PutAssignment(assignment) => {
            promises.push(Promise::PoolThere(assignment.pool));
            promises.push(Promise::AccountThere(assignment.account));
            put_assignment(draft, assignment)
        }
        ControlOp::DeleteAssignment(pool, account, version) => {
            let place = key::assignment(pool, account);
            let found = draft.read::<AssignmentRecord>(&place)?.ok_or(StoreError::NotFound)?.version;
            let id = format!("{pool} {account}");
            delete::<AssignmentRecord>(draft, place, found, version, ("delete assignment", &id))
        }
        ControlOp::ImportTokens { account, parent, tokens } => {
            promises.push(Promise::AccountThere(account));
            super::tokens::import(draft, account, parent, tokens, actor.at)?;
            Ok(changed("import tokens", &account))
        }
    }
}

fn put_pool(draft: &mut Draft<'_>, mut pool: PoolRecord) -> Result<Change, StoreError> {
    let place = key::pool(pool.id);
    let found = draft.read::<PoolRecord>(&place)?;
    pool.version = next_version(found.map(|pool| pool.version), pool.version)?;
    if !well_formed_slug(&pool.slug) {
        return Err(invalid("a slug is lowercase letters and digits with single hyphens inside"));
    }
    short(&[&pool.slug, &pool.name])?;
    if pool.settings.bridge_ring_size == 0 {
        return Err(invalid("bridge_ring_size is at least 1"));
    }
    if draft.list::<PoolRecord>()?.iter().any(|other| other.id != pool.id && other.slug == pool.slug) {
        return Err(StoreError::Conflict(Clash::Slug));
    }
    draft.write(place, &pool)?;
    Ok(changed("put pool", &pool.id))
}

fn put_key(draft: &mut Draft<'_>, mut record: KeyRecord) -> Result<Change, StoreError> {
    let place = key::pool_key(&record.id);
    let found = draft.read::<KeyRecord>(&place)?;
    record.version = next_version(found.map(|key| key.version), record.version)?;
    short(&[record.id.as_str(), &record.name, &record.pepper_id])?;
    draft.write(place, &record)?;
    Ok(changed("put key", &record.id))
}

/// Also used where a refresh changes the status.
pub(super) fn put_account(draft: &mut Draft<'_>, mut account: AccountRecord) -> Result<Change, StoreError> {
    let place = key::account(account.id);
    let found = draft.read::<AccountRecord>(&place)?;
    account.version = next_version(found.map(|account| account.version), account.version)?;
    short(&[&account.label, &account.chatgpt_account_id, &account.origin, &account.issuer, &account.client_id])?;
    if account.status == AccountStatus::Deleted {
        draft.delete(Table::Tokens, place.clone());
        super::catalog::forget_account(draft, account.id);
    } else {
        unique_account(draft, &account)?;
    }
    draft.write(place, &account)?;
    Ok(changed("put account", &account.id))
}

fn unique_account(draft: &Draft<'_>, account: &AccountRecord) -> Result<(), StoreError> {
    let others = draft.list::<AccountRecord>()?;
    let others = || others.iter().filter(|other| other.id != account.id && other.status != AccountStatus::Deleted);
    if others().any(|other| other.label == account.label) {
        return Err(StoreError::Conflict(Clash::Label));
    }
    let login = |of: &AccountRecord| (of.chatgpt_account_id.clone(), of.origin.clone());
    if others().any(|other| login(other) == login(account)) {
        return Err(StoreError::Conflict(Clash::Login));
    }
    Ok(())
}

fn put_assignment(draft: &mut Draft<'_>, mut record: AssignmentRecord) -> Result<Change, StoreError> {
    let place = key::assignment(record.pool, record.account);
    let found = draft.read::<AssignmentRecord>(&place)?;
    record.version = next_version(found.map(|assignment| assignment.version), record.version)?;
    draft.write(place, &record)?;
    Ok(changed("put assignment", &format!("{} {}", record.pool, record.account)))
}

fn delete<T: Stored>(
    draft: &mut Draft<'_>,
    place: Vec<u8>,
    found: u64,
    expected: u64,
    (verb, id): (&str, &dyn Display),
) -> Result<Change, StoreError> {
    if found != expected {
        return Err(StoreError::Conflict(Clash::Version));
    }
    draft.delete(T::TABLE, place);
    Ok(changed(verb, id))
}

fn next_version(found: Option<u64>, expected: u64) -> Result<u64, StoreError> {
    match found {
        None if expected > 0 => Err(StoreError::NotFound),
        found if found.unwrap_or(0) == expected => Ok(expected + 1),
        _ => Err(StoreError::Conflict(Clash::Version)),
    }
}

fn well_formed_slug(slug: &str) -> bool {
    !slug.is_empty()
        && slug
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

fn short(texts: &[&str]) -> Result<(), StoreError> {
    if texts.iter().any(|text| text.is_empty() || text.len() > MAX_TEXT) {
        return Err(invalid("a name is empty or over 512 bytes"));
    }
    Ok(())
}

fn invalid(what: &str) -> StoreError {
    StoreError::Invalid(what.to_owned())
}

fn changed(verb: &str, id: &dyn Display) -> Change {
    Change { verb: verb.to_owned(), id: id.to_string() }
}
