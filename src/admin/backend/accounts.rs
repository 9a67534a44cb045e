//! `account list|pause|resume|remove`.

use pooler_filter::AccountId;

use super::{Backend, Find, Who};
use crate::admin::reply::{AccountRow, QuotaRow, Refusal, Reply};
use crate::admin::time::rfc3339;
use crate::pool::{Class, Evidence, Pool, Window};
use crate::store::records::{AccountRecord, AccountStatus, AssignmentRecord, TokenRecord};
use crate::store::{ControlOp, ControlTx, Snapshot, StoreError};

impl Backend {
    pub(super) async fn account_list(&self, pool: Option<&str>) -> Result<Vec<Reply>, Refusal> {
        let snapshot = self.load().await?;
        let pool = pool.map(|pool| snapshot.pool(pool).map(|p| p.id)).transpose()?;
        let serves = |account: &AccountRecord, pool| {
            snapshot.assignments.iter().any(|a| a.account == account.id && a.pool == pool)
        };
        let mut rows = Vec::new();
        for account in snapshot.accounts.iter().filter(|a| a.status != AccountStatus::Deleted) {
            if pool.is_none_or(|pool| serves(account, pool)) {
                rows.push(self.account_row(account, &snapshot).await?);
            }
        }
        rows.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(rows.into_iter().map(Reply::Account).collect())
    }

    pub(super) async fn account_pause(&self, account: &str, who: &Who) -> Result<Vec<Reply>, Refusal> {
        let decide = |snapshot: &Snapshot| {
            let account = snapshot.account(account)?;
            if account.status == AccountStatus::Paused {
                return Err(Refusal::new("conflict", "the account is paused already"));
            }
            Ok((set_status(account, AccountStatus::Paused, snapshot), account.id))
        };
        let (id, warnings) = self.change(who, decide).await?;
        self.account_show(id, warnings).await
    }

    /// Only with an access token that is still good: otherwise the account would be taken back into service and fail at once.
    pub(super) async fn account_resume(&self, account: &str, who: &Who) -> Result<Vec<Reply>, Refusal> {
        let id = self.load().await?.account(account)?.id;
        let tokens = self.tokens(id).await?;
        let now = self.parts.clock.now();
        let usable = tokens.is_some_and(|t| t.tokens.access_expires_at.is_none_or(|end| end > now));
        let decide = |snapshot: &Snapshot| {
            let account = snapshot.account(&id.to_string())?;
            match account.status {
                AccountStatus::Paused
                | AccountStatus::Active
                | AccountStatus::RefreshDue
                | AccountStatus::RefreshFailed => {}
                AccountStatus::Pending
                | AccountStatus::Refreshing
                | AccountStatus::ReauthRequired
                | AccountStatus::Disabled
                | AccountStatus::Errored
                | AccountStatus::Deleted => {
                    let message = format!("an account that is {} cannot be resumed", account.status);
                    return Err(Refusal::new("conflict", message));
                }
            }
            if !usable {
                return Err(Refusal::new(
                    "expired_token",
                    "its access token has ended: log in again and import the new file",
                ));
            }
            Ok((set_status(account, AccountStatus::Active, snapshot), account.id))
        };
        let (id, warnings) = self.change(who, decide).await?;
        self.account_show(id, warnings).await
    }

    /// The record stays, for the ledger's sake; the tokens and the assignments go.
    pub(super) async fn account_remove(&self, account: &str, who: &Who) -> Result<Vec<Reply>, Refusal> {
        let decide = |snapshot: &Snapshot| {
            let account = snapshot.account(account)?;
            let mut tx = ControlTx::new();
            for assignment in assignments(account, snapshot) {
                tx = tx.with(ControlOp::DeleteAssignment(assignment.pool, assignment.account, assignment.version));
            }
            let gone = AccountRecord { status: AccountStatus::Deleted, ..account.clone() };
            Ok((tx.with(ControlOp::PutAccount(gone)), account.id))
        };
        let (id, warnings) = self.change(who, decide).await?;
        self.account_show(id, warnings).await
    }

    pub(super) async fn account_show(&self, id: AccountId, more: Vec<Reply>) -> Result<Vec<Reply>, Refusal> {
        let snapshot = self.load().await?;
        let found = snapshot.accounts.iter().find(|account| account.id == id);
        let account = found.ok_or_else(|| super::not_found("account", &id.to_string()))?;
        let row = Reply::Account(self.account_row(account, &snapshot).await?);
        Ok([row].into_iter().chain(more).collect())
    }

    /// None: the account has none.
    pub(super) async fn tokens(&self, id: AccountId) -> Result<Option<TokenRecord>, Refusal> {
        match self.parts.stores.tokens.read(id).await {
            Ok(tokens) => Ok(Some(tokens)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn account_row(&self, account: &AccountRecord, snapshot: &Snapshot) -> Result<AccountRow, Refusal> {
        let tokens = self.tokens(account.id).await?;
        let pool = |a: &AssignmentRecord| snapshot.pools.iter().find(|p| p.id == a.pool).map(|p| p.slug.clone());
        Ok(AccountRow {
            id: account.id.to_string(),
            label: account.label.clone(),
            status: account.status.to_string(),
            pools: assignments(account, snapshot).filter_map(pool).collect(),
            chatgpt_account_id: account.chatgpt_account_id.clone(),
            email: account.email.clone(),
            plan: account.plan.clone(),
            origin: account.origin.clone(),
            issuer: account.issuer.clone(),
            simulated: account.simulated,
            access_expires_at: tokens.as_ref().and_then(|t| t.tokens.access_expires_at).map(rfc3339),
            quota: self.pool.as_ref().map(|pool| quota_row(pool, account.id)),
            token_version: tokens.map_or(0, |t| t.version.0),
            created_at: rfc3339(account.created_at),
        })
    }
}

/// What the running gateway knows of the account's quota.
fn quota_row(pool: &Pool, account: AccountId) -> QuotaRow {
    let (verdict, evidence) = pool.quota_of(account);
    let resets_at = match verdict.class {
        Class::Exhausted(resets_at) => resets_at.map(rfc3339),
        Class::Usable(_) => None,
    };
    let limit = evidence.as_ref().and_then(Evidence::account_limit);
    // Windows are told between 0 and 100.
    let percent = |window: Window| (0..=100_u8).rev().find(|whole| f64::from(*whole) <= window.used_percent);
    QuotaRow {
        class: verdict.class.as_str().to_owned(),
        reason: verdict.why.as_str().to_owned(),
        resets_at,
        primary_used_percent: limit.and_then(|limit| limit.primary).and_then(percent).map(u64::from),
        secondary_used_percent: limit.and_then(|limit| limit.secondary).and_then(percent).map(u64::from),
        heard_at: evidence.map(|evidence| rfc3339(evidence.observed_at)),
    }
}

fn assignments<'s>(account: &AccountRecord, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s AssignmentRecord> {
    let id = account.id;
    snapshot.assignments.iter().filter(move |a| a.account == id)
}

/// The account and everything that it serves, in one step.
fn set_status(account: &AccountRecord, status: AccountStatus, snapshot: &Snapshot) -> ControlTx {
    let mut tx = ControlTx::from(ControlOp::PutAccount(AccountRecord { status, ..account.clone() }));
    for assignment in assignments(account, snapshot).filter(|a| a.status != status) {
        tx = tx.with(ControlOp::PutAssignment(AssignmentRecord { status, ..assignment.clone() }));
    }
    tx
}
