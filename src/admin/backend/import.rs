//! `account import`: a login becomes an account, or brings new tokens to the account that it is (docs/decisions.md, R12).

use pooler_filter::{AccountId, Secret};

use super::{Backend, Find, TRIES, Who};
use crate::accounts::import::{ImportError, Login};
use crate::admin::reply::{Refusal, Reply};
use crate::config::{Origin, OriginError};
use crate::store::records::{AccountRecord, AccountStatus, AssignmentRecord, PoolRecord, Version};
use crate::store::{Clash, ControlOp, ControlTx, Snapshot, StoreError};

/// What is true of every login, and what people learn too late.
const ONE_PLACE: &str = "this login must not be used anywhere else from now on: a refresh token works once, so the next \
    refresh here logs the other place out, and the other way round. Log in separately for other uses";

pub(super) struct Asked {
    pub(super) pool: String,
    pub(super) label: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) simulated: bool,
}

impl Backend {
    pub(super) async fn account_import(
        &self,
        auth_json: &Secret,
        asked: &Asked,
        who: &Who,
    ) -> Result<Vec<Reply>, Refusal> {
        let login = Login::from_auth_json(auth_json.expose().as_bytes(), self.parts.clock.now())?;
        let places = self.places(asked, &login)?;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let snapshot = self.load().await?;
            let pool = snapshot.pool(&asked.pool)?;
            let account = self.record(&snapshot, &login, asked, &places)?;
            let id = account.id;
            let parent = self.tokens(id).await?.map_or(Version::default(), |tokens| tokens.version);
            let tx = self.transaction(&snapshot, account, pool, &login, parent)?;
            match self.apply(tx, who).await {
                Err(StoreError::Conflict(Clash::Version)) if tries > 0 => {}
                Err(StoreError::Conflict(Clash::Label)) => {
                    return Err(Refusal::new("conflict", "another account has this label: choose one with --label"));
                }
                result => {
                    let mut more = result?;
                    if !asked.simulated {
                        more.push(Reply::Warning(ONE_PLACE.to_owned()));
                    }
                    return self.account_show(id, more).await;
                }
            }
        }
    }

    /// Where the tokens may go: as asked, else as the file says, else as configured.
    fn places(&self, asked: &Asked, login: &Login) -> Result<Places, Refusal> {
        let origin = asked.origin.as_deref().map(str::parse).transpose()?;
        let issuer = asked.issuer.as_deref().map(str::parse).transpose()?;
        let places = Places {
            origin: origin.unwrap_or_else(|| self.parts.origin.clone()),
            issuer: issuer.or_else(|| login.issuer.clone()).unwrap_or_else(|| self.parts.issuer.clone()),
        };
        if asked.simulated && !(places.origin.is_loopback() && places.issuer.is_loopback()) {
            return Err(Refusal::new(
                "simulated_account",
                "a simulated account needs an origin and an issuer on loopback: --origin and --issuer",
            ));
        }
        Ok(places)
    }

    /// The account that this login is, with what it says about itself now; or a new one.
    fn record(
        &self,
        snapshot: &Snapshot,
        login: &Login,
        asked: &Asked,
        places: &Places,
    ) -> Result<AccountRecord, Refusal> {
        let label = asked.label.as_deref().map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned);
        let same = |account: &&AccountRecord| {
            account.status != AccountStatus::Deleted
                && account.chatgpt_account_id == login.chatgpt_account_id
                && account.origin == places.origin.as_str()
        };
        let known = snapshot.accounts.iter().find(same);
        if let Some(known) = known {
            keeps_its_places(known, asked, places)?;
        }
        let unnamed = || login.email.clone().unwrap_or_else(|| login.chatgpt_account_id.clone());
        Ok(AccountRecord {
            id: known.map_or_else(AccountId::generate, |known| known.id),
            label: label.or_else(|| known.map(|known| known.label.clone())).unwrap_or_else(unnamed),
            chatgpt_account_id: login.chatgpt_account_id.clone(),
            chatgpt_user_id: login.chatgpt_user_id.clone(),
            email: login.email.clone(),
            plan: login.plan.clone(),
            origin: places.origin.to_string(),
            issuer: places.issuer.to_string(),
            client_id: login.client_id.clone(),
            residency: login.residency.clone(),
            simulated: asked.simulated,
            status: status_after(known),
            created_at: known.map_or_else(|| self.parts.clock.now(), |known| known.created_at),
            version: known.map_or(0, |known| known.version),
        })
    }

    fn transaction(
        &self,
        snapshot: &Snapshot,
        account: AccountRecord,
        pool: &PoolRecord,
        login: &Login,
        parent: Version,
    ) -> Result<ControlTx, Refusal> {
        let (id, status) = (account.id, account.status);
        let sealed = self.parts.sealer.seal_tokens(
            id,
            parent.next(),
            &login.refresh,
            &login.access,
            Some(login.access_expires_at),
        );
        let tokens = sealed.map_err(|error| Refusal::new("secrets", error.to_string()))?;
        let tx = ControlTx::new().with(ControlOp::PutAccount(account)).with(ControlOp::ImportTokens {
            account: id,
            parent,
            tokens,
        });
        let found = snapshot.assignments.iter().find(|a| a.account == id && a.pool == pool.id);
        let assignment = AssignmentRecord {
            pool: pool.id,
            account: id,
            status,
            created_at: found.map_or_else(|| self.parts.clock.now(), |found| found.created_at),
            version: found.map_or(0, |found| found.version),
        };
        Ok(tx.with(ControlOp::PutAssignment(assignment)))
    }
}

struct Places {
    origin: Origin,
    issuer: Origin,
}

/// An account stays what it was imported as: its refresh token goes to one issuer only.
fn keeps_its_places(known: &AccountRecord, asked: &Asked, places: &Places) -> Result<(), Refusal> {
    if known.issuer != places.issuer.as_str() {
        let message =
            format!("this login was imported with the issuer {} and keeps it: remove the account first", known.issuer);
        return Err(Refusal::new("conflict", message));
    }
    if known.simulated != asked.simulated {
        let was = if known.simulated { "a simulated" } else { "a real" };
        let message = format!("this login was imported as {was} account and stays one: remove the account first");
        return Err(Refusal::new("conflict", message));
    }
    Ok(())
}

/// New tokens heal what was wrong with the old ones, but do not undo what an operator decided.
fn status_after(known: Option<&AccountRecord>) -> AccountStatus {
    match known.map(|known| known.status) {
        Some(kept @ (AccountStatus::Paused | AccountStatus::Disabled)) => kept,
        Some(
            AccountStatus::Pending
            | AccountStatus::Active
            | AccountStatus::Refreshing
            | AccountStatus::RefreshDue
            | AccountStatus::RefreshFailed
            | AccountStatus::ReauthRequired
            | AccountStatus::Errored
            | AccountStatus::Deleted,
        )
        | None => AccountStatus::Active,
    }
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<OriginError> for Refusal {
    fn from(error: OriginError) -> Self {
        Self::new("invalid", error.to_string())
    }
}
