//! Routes that are answered here, without an upstream.

mod files;
mod models;

use std::sync::Arc;

use pooler_filter::{Exchange, LocalReply, Operation, Principal, Reject, Route};

use self::files::FileRoutes;
pub(crate) use self::models::ModelCatalog;
use crate::files::FileTable;

/// All of them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    models: Arc<ModelCatalog>,
    files: FileRoutes,
}

impl Endpoints {
    pub(crate) const fn new(models: Arc<ModelCatalog>, files: Arc<FileTable>) -> Self {
        Self { models, files: FileRoutes::new(files) }
    }

    /// The answer for the route of this exchange.
    pub(crate) async fn answer(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        match cx.require::<Route>()?.operation {
            Operation::ListModels => Ok(self.models.list(&cx.require::<Principal>()?.0)),
            Operation::ListFiles => self.files.list(cx).await,
            Operation::GetFile => self.files.get(cx).await,
            Operation::FileContent | Operation::DeleteFile => self.files.refuse(cx).await,
            other @ (Operation::Responses | Operation::Unsupported | _) => {
                Err(Reject::internal(format!("{other:?} has no answer here")))
            }
        }
    }
}
