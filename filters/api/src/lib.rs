//! The filter API of Codex Pooler: everything that happens to a request between its arrival and its dispatch, and to the answer on its
//! way back, happens in a chain of filters. The built-in ones and yours are made, registered and configured alike.
//!
//! # Write a filter in five minutes
//!
//! A filter is three things: a type for its table in the configuration file, a [`FilterFactory`] that makes it, and a [`Filter`] with the
//! hooks that it needs. This one lets in only whom it may serve:
//!
//! ```
//! use std::sync::Arc;
//!
//! use pooler_filter::{
//!     BuildError, Contract, Exchange, Filter, FilterContext, FilterFactory, Flow, Reject, RejectKind, async_trait,
//! };
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     countries: Vec<String>,
//! }
//!
//! struct GeoFence {
//!     countries: Vec<String>,
//! }
//!
//! impl FilterFactory for GeoFence {
//!     const NAME: &'static str = "geo_fence";
//!     const CONTRACT: Contract = Contract::new();
//!     type Config = Config;
//!
//!     fn build(config: Config, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
//!         if config.countries.is_empty() {
//!             return Err(BuildError::Refused("`countries` is empty: nobody could come in".into()));
//!         }
//!         Ok(Arc::new(Self { countries: config.countries }))
//!     }
//! }
//!
//! #[async_trait]
//! impl Filter for GeoFence {
//!     async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
//!         let country = cx.head().header("x-country").unwrap_or("unknown");
//!         if self.countries.iter().any(|c| c.eq_ignore_ascii_case(country)) {
//!             return Ok(Flow::Continue);
//!         }
//!         Err(Reject::new(RejectKind::Forbidden, "geo_fence_closed", "This service is not available in your country."))
//!     }
//! }
//!
//! // Its test, with the feature `testing` of this crate.
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BuildError> {
//! use pooler_filter::Reached;
//! use pooler_filter::testing::{ExchangeBuilder, FakePorts, chain_of};
//!
//! let chain = chain_of::<GeoFence>(r#"countries = ["PT", "NL"]"#, &FakePorts::new().ports())?;
//! let mut at_home = ExchangeBuilder::responses().header("x-country", "pt").build();
//! let mut abroad = ExchangeBuilder::responses().header("x-country", "fr").build();
//! assert!(chain.request_headers(&mut at_home, &mut Reached::default()).await.is_ok());
//! let reject = chain.request_headers(&mut abroad, &mut Reached::default()).await.unwrap_err();
//! assert_eq!(reject.status(), 403);
//! assert!(chain_of::<GeoFence>("countries = []", &FakePorts::new().ports()).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! A binary with it is eight lines, beside a `Cargo.toml` that names `codex-pooler` and the crate of the filter:
//!
//! ```text
//! use std::process::ExitCode;
//!
//! use geo_fence::GeoFence;
//!
//! fn main() -> ExitCode {
//!     codex_pooler::run(codex_pooler::builtin_filters().with::<GeoFence>())
//! }
//! ```
//!
//! and the configuration file says where in the chain it stands. Requests run down the list, answers up:
//!
//! ```toml
//! [[chain]]
//! filter = "geo_fence"
//! [chain.config]
//! countries = ["PT", "NL"]
//!
//! [[chain]]
//! filter = "auth"
//! # route_gate, codex_rewrite, pool_select, accounting follow
//! ```
//!
//! # Which hook sees what
//!
//! | | an SSE stream | a collected answer: the backend streams, the client does not | a JSON answer of the backend |
//! |---|---|---|---|
//! | [`Filter::on_request_headers`] | the client's head, before a byte of the body is read | the same | the same |
//! | [`Filter::on_request_body`] | the whole body, decoded and parsed once, in the request that goes upstream; without edits it goes on byte for byte | the same | the same |
//! | [`Filter::on_response`], once, for the attempt that the client gets | [`Carrier::Sse`], [`Delivery::Stream`] | below `codex_rewrite` [`Carrier::Sse`], above it [`Carrier::Json`], [`Delivery::Whole`] | [`Carrier::Json`], [`Delivery::Whole`] |
//! | [`Stage::frame`] | one [`Frame`] per event or comment, as it arrives: below `codex_rewrite` the backend's, above it the client's | below `codex_rewrite` the backend's events, above it one frame: the answer | one frame: the answer |
//! | [`Stage::end`] | after the last event, with the reason | the same; above `codex_rewrite`, the answer may come only now | after the frame |
//! | an error of a stage | told inside the stream once the head has left, a status before | a status: nothing has left | a status |
//! | [`Filter::on_done`], once | at the end, also when the client left or nothing was tried | the same | the same |
//!
//! Below means later in the list. A request that is refused or answered here ([`Flow::Reply`]) has no `on_response` and no stage.
//! `on_done` runs for exactly those filters whose `on_request_headers` ran. Attempts that fail before the client got anything are never
//! seen by the chain. Uploads and websocket turns do not pass the chain yet.
//!
//! # Change an answer
//!
//! [`Filter::on_response`] may edit the head and hand out a [`Stage`], which owns what it has to remember about this one answer. A frame
//! that is not touched is written exactly as it came, so pass it on when it is not yours. Stages run on the path of every chunk: look at
//! [`Frame::name`] before you parse, and never block. `codex_rewrite` makes head and frames of the client's answer anew: what is meant
//! for the client stands above it.
//!
//! ```
//! # use std::sync::Arc;
//! # use pooler_filter::*;
//! # #[derive(serde::Deserialize)]
//! # struct Config {}
//! # struct CountEvents;
//! # impl FilterFactory for CountEvents {
//! #     const NAME: &'static str = "count_events";
//! #     const CONTRACT: Contract = Contract::new();
//! #     type Config = Config;
//! #     fn build(_: Config, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> { Ok(Arc::new(Self)) }
//! # }
//! #[async_trait]
//! impl Filter for CountEvents {
//!     fn on_response(&self, head: &mut ResponseHead, _: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
//!         Ok((head.carrier == Carrier::Sse).then(|| Box::new(Counter { events: 0 }) as Box<dyn Stage>))
//!     }
//! }
//!
//! struct Counter {
//!     events: usize,
//! }
//!
//! impl Stage for Counter {
//!     fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
//!         self.events += usize::from(frame.name().is_some());
//!         out.push(frame);
//!         Ok(())
//!     }
//!
//!     fn end(&mut self, end: &End, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
//!         if matches!(end, End::Complete) {
//!             out.push(Frame::opaque(format!(": {} events\n\n", self.events))); // a comment: clients skip it
//!         }
//!         Ok(())
//!     }
//! }
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let chain = testing::chain_of::<CountEvents>("", &testing::FakePorts::new().ports())?;
//! # let mut cx = testing::ExchangeBuilder::responses().build();
//! # let mut head = ResponseHead::new(http::StatusCode::OK, Carrier::Sse, Delivery::Stream);
//!
//! let mut stages = chain.response(&mut head, &mut cx)?;
//! let mut out = Vec::new();
//! stages.frame(Frame::event("response.created", "{}"), &mut out, &mut cx)?;
//! stages.end(&End::Complete, &mut out, &mut cx)?;
//! assert_eq!(out[1].to_bytes(), ": 1 events\n\n");
//! # Ok(())
//! # }
//! ```
//!
//! # Know something, tell something: slots
//!
//! Facts travel in slots of the [`Exchange`]: each is a type of its own, written once, by the one filter whose contract says so. What
//! changes while an answer passes is no fact; it belongs into the stage. These are there for everybody:
//!
//! | Slot | Written by | When | Says |
//! |---|---|---|---|
//! | [`Route`] | the host | before the chain | what is asked of which surface |
//! | [`Turn`] | the host | before the chain, on websockets only | the request is a turn on a websocket |
//! | [`Principal`] | `auth` | headers | whose key it is, and what its pool allows |
//! | [`Permit`] | `route_gate` | headers | the principal may use the route |
//! | [`Intent`] | `codex_rewrite` | body | model, stream, estimates; absent when the request is answered here |
//! | [`Plan`] | `pool_select` | body | the accounts to try, in order, each with its reason |
//! | [`Reservation`] | `accounting` | body | the request is counted |
//! | [`Served`] | the host | before `on_response` | the account whose answer this is |
//! | [`Usage`] | `accounting` | its stage | what the answer took |
//!
//! ```
//! # use pooler_filter::*;
//! /// A slot of your own: prefix its name with that of your filter.
//! struct Country(String);
//!
//! impl Slot for Country {
//!     const NAME: &'static str = "geo_fence.country";
//! }
//!
//! /// Written in `on_request_headers` with `cx.put(Country(..))?`; `Principal` can be read there with `cx.require::<Principal>()?`.
//! const CONTRACT: Contract = Contract::new().on_headers(&[Principal::NAME], &[Country::NAME]);
//! ```
//!
//! # The contract
//!
//! [`Contract`] says, for each hook, which slots it requires and which it provides, which ports the filter uses, and whether it takes the
//! client's credential. It is checked when the chain is built, so a chain that starts has no wrong order:
//!
//! - What a hook requires is provided by an earlier filter, for the way up by a later one: ``chain[2] `pool_select`: requires `intent`,
//!   which no earlier filter provides``. The headers of all filters come before the body of any.
//! - No slot has two writers, and those of the host have none in the chain.
//! - [`Exchange::put`] refuses a slot that the hook at work does not provide, and [`Exchange::take_credential`] gives nothing to a filter
//!   that did not ask: both are faults of the filter, and a client sees no more of them than status 500.
//! - A mistake in a filter's table names the line and the key in the file.
//!
//! # What the host lends: ports
//!
//! [`FilterContext`] lends what the contract names, at [`FilterFactory::build`]. A port is a verb, not a database, and none of them waits
//! for a remote store:
//!
//! | Port | Does |
//! |---|---|
//! | [`Keyring`] | says which key a text is, in constant time |
//! | [`Logins`] | answers the holder of an account's own login |
//! | [`PoolView`] | shows the accounts of a pool as they stand now |
//! | [`Catalog`] | knows the models of a pool |
//! | [`Ledger`] | takes reservations and settlements |
//! | [`Affinity`] | remembers which account served a session |
//! | [`Files`] | knows the uploaded files of a key |
//! | [`Clock`] | tells the time; a test sets it by hand |
//!
//! # Manners
//!
//! - One filter serves all exchanges at once: it holds configuration only.
//! - Refuse with a [`Reject`]: a kind, a code for machines, one sentence for people. The host alone makes it bytes. Its `source` goes to the
//!   log, so neither keys nor prompts nor answers belong there.
//! - Refuse in `on_request_headers` what can be refused there: it costs nothing yet.
//! - `on_done` is not always reached through an answer: the client may be gone, and slots may be empty.

mod body;
mod chain;
mod clock;
pub mod codex;
mod contract;
mod exchange;
mod factory;
mod filter;
pub mod form;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod head;
mod ids;
pub mod json;
mod ports;
mod registry;
mod reject;
mod secret;
mod slots;
pub mod sse;
#[cfg(feature = "testing")]
pub mod testing;

pub use async_trait::async_trait;
pub use body::Body;
pub use chain::{Chain, Hook, Observer, Reached, Stages, Unobserved};
pub use clock::{Clock, SystemClock, Timestamp};
pub use contract::{Contract, HookSlots};
pub use exchange::{Exchange, Slot, SlotError};
pub use factory::{BuildError, FilterContext, FilterFactory, RawConfig};
pub use filter::{Cut, End, Filter, Flow, LocalReply, Out, Outcome, OutcomeKind, Stage};
pub use frame::{Frame, FrameKind};
pub use head::{Carrier, Connection, Delivery, Expects, RequestHead, ResponseHead, UpstreamRequest};
pub use ids::{AccountId, InvalidId, KeyId, PoolId, RequestId};
pub use ports::{
    AccountView, Affinity, AffinityKey, Catalog, Durable, FileFacts, FileStanding, Files, FilesError, KeyFacts,
    KeyStatus, Keyring, Ledger, LedgerError, Logins, ModelFacts, NoUsage, PoolFacts, PoolView, Port, Ports, QuotaClass,
    RequestFacts, SettlementFacts, Standing, TokenUsage, Transport,
};
pub use registry::{ChainEntry, ChainError, Registry};
pub use reject::{Code, Extra, Reject, RejectKind, Source, Verbatim};
pub use secret::Secret;
pub use slots::{
    AttemptReport, AttemptResult, Candidate, Intent, Issuers, Operation, Permit, Plan, Principal, Reason, Replayed,
    Reservation, Route, Served, Surface, Turn, TurnOwner, TurnState, Upload, UpstreamHeaders, Usage,
};
