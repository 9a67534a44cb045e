//! Routes that are answered here, without an upstream.

mod models;

use std::sync::Arc;

use pooler_filter::{Exchange, LocalReply, Operation, Principal, Reject, Route};

pub(crate) use self::models::ModelCatalog;

/// All of them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    models: Arc<ModelCatalog>,
}

impl Endpoints {
    pub(crate) const fn new(models: Arc<ModelCatalog>) -> Self {
        Self { models }
    }

    /// The answer for the route of this exchange.
    pub(crate) fn answer(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        match cx.require::<Route>()?.operation {
            Operation::ListModels => Ok(self.models.list(&cx.require::<Principal>()?.0)),
            other @ (Operation::Responses | Operation::Unsupported | _) => {
                Err(Reject::internal(format!("{other:?} has no answer here")))
            }
        }
    }
}
