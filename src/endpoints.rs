//! Routes that are answered here, without an upstream.

mod models;
mod usage;

use std::sync::Arc;

use pooler_filter::{Clock, Exchange, LocalReply, Operation, Principal, Reject, Route};

use crate::catalog::ModelCatalog;
use crate::store::LedgerStore;

/// All of them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    models: Arc<ModelCatalog>,
    ledger: Arc<dyn LedgerStore>,
    clock: Arc<dyn Clock>,
}

impl Endpoints {
    pub(crate) fn new(models: &Arc<ModelCatalog>, ledger: &Arc<dyn LedgerStore>, clock: &Arc<dyn Clock>) -> Self {
        Self { models: Arc::clone(models), ledger: Arc::clone(ledger), clock: Arc::clone(clock) }
    }

    /// The answer for the route of this exchange.
    pub(crate) async fn answer(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        let key = &cx.require::<Principal>()?.0;
        match cx.require::<Route>()?.operation {
            Operation::ListModels => Ok(models::list(&self.models, key)),
            Operation::GetModel => models::one(&self.models, key, &cx.head().path),
            Operation::Usage => {
                usage::check_query(&cx.head().query)?;
                usage::answer(&*self.ledger, &key.id, self.clock.now()).await
            }
            other @ (Operation::Responses | Operation::Unsupported | _) => {
                Err(Reject::internal(format!("{other:?} has no answer here")))
            }
        }
    }
}
