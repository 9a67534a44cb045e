//! Carries commands out against the stores: the same code in a running gateway and in a command that opened the store itself.

mod accounts;
mod import;
mod keys;
mod models;
mod pools;
mod requests;
mod store;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use pooler_filter::Clock;

use super::command::Command;
use super::reply::{Refusal, Reply};
use crate::catalog::ModelCatalog;
use crate::config::Origin;
use crate::pool::Pool;
use crate::secrets::{Peppers, Sealer, SecretsError};
use crate::store::records::{AccountRecord, AccountStatus, KeyRecord, KeyStatus, PoolRecord};
use crate::store::{Actor, BackupKeeper, Clash, ControlTx, Rev, Snapshot, StoreError, Stores};

/// How often a change is tried again because another change was faster.
const TRIES: usize = 4;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who(String);

impl Who {
    /// Somebody at the other end of the socket.
    #[must_use]
    pub fn peer(uid: u32) -> Self {
        Self(format!("cli uid {uid}"))
    }

    /// This process itself, because no gateway runs.
    #[must_use]
    pub fn this_process() -> Self {
        Self(format!("cli uid {} (no gateway)", rustix::process::geteuid().as_raw()))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Learns of each change that was made, before the command is answered.
#[async_trait]
pub trait OnChange: fmt::Debug + Send + Sync {
    /// The store is at this revision now. What is returned as an error becomes a warning to the operator.
    async fn changed(&self, rev: Rev) -> Result<(), String>;
}

/// Learns nothing: where no gateway runs.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[async_trait]
impl OnChange for Nobody {
    async fn changed(&self, _: Rev) -> Result<(), String> {
        Ok(())
    }
}

/// What a [`Backend`] is made of.
#[derive(Debug)]
pub struct BackendParts {
    /// The stores.
    pub stores: Stores,
    /// Seals imported tokens.
    pub sealer: Sealer,
    /// Digests new keys.
    pub peppers: Peppers,
    /// Where imported logins are used, unless the import says otherwise.
    pub origin: Origin,
    /// Where they are refreshed, unless the import says otherwise.
    pub issuer: Origin,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The models of the pools.
    pub(crate) catalog: Arc<ModelCatalog>,
    /// Learns of changes.
    pub on_change: Arc<dyn OnChange>,
    /// Makes backups; none: this store has none.
    pub backups: Option<Arc<BackupKeeper>>,
}

/// Carries commands out.
#[derive(Debug)]
pub struct Backend {
    parts: BackendParts,
    /// That of the running gateway, which knows how the accounts are doing.
    pool: Option<Arc<Pool>>,
}

impl Backend {
    /// One that works with these parts.
    #[must_use]
    pub const fn new(parts: BackendParts) -> Self {
        Self { parts, pool: None }
    }

    /// The same in a gateway that runs with this pool.
    pub(crate) fn running(self, pool: Arc<Pool>) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// Carries a command out, and leaves a line about it in the log.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed then, unless its code is `outcome_unknown`.
    pub async fn execute(&self, command: Command, who: &Who) -> Result<Vec<Reply>, Refusal> {
        let (name, changes) = (command.name(), command.changes());
        let target = command.target().to_owned();
        let result = self.run(command, who).await;
        match &result {
            Ok(_) if changes => tracing::info!(%who, command = name, target, "admin: done"),
            Ok(_) => tracing::debug!(%who, command = name, target, "admin: read"),
            Err(refusal) => tracing::warn!(%who, command = name, target, code = refusal.code, "admin: refused"),
        }
        result
    }

    async fn run(&self, command: Command, who: &Who) -> Result<Vec<Reply>, Refusal> {
        match command {
            Command::PoolCreate { slug, name } => self.pool_create(&slug, name, who).await,
            Command::PoolList {} => self.pool_list().await,
            Command::PoolShow { pool } => self.pool_show(&pool).await,
            Command::PoolSet { pool, change } => self.pool_set(&pool, &change, who).await,
            Command::KeyCreate { pool, name, expires_at, models } => {
                self.key_create(&pool, &name, expires_at, models, who).await
            }
            Command::KeyList { pool } => self.key_list(pool.as_deref()).await,
            Command::KeyRevoke { key } => self.key_revoke(&key, who).await,
            Command::AccountImport { auth_json, pool, label, origin, issuer, simulated } => {
                let asked = import::Asked { pool, label, origin, issuer, simulated };
                self.account_import(&auth_json, &asked, who).await
            }
            Command::AccountList { pool } => self.account_list(pool.as_deref()).await,
            Command::AccountPause { account } => self.account_pause(&account, who).await,
            Command::AccountResume { account } => self.account_resume(&account, who).await,
            Command::AccountRemove { account } => self.account_remove(&account, who).await,
            Command::ModelList { pool } => self.model_list(pool.as_deref()).await,
            Command::RequestList { limit } => self.request_list(limit).await,
            Command::RequestShow { id } => self.request_show(&id).await,
            Command::StoreBackup {} => self.store_backup().await,
        }
    }

    async fn load(&self) -> Result<Snapshot, Refusal> {
        Ok(self.parts.stores.control.load().await?)
    }

    /// Reads, decides, writes; and again from the start while others are faster. The answer is what was decided on, and what
    /// to tell the operator besides.
    async fn change<T>(
        &self,
        who: &Who,
        decide: impl Fn(&Snapshot) -> Result<(ControlTx, T), Refusal> + Send,
    ) -> Result<(T, Vec<Reply>), Refusal> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let (tx, decided) = decide(&self.load().await?)?;
            match self.apply(tx, who).await {
                Err(StoreError::Conflict(Clash::Version)) if tries > 0 => {}
                result => return Ok((decided, result?)),
            }
        }
    }

