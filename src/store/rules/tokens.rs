//! Steps of a token's life: import, the right to send, the result.

use pooler_filter::{AccountId, Timestamp};

use super::control::put_account;
use super::next_revision;
use crate::store::codec::key;
use crate::store::draft::Draft;
use crate::store::records::{AccountRecord, AccountStatus, Fence, Intent, Orphan, SealedTokens, TokenRecord, Version};
use crate::store::tokens::{AbortKind, RefreshGrant};
use crate::store::{Actor, Clash, StoreError};

pub(in crate::store) fn read(draft: &Draft<'_>, account: AccountId) -> Result<TokenRecord, StoreError> {
    draft.read(&key::account(account))?.ok_or(StoreError::NotFound)
}

fn write(draft: &mut Draft<'_>, record: &TokenRecord) -> Result<(), StoreError> {
    draft.write(key::account(record.account), record)
}

/// Tokens an operator brought. The fence moves on, so that a refresh on its way can no longer end anything here.
pub(super) fn import(
    draft: &mut Draft<'_>,
    account: AccountId,
    parent: Version,
    tokens: SealedTokens,
    at: Timestamp,
) -> Result<(), StoreError> {
    let found = draft.read::<TokenRecord>(&key::account(account))?;
    if found.as_ref().map_or(Version(0), |record| record.version) != parent {
        return Err(StoreError::Conflict(Clash::Version));
    }
    let fence = Fence(found.map_or(0, |record| record.fence.0) + 1);
    let record = TokenRecord {
        account,
        version: parent.next(),
        tokens,
        fence,
        intent: None,
        orphans: Vec::new(),
        updated_at: at,
    };
    write(draft, &record)
}

pub(in crate::store) fn begin_refresh(
    draft: &mut Draft<'_>,
    account: AccountId,
    expect: Version,
    at: Timestamp,
) -> Result<RefreshGrant, StoreError> {
    let mut record = read(draft, account)?;
    let owner = draft.read::<AccountRecord>(&key::account(account))?.ok_or(StoreError::NotFound)?;
    if record.version != expect {
        return Err(StoreError::Conflict(Clash::Version));
    }
    if !owner.status.refreshes() {
        return Err(StoreError::Conflict(Clash::State));
    }
    if record.intent.is_some() {
        return Err(StoreError::Conflict(Clash::Refreshing));
    }
    record.fence = Fence(record.fence.0 + 1);
    record.intent = Some(Intent { version: record.version, fence: record.fence, at, sent: false });
    record.updated_at = at;
    write(draft, &record)?;
    Ok(RefreshGrant { account, fence: record.fence, version: record.version, refresh: record.tokens.refresh })
}

/// The record and its intent, if this fence still holds it.
fn held(draft: &Draft<'_>, account: AccountId, fence: Fence) -> Result<(TokenRecord, Intent), StoreError> {
    let record = read(draft, account)?;
    match record.intent {
        Some(intent) if intent.fence == fence => Ok((record, intent)),
        Some(_) | None => Err(StoreError::Conflict(Clash::Fence)),
    }
}

pub(in crate::store) fn mark_sent(draft: &mut Draft<'_>, account: AccountId, fence: Fence) -> Result<(), StoreError> {
    let (mut record, intent) = held(draft, account, fence)?;
    record.intent = Some(Intent { sent: true, ..intent });
    write(draft, &record)
}

pub(in crate::store) fn commit_refresh(
    draft: &mut Draft<'_>,
    account: AccountId,
    parent: Version,
    new: SealedTokens,
    at: Timestamp,
) -> Result<Version, StoreError> {
    let mut record = read(draft, account)?;
    if record.version == parent.next() && record.tokens == new {
        return Ok(record.version);
    }
    if record.version != parent {
        return Err(StoreError::Conflict(Clash::Version));
    }
    record.version = parent.next();
    record.tokens = new;
    record.intent = None;
    record.updated_at = at;
    write(draft, &record)?;
    Ok(record.version)
}

pub(in crate::store) fn abort_refresh(
    draft: &mut Draft<'_>,
    account: AccountId,
    fence: Fence,
    why: AbortKind,
) -> Result<(), StoreError> {
    let (mut record, intent) = held(draft, account, fence)?;
    if why == AbortKind::NotSent && intent.sent {
        return Err(StoreError::Conflict(Clash::Sent));
    }
    record.intent = None;
    write(draft, &record)
}

pub(in crate::store) fn set_state(
    draft: &mut Draft<'_>,
    account: AccountId,
    expect: Version,
    status: AccountStatus,
    actor: &Actor,
) -> Result<(), StoreError> {
    if read(draft, account)?.version != expect {
        return Err(StoreError::Conflict(Clash::Version));
    }
    let mut owner = draft.read::<AccountRecord>(&key::account(account))?.ok_or(StoreError::NotFound)?;
    if owner.status == status {
        return Ok(());
    }
    owner.status = status;
    let change = put_account(draft, owner)?;
    next_revision(draft, vec![change], actor).map(drop)
}

pub(in crate::store) fn park_orphan(
    draft: &mut Draft<'_>,
    account: AccountId,
    parent: Version,
    tokens: SealedTokens,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut record = read(draft, account)?;
    if record.orphans.iter().any(|orphan| orphan.parent == parent && orphan.tokens == tokens) {
        return Ok(());
    }
    record.orphans.push(Orphan { parent, tokens, at });
    let surplus = record.orphans.len().saturating_sub(TokenRecord::MAX_ORPHANS);
    record.orphans.drain(..surplus);
    record.updated_at = at;
    write(draft, &record)
}
