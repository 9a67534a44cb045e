//! `tenant_tag`: serves known tenants only, and says in each answer for whom it is.
//!
//! A request names its tenant in the header `x-tenant`; one that names none, or one that the configuration does not list, is refused with
//! status 400 before its body is read. An answer carries the same header, and a stream ends with the comment `: tenant <name>`. It stands
//! above `codex_rewrite`, which makes the client's answer anew:
//!
//! ```toml
//! [[chain]]
//! filter = "tenant_tag"
//! [chain.config]
//! tenants = ["acme", "globex"]
//!
//! [[chain]]
//! filter = "auth"
//! # and the others
//! ```

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use pooler_filter::{
    BuildError, Carrier, Contract, End, Exchange, Filter, FilterContext, FilterFactory, Flow, Frame, Out, Reject,
    RejectKind, ResponseHead, Slot, Stage, async_trait,
};
use serde::Deserialize;

const HEADER: HeaderName = HeaderName::from_static("x-tenant");

/// Configuration of the filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The tenants that are served; at least one.
    pub tenants: Vec<String>,
}

/// The filter.
#[derive(Debug)]
pub struct TenantTag {
    tenants: Vec<HeaderValue>,
}

/// For whom the request is.
struct Tenant(HeaderValue);

impl Slot for Tenant {
    const NAME: &'static str = "tenant_tag.tenant";
}

impl FilterFactory for TenantTag {
    const NAME: &'static str = "tenant_tag";
    const CONTRACT: Contract = Contract::new().on_headers(&[], &[Tenant::NAME]).on_response(&[Tenant::NAME], &[]);
    type Config = Config;

    fn build(config: Config, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        if config.tenants.is_empty() {
            return Err(BuildError::Refused("`tenants` is empty: nobody would be served".into()));
        }
        let tenants = config.tenants.iter().map(|name| value(name)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { tenants }))
    }
}

/// A tenant's name becomes a header and a line of a stream, so it has to be one visible word.
fn value(name: &str) -> Result<HeaderValue, BuildError> {
    let refused = || BuildError::Refused(format!("`{}` is no name for a tenant", name.escape_debug()));
    let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    HeaderValue::from_str(name).ok().filter(|_| word).ok_or_else(refused)
}

#[async_trait]
impl Filter for TenantTag {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        let named =
            cx.head().headers.get(&HEADER).ok_or_else(|| refused("tenant_required", "header x-tenant is required"))?;
        let known = self.tenants.iter().find(|tenant| *tenant == named);
        let tenant = known.ok_or_else(|| refused("tenant_unknown", "this tenant is not served here"))?.clone();
        cx.put(Tenant(tenant))?;
        Ok(Flow::Continue)
    }

    fn on_response(&self, head: &mut ResponseHead, cx: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        let Tenant(tenant) = cx.require::<Tenant>()?;
        head.headers.insert(HEADER, tenant.clone());
        Ok((head.carrier == Carrier::Sse).then(|| Box::new(Sign(tenant.clone())) as Box<dyn Stage>))
    }
}

fn refused(code: &'static str, message: &'static str) -> Reject {
    Reject::new(RejectKind::Invalid, code, message)
}

/// Signs a stream: everything passes, and a comment follows the last event.
struct Sign(HeaderValue);

impl Stage for Sign {
    fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        out.push(frame);
        Ok(())
    }

    fn end(&mut self, end: &End, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        if matches!(end, End::Complete) {
            out.push(Frame::opaque([b": tenant ", self.0.as_bytes(), b"\n\n"].concat()));
        }
        Ok(())
    }
}