    /// Makes the change durable and tells the gateway of it. The answer is what to tell the operator.
    async fn apply(&self, tx: ControlTx, who: &Who) -> Result<Vec<Reply>, StoreError> {
        let actor = Actor::new(who.to_string(), self.parts.clock.now());
        let rev = self.parts.stores.control.apply(tx, &actor).await?;
        Ok(match self.parts.on_change.changed(rev).await {
            Ok(()) => Vec::new(),
            Err(error) => {
                vec![Reply::Warning(format!("it is stored, but the running gateway has not taken it over: {error}"))]
            }
        })
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Conflict(_) => "conflict",
            StoreError::NotFound => "not_found",
            StoreError::Invalid(_) => "invalid",
            StoreError::Unavailable(_) | StoreError::ReadOnly => "unavailable",
            StoreError::Unknown(_) => "outcome_unknown",
            StoreError::Corrupt(_) => "corrupt",
        };
        Self::new(code, format!("the store: {error}"))
    }
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        Self::new("secrets", error.to_string())
    }
}

/// Looks things up as people name them.
trait Find {
    fn pool(&self, named: &str) -> Result<&PoolRecord, Refusal>;
    fn key(&self, named: &str) -> Result<&KeyRecord, Refusal>;
    fn account(&self, named: &str) -> Result<&AccountRecord, Refusal>;
}

impl Find for Snapshot {
    fn pool(&self, named: &str) -> Result<&PoolRecord, Refusal> {
        let named = named.trim();
        let found = self.pools.iter().find(|p| p.slug.eq_ignore_ascii_case(named) || p.id.to_string() == named);
        found.ok_or_else(|| not_found("pool", named))
    }

    fn key(&self, named: &str) -> Result<&KeyRecord, Refusal> {
        let named = super::command::public_half(named);
        if let Some(key) = self.keys.iter().find(|k| k.id.as_str() == named) {
            return Ok(key);
        }
        one(self.keys.iter().filter(|k| k.name == named && k.status != KeyStatus::Revoked), "key", named)
    }

    fn account(&self, named: &str) -> Result<&AccountRecord, Refusal> {
        let named = named.trim();
        let fits =
            |a: &&AccountRecord| a.status != AccountStatus::Deleted && (a.label == named || a.id.to_string() == named);
        one(self.accounts.iter().filter(fits), "account", named)
    }
}

fn one<'a, T>(mut found: impl Iterator<Item = &'a T>, what: &str, named: &str) -> Result<&'a T, Refusal> {
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(not_found(what, named)),
        (Some(_), Some(_)) => {
            Err(Refusal::new("ambiguous", format!("more than one {what} is called `{named}`: use its id")))
        }
    }
}

fn not_found(what: &str, named: &str) -> Refusal {
    Refusal::new("not_found", format!("there is no {what} `{named}`"))
}

#[cfg(test)]
mod tests;
