//! Steps of the catalog: the sources of accounts that are there, and the first time that a pool saw a model.

use pooler_filter::{AccountId, PoolId};

use crate::store::StoreError;
use crate::store::catalog::CatalogRows;
use crate::store::codec::{Table, key};
use crate::store::draft::Draft;
use crate::store::records::{AccountRecord, AccountStatus, CatalogSeen, CatalogSource, PoolRecord};

/// What is damaged is not there: accounts are asked again.
pub(in crate::store) fn load(draft: &Draft<'_>) -> Result<CatalogRows, StoreError> {
    Ok(CatalogRows { sources: draft.list_readable()?, seen: draft.list_readable()? })
}

pub(in crate::store) fn put_source(draft: &mut Draft<'_>, source: &CatalogSource) -> Result<(), StoreError> {
    let place = key::account(source.account);
    let owner = draft.read::<AccountRecord>(&place)?;
    owner.filter(|owner| owner.status != AccountStatus::Deleted).ok_or(StoreError::NotFound)?;
    draft.write(place, source)
}

pub(in crate::store) fn see(draft: &mut Draft<'_>, seen: &[CatalogSeen]) -> Result<(), StoreError> {
    for one in seen {
        let place = key::seen(one.pool, &one.model);
        let known = match draft.read::<CatalogSeen>(&place) {
            Err(StoreError::Corrupt(_)) => false,
            read => read?.is_some(),
        };
        if !known && draft.read::<PoolRecord>(&key::pool(one.pool))?.is_some() {
            draft.write(place, one)?;
        }
    }
    Ok(())
}

/// The account is gone, and so is what it told.
pub(super) fn forget_account(draft: &mut Draft<'_>, account: AccountId) {
    draft.delete(Table::CatalogSources, key::account(account));
}

/// The pool is gone, and so is what it saw.
pub(super) fn forget_pool(draft: &mut Draft<'_>, pool: PoolId) -> Result<(), StoreError> {
    for seen in draft.list_readable::<CatalogSeen>()?.into_iter().filter(|seen| seen.pool == pool) {
        draft.delete(Table::CatalogSeen, key::seen(pool, &seen.model));
    }
    Ok(())
}
