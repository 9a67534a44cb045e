//! Routes that are answered here, without an upstream.

mod codex_usage;
mod files;
mod login;
mod models;
mod usage;

use std::sync::Arc;

use http::HeaderValue;
use pooler_filter::{Catalog as _, Clock, Exchange, KeyFacts, LocalReply, Operation, Principal, Reject, Route};

use self::files::FileRoutes;
pub(crate) use self::login::AccountLogins;
use crate::catalog::ModelCatalog;
use crate::files::FileTable;
use crate::pool::Pool;
use crate::store::LedgerStore;

/// All of them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    models: Arc<ModelCatalog>,
    files: FileRoutes,
    ledger: Arc<dyn LedgerStore>,
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
}

impl Endpoints {
    pub(crate) fn new(
        models: &Arc<ModelCatalog>,
        files: Arc<FileTable>,
        ledger: &Arc<dyn LedgerStore>,
        pool: &Arc<Pool>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (models, ledger, clock) = (Arc::clone(models), Arc::clone(ledger), Arc::clone(clock));
        Self { models, files: FileRoutes::new(files), ledger, pool: Arc::clone(pool), clock }
    }

    /// `ETag` of the native list of models that this key gets; none as long as there is none.
    pub(crate) fn models_etag(&self, key: &KeyFacts) -> Option<HeaderValue> {
        self.models.etag(key)
    }

    /// The answer for the route of this exchange.
    pub(crate) async fn answer(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        let key = &cx.require::<Principal>()?.0;
        let route = *cx.require::<Route>()?;
        match route.operation {
            Operation::Usage if route.is_native() => Ok(codex_usage::answer(&self.pool, key.pool.id)),
            Operation::ListModels if route.is_native() => models::native(&self.models, key),
            Operation::ListModels => Ok(models::list(&self.models, key)),
            Operation::GetModel => models::one(&self.models, key, &cx.head().path),
            Operation::ListFiles => self.files.list(cx).await,
            Operation::GetFile => self.files.get(cx).await,
            Operation::FileContent | Operation::DeleteFile => self.files.refuse(cx).await,
            Operation::Usage => {
                usage::check_query(&cx.head().query)?;
                usage::answer(&*self.ledger, &self.pool, key, self.clock.now()).await
            }
            other @ (Operation::Responses | Operation::Unsupported | _) => {
                Err(Reject::internal(format!("{other:?} has no answer here")))
            }
        }
    }
}
