//! A command goes to the gateway that has the store open, or to the store itself where no gateway runs.

use std::sync::Arc;

use pooler_filter::{Clock as _, SystemClock};

use super::Failure;
use crate::admin::{Backend, BackendParts, CallError, Command, Nobody, Refusal, Reply, Who, call, prepare_dir};
use crate::catalog::ModelCatalog;
use crate::config::Settings;
use crate::secrets::unlock;
use crate::store::{BackupKeeper, SledOptions, SledStore, StoreError, StoreOpenError, Stores, refuse_if_gone};

pub(super) async fn execute(settings: &Settings, command: Command) -> Result<Vec<Reply>, Failure> {
    let socket = settings.data.socket();
    match call(&socket, &command).await {
        Err(CallError::NobodyListens) => {}
        answered => return Ok(answered?),
    }
    let data = &settings.data;
    refuse_if_gone(&data.store(), &settings.backups())?;
    if !data.store().exists() && !command.changes() {
        return Err(Failure::new(format!("there is no store in {}", data.dir.display())));
    }
    prepare_dir(&data.dir).map_err(|error| Failure::new(error.to_string()))?;
    match SledStore::open(&SledOptions::new(data.store())) {
        Ok(store) => by_itself(settings, &Arc::new(store), command).await,
        // A gateway has the store before it has the socket: by now it may answer.
        Err(StoreOpenError::Locked { path }) => match call(&socket, &command).await {
            Err(CallError::NobodyListens) => Err(Failure::locked(format!(
                "the store {} is in use by another process, which does not answer on {}",
                path.display(),
                socket.display()
            ))),
            answered => Ok(answered?),
        },
        Err(error) => Err(Failure::new(error.to_string())),
    }
}

async fn by_itself(settings: &Settings, store: &Arc<SledStore>, command: Command) -> Result<Vec<Reply>, Failure> {
    let stores = Stores::of(store);
    let unlocked = unlock(&settings.secrets.keys, &settings.data.secrets_key(), stores.control.as_ref()).await;
    let unlocked = unlocked.map_err(|error| Failure::new(error.to_string()))?;
    let clock = Arc::new(SystemClock);
    let keeper = BackupKeeper::new(Arc::clone(store), settings.backups(), clock.clone());
    let catalog = catalog(settings, &stores).await.map_err(|error| Failure::new(error.to_string()))?;
    let backend = Backend::new(BackendParts {
        sealer: unlocked.keyring.sealer(),
        peppers: unlocked.keyring.peppers(),
        stores,
        origin: settings.accounts.origin.clone(),
        issuer: settings.accounts.issuer.clone(),
        clock,
        catalog,
        on_change: Arc::new(Nobody),
        backups: Some(Arc::new(keeper)),
    });
    let result = backend.execute(command, &Who::this_process()).await;
    store.close();
    let mut replies = result?;
    if let Some(file) = unlocked.created {
        replies.push(Reply::Warning(format!(
            "made {}, the root key of this store: back it up now, apart from the store. Without it the store cannot be opened",
            file.display()
        )));
    }
    Ok(replies)
}

/// The models as the store has them.
async fn catalog(settings: &Settings, stores: &Stores) -> Result<Arc<ModelCatalog>, StoreError> {
    let catalog = Arc::new(ModelCatalog::new(settings));
    catalog.load(&*stores.catalog).await?;
    catalog.take_over(&stores.control.load().await?, &*stores.catalog, SystemClock.now()).await?;
    Ok(catalog)
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.to_string())
    }
}
