//! `codex_rewrite`: OpenAI requests become what the Codex backend takes, and its answers become what OpenAI clients expect.
//!
//! The way down is `request`: a request is checked in a fixed order and rewritten member by member; what no rule names passes byte for
//! byte (docs/v1.md, Responses). The way up is `response`: the events of the backend become a public stream or one JSON answer
//! (docs/v1.md, Streams). The two share one private fact, `echo::Echo`.

mod echo;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod request;
mod response;

use std::sync::Arc;

use pooler_filter::{
    BuildError, Catalog, Clock, Contract, Exchange, Filter, FilterContext, FilterFactory, Flow, Intent, Operation,
    Port, Principal, Reject, ResponseHead, Route, Slot, Stage, Upload, UpstreamRequest, async_trait,
};
use serde::Deserialize;

use crate::echo::Echo;

/// Configuration of the filter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sends the client's `metadata` on; the backend is said to refuse it, so the default is to drop it (it is echoed either way).
    pub forward_metadata: bool,
    /// `originator` of translated requests; default: this program's name.
    pub originator: Option<String>,
    /// `user-agent` of translated requests; default: this program's name and version.
    pub user_agent: Option<String>,
    /// `version` header of translated requests; default: not sent.
    pub version: Option<String>,
}

/// The filter.
pub struct CodexRewrite {
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
    forward_metadata: bool,
    identity: request::Identity,
}

impl std::fmt::Debug for CodexRewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodexRewrite").field("forward_metadata", &self.forward_metadata).finish_non_exhaustive()
    }
}

impl FilterFactory for CodexRewrite {
    const NAME: &'static str = "codex_rewrite";
    const CONTRACT: Contract = Contract::new()
        .on_body(&[Route::NAME, Principal::NAME], &[Intent::NAME, Echo::NAME, Upload::NAME])
        .on_response(&[Route::NAME, Principal::NAME, Intent::NAME, Echo::NAME], &[])
        .ports(&[Port::Catalog, Port::Clock]);
    type Config = Config;

    fn build(config: Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        let identity = request::Identity::new(config.originator, config.user_agent, config.version)
            .map_err(|member| BuildError::Refused(format!("{member} is not a valid header value")))?;
        Ok(Arc::new(Self {
            catalog: cx.catalog()?,
            clock: cx.clock()?,
            forward_metadata: config.forward_metadata,
            identity,
        }))
    }
}

#[async_trait]
impl Filter for CodexRewrite {
    async fn on_request_body(&self, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        let route = *cx.require::<Route>()?;
        if route.is_native() {
            request::native(self, route.operation, request, cx)?;
            return Ok(Flow::Continue);
        }
        match route.operation {
            Operation::Responses => request::responses(self, request, cx)?,
            Operation::Compact => request::compact(self, request, cx)?,
            Operation::Chat => request::chat(self, request, cx)?,
            Operation::GenerateImage | Operation::EditImage => request::images(self, request, cx)?,
            Operation::Transcribe => request::transcribe(self, request, cx)?,
            Operation::CreateFile => request::upload(self, request, cx)?,
            Operation::ListFiles
            | Operation::GetFile
            | Operation::FileContent
            | Operation::DeleteFile
            | Operation::ListModels
            | Operation::GetModel
            | Operation::Usage
            | Operation::Unsupported
            | _ => {}
        }
        Ok(Flow::Continue)
    }

    fn on_response(&self, head: &mut ResponseHead, cx: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        let clock = || Arc::clone(&self.clock);
        let route = *cx.require::<Route>()?;
        if route.is_native() {
            let etag = self.catalog.etag(&cx.require::<Principal>()?.0);
            return response::native(route.operation, etag, clock(), head, cx);
        }
        Ok(match route.operation {
            Operation::Responses => Some(response::responses(clock(), head, cx)?),
            Operation::Compact => Some(response::compact(clock(), head, cx)?),
            Operation::Chat => Some(response::chat(clock(), head, cx)?),
            Operation::GenerateImage | Operation::EditImage => Some(response::images(clock(), head, cx)?),
            Operation::Transcribe => Some(response::transcribe(head, cx)?),
            Operation::CreateFile
            | Operation::ListFiles
            | Operation::GetFile
            | Operation::FileContent
            | Operation::DeleteFile
            | Operation::ListModels
            | Operation::GetModel
            | Operation::Usage
            | Operation::Unsupported
            | _ => None,
        })
    }
}
