//! The open store with its keys: what a server, a command without a server and the demo have in common.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pooler_filter::{
    AccountId, AccountView, Affinity, AffinityKey, Catalog, ChainError, Clock, Durable, FileFacts, Files, FilesError,
    KeyFacts, KeyId, Keyring, Ledger, LedgerError, LocalReply, Logins, NoUsage, PoolId, PoolView, Ports, RequestFacts,
    Secret, SettlementFacts, SystemClock,
};

use crate::admin::time::rfc3339;
use crate::catalog::ModelCatalog;
use crate::config::Settings;
use crate::disk::{Space, Volume};
use crate::secrets::{self, Peppers, Sealer, SecretsError, Unlocked};
use crate::store::{self, BackupKeeper, Backups, CommitFn, SledOptions, SledStore, StoreError, StoreOpenError, Stores};
use crate::tls::TlsError;

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// The store cannot be read.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The keys do not fit.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The chain cannot be built.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A listener cannot be opened.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] TlsError),
    /// Threads cannot be started.
    #[error("cannot start threads: {0}")]
    Runtime(std::io::Error),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The data directory or the admin socket.
    #[error("{0}")]
    Data(String),
}

/// The open store and its keys.
#[derive(Debug)]
pub struct State {
    stores: Stores,
    keyring: secrets::Keyring,
    sled: Arc<SledStore>,
    created_key: Option<PathBuf>,
    backups: Backups,
    space: Arc<dyn Space>,
}

impl State {
    /// Opens the store of these settings, and makes it if it is not there. Blocks while files are read.
    ///
    /// # Errors
    /// [`StartError::Open`] or [`StartError::Secrets`].
    pub async fn open(settings: &Settings, on_commit: Option<CommitFn>) -> Result<Self, StartError> {
        let mut options = SledOptions::new(settings.data.store());
        if let Some(observe) = on_commit {
            options = options.on_commit(observe);
        }
        let backups = settings.backups();
        let sled = Arc::new(open(&options, &backups, settings.backup.restore_damaged)?);
        let stores = Stores::of(&sled);
        let unlocked = secrets::unlock(&settings.secrets.keys, &settings.data.secrets_key(), &*stores.control).await;
        let Unlocked { keyring, created } = match unlocked {
            Ok(unlocked) => unlocked,
            Err(error) => {
                sled.close();
                return Err(error.into());
            }
        };
        let space = Arc::new(Volume::of(&settings.data.dir));
        Ok(Self { stores, keyring, sled, created_key: created, backups, space })
    }

    /// The same with another way to measure the room on the disk.
    #[must_use]
    pub fn with_space(mut self, space: Arc<dyn Space>) -> Self {
        self.space = space;
        self
    }

    pub(crate) fn space(&self) -> Arc<dyn Space> {
        Arc::clone(&self.space)
    }

    /// Makes backups of this store.
    pub(crate) fn backup_keeper(&self, clock: Arc<dyn Clock>) -> BackupKeeper {
        BackupKeeper::new(Arc::clone(&self.sled), self.backups.clone(), clock)
    }

    /// The directory of the store.
    pub(crate) fn store_path(&self) -> &Path {
        self.sled.path()
    }

    /// The stores.
    #[must_use]
    pub const fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The root keys.
    #[must_use]
    pub const fn keyring(&self) -> &secrets::Keyring {
        &self.keyring
    }

    /// The file of a root key that was made just now: the operator must back it up.
    #[must_use]
    pub const fn created_key(&self) -> Option<&PathBuf> {
        self.created_key.as_ref()
    }

    pub(crate) fn peppers(&self) -> Peppers {
        self.keyring.peppers()
    }

    pub(crate) fn sealer(&self) -> Sealer {
        self.keyring.sealer()
    }

    /// Closes the store; nothing can be written afterwards. Blocks until what is queued is durable.
    pub fn close(&self) {
        self.sled.close();
    }
}

/// Opens the store. None is made where there was one; a damaged one is moved aside and restored only if that is what the operator wants.
fn open(options: &SledOptions, backups: &Backups, restore_damaged: bool) -> Result<SledStore, StartError> {
    store::refuse_if_gone(options.path(), backups)?;
    let damage = match SledStore::open(options) {
        Err(damage @ StoreOpenError::Damaged { .. }) if restore_damaged => damage,
        opened => return Ok(opened?),
    };
    tracing::error!(%damage, "the store is moved aside and the last backup is restored (backup.restore_damaged)");
    let restored = store::restore(options, backups, None, true, SystemClock.now());
    let restored = restored.map_err(|error| StartError::Data(format!("{damage}. It was not restored: {error}")))?;
    let moved_to = restored.moved_to.unwrap_or_default();
    tracing::warn!(
        backup = %restored.backup.path.display(),
        made_at = rfc3339(restored.backup.made_at),
        rows = restored.backup.rows,
        left_out = restored.left_out,
        moved_to = %moved_to.display(),
        "the backup is restored; what was stored after it was made is missing, and logins that were refreshed since have to be imported again"
    );
    Ok(SledStore::open(options)?)
}

/// Ports to build a chain against that will serve nobody.
pub(super) fn idle_ports(settings: &Settings) -> Ports {
    let idle = Arc::new(Idle);
    Ports {
        keyring: idle.clone(),
        logins: idle.clone(),
        pool: idle.clone(),
        catalog: Arc::new(ModelCatalog::new(settings)) as Arc<dyn Catalog>,
        ledger: idle.clone(),
        affinity: idle.clone(),
        files: idle,
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
    }
}

/// Ports of a server that serves nobody.
pub(super) struct Idle;

impl Keyring for Idle {
    fn verify(&self, _: &Secret) -> Option<Arc<KeyFacts>> {
        None
    }
}

impl Logins for Idle {
    fn usage(&self, _: &str, _: &Secret) -> Result<LocalReply, NoUsage> {
        Err(NoUsage::UnknownLogin)
    }
}

impl PoolView for Idle {
    fn accounts(&self, _: PoolId, _: &KeyId, _: &str) -> Vec<AccountView> {
        Vec::new()
    }
}

impl Ledger for Idle {
    fn reserve(&self, _: RequestFacts) -> Result<Arc<dyn Durable>, LedgerError> {
        Err(LedgerError("nothing is served here".to_owned()))
    }

    fn settle(&self, _: SettlementFacts) -> Result<Arc<dyn Durable>, LedgerError> {
        Err(LedgerError("nothing is served here".to_owned()))
    }
}

impl Affinity for Idle {
    fn get(&self, _: &AffinityKey) -> Option<AccountId> {
        None
    }

    fn put(&self, _: AffinityKey, _: AccountId) {}
}

#[pooler_filter::async_trait]
impl Files for Idle {
    async fn file(&self, _: PoolId, _: &KeyId, _: &str) -> Result<Option<FileFacts>, FilesError> {
        Ok(None)
    }
}
