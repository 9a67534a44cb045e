//! A request's way, in order, on one screen: head, route, chain down, body, chain down, dispatch, chain up, reply, finish.

mod admission;
mod body;
mod bridge;
mod budget;
mod dispatch;
mod downstream;
mod finish;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod intake;
mod pace;
pub(crate) mod path;
mod reply;
pub mod route;
mod session;
mod upload;
mod upstream;
mod websocket;

pub(crate) use self::path::Segments;
pub(crate) use self::upstream::{Frozen, Replay};

use std::sync::Arc;

use http::{HeaderMap, Method};
use pooler_filter::codex::{Failure, Verdict};
use pooler_filter::json::{JsonObject, Kind};
use pooler_filter::sse::Limits as BlockLimits;
use pooler_filter::{
    AttemptResult, Body, Chain, Clock, Exchange, Expects, Flow, Operation, Outcome, OutcomeKind, Plan, Reached, Reject,
    Route, Slot as _, UpstreamHeaders, UpstreamRequest,
};

use self::admission::{Bulkheads, Place};
use self::body::FormCaps;
use self::budget::{Budget, Room};
use self::dispatch::{Attempts, Committed, Walk, Want};
use self::downstream::{Downstream, Gone};
use self::reply::{Fault, Relay, Relayed};
use self::route::{Class, Found, Handler, Payload};
use self::websocket::Claims;
use crate::accounts::Accounts;
use crate::client::Client;
use crate::config::Settings;
use crate::disk::DiskGuard;
use crate::endpoints::Endpoints;
use crate::files::FileTable;
use crate::pool::{Mark, Pool};
use crate::server::Lifecycle;
use crate::telemetry::{Load, Metrics};

/// The most that an ordinary event of a chat stream may have (docs/v1.md, Chat completions).
const CHAT_BLOCK: usize = 1 << 20;

/// The gateway: everything that a request meets.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) settings: Arc<Settings>,
    pub(crate) chain: Chain,
    pub(crate) pool: Arc<Pool>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) client: Arc<Client>,
    pub(crate) endpoints: Endpoints,
    pub(crate) files: Arc<FileTable>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) disk: Arc<DiskGuard>,
    budget: Budget,
    bulkheads: Arc<Bulkheads>,
    claims: Claims,
}

/// What requests occupy.
#[derive(Debug)]
struct Occupied {
    budget: Budget,
    bulkheads: Arc<Bulkheads>,
}

impl Load for Occupied {
    fn body_memory(&self) -> usize {
        self.budget.held()
    }

    fn admission(&self) -> [(&'static str, usize, usize); 6] {
        self.bulkheads.occupied()
    }
}

/// What [`Gateway`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) chain: Chain,
    pub(crate) pool: Arc<Pool>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) client: Arc<Client>,
    pub(crate) endpoints: Endpoints,
    pub(crate) files: Arc<FileTable>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) disk: Arc<DiskGuard>,
}

/// How serving ended, for the ledger.
struct Ended {
    kind: OutcomeKind,
    code: Option<pooler_filter::Code>,
}

/// Why serving stopped before its end.
enum Stop {
    Refused(Reject),
    Gone,
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Refused(reject)
    }
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Whether a request for a response asks for a compaction: its input is indexed already, so a look at the last item costs little.
fn ends_with_trigger(json: &JsonObject) -> bool {
    let input = json.get("input").filter(|input| input.kind() == Kind::Array);
    let last = input.and_then(|input| input.items().last());
    last.and_then(|item| item.get("type")).is_some_and(|kind| kind.is_str("compaction_trigger"))
}

impl Gateway {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, chain, pool, accounts, client, endpoints, files, metrics, clock, lifecycle, disk } =
            parts;
        let limits = &settings.limits;
        let budget = Budget::new(limits.body_memory, limits.body_memory_wait);
        let bulkheads = Arc::new(Bulkheads::new(&limits.admission));
        metrics.watch(Arc::new(Occupied { budget: budget.clone(), bulkheads: Arc::clone(&bulkheads) }));
        let claims = Claims::new(&clock);
        Self {
            settings,
            chain,
            pool,
            accounts,
            client,
            endpoints,
            files,
            metrics,
            clock,
            lifecycle,
            disk,
            budget,
            bulkheads,
            claims,
        }
    }

    /// Whether a chain can serve proxied routes at all.
    pub(crate) fn check_chain(chain: &Chain) -> Result<(), String> {
        if chain.provides(Plan::NAME) {
            return Ok(());
        }
        Err(format!("the chain needs a filter that provides `{}`", Plan::NAME))
    }

    /// The most that one event may have before its end has come.
    fn block_limits(&self, operation: Operation, want: Want) -> BlockLimits {
        let upstream = &self.settings.upstream;
        let most = if operation == Operation::Chat && want == Want::Stream { CHAT_BLOCK } else { usize::MAX };
        BlockLimits { ordinary: upstream.max_block.min(most), terminal: upstream.max_terminal_block }
    }

    /// One request, from its head to its end.
    async fn exchange(&self, down: &mut Downstream, cx: &mut Exchange) {
        let mut reached = Reached::default();
        let attempts = Attempts::default();
        let ended = match self.serve(down, cx, &mut reached, &attempts).await {
            Ok(ended) => ended,
            Err(Stop::Gone) => {
                attempts.end(self, AttemptResult::Cancelled, None);
                Ended { kind: OutcomeKind::Cancelled, code: None }
            }
            Err(Stop::Refused(reject)) => {
                if let Some(source) = &reject.source {
                    tracing::warn!(request_id = %cx.id(), error = %reject, %source, "refused");
                }
                attempts.end(self, AttemptResult::Cancelled, None);
                let tried = !attempts.reports().is_empty();
                if let Err(error) = reply::counted(cx).await {
                    tracing::error!(request_id = %cx.id(), %error, "the ledger did not take a request that was refused later");
                }
                let code = reject.code.clone();
                let is_native = cx.get::<Route>().is_some_and(Route::is_native);
                let reject = if is_native { reply::native(reject, self.clock.now()) } else { reject };
                let told = reply::refuse(down, &reject).await;
                let kind = if told.is_ok() { finish::refused(tried) } else { OutcomeKind::Cancelled };
                Ended { kind, code }
            }
        };
        let mut outcome = Outcome::new(ended.kind, 0);
        outcome.code = ended.code;
        outcome.attempts = attempts.reports();
        finish::finish(&self.chain, &self.metrics, (&*down).into(), cx, reached, outcome).await;
    }

    async fn serve(
        &self,
        down: &mut Downstream,
        cx: &mut Exchange,
        reached: &mut Reached,
        attempts: &Attempts,
    ) -> Result<Ended, Stop> {
        let found = route::find(&cx.head().method, &cx.head().path)?;
        cx.put(found.route)?;
        if let Flow::Reply(reply) = self.chain.request_headers(cx, reached).await? {
            reply::local(down, reply).await?;
            return Ok(Ended { kind: OutcomeKind::Succeeded, code: None });
        }
        self.disk.admit()?;
        match found.handler {
            Handler::Local => {
                let _place = match found.class {
                    Class::Files => Some(self.bulkheads.of(found.class, false).enter().await?),
                    Class::Model | Class::Turn | Class::Compact | Class::Audio => None,
                };
                let answer = self.endpoints.answer(cx).await?;
                reply::local(down, answer).await?;
                Ok(Ended { kind: OutcomeKind::Succeeded, code: None })
            }
            Handler::Websocket => self.open_socket(down, cx).await,
            Handler::Proxy => self.proxy(found, down, cx, attempts).await,
            // Their futures are larger than that of what most requests are.
            Handler::Upload => Box::pin(self.upload(found, down, cx, attempts)).await,
            Handler::Bridge => Box::pin(self.bridge(found, down, cx, attempts)).await,
            // The chain refuses them; without a gate in it nothing is served there either.
            Handler::Refuse => Err(route::unsupported().into()),
        }
    }

    async fn proxy(
        &self,
        found: Found,
        down: &mut Downstream,
        cx: &mut Exchange,
        attempts: &Attempts,
    ) -> Result<Ended, Stop> {
        let mut room = self.budget.open();
        let Some((request, _place)) = self.prepare(found, down, cx, &mut room).await? else {
            return Ok(Ended { kind: OutcomeKind::Succeeded, code: None });
        };
        let walk = Walk::new(self, request, cx)?;
        room.rewritten(walk.body_kept())?;
        let won = self.dispatch(&walk, down, cx, attempts).await?;
        drop(walk);
        drop(room);
        self.relay(won, down, cx, attempts).await
    }

    /// Reads the body, with a place to run in, and takes it down the chain. None: a filter has answered.
    async fn prepare(
        &self,
        found: Found,
        down: &mut Downstream,
        cx: &mut Exchange,
        room: &mut Room,
    ) -> Result<Option<(UpstreamRequest, Place)>, Stop> {
        intake::check_accept(cx.head())?;
        let (body, place) = self.read(found, down, room).await?;
        room.rewrite(body.json().map_or(0, |json| json.to_bytes().len())).await?;
        let mut request = UpstreamRequest {
            method: Method::POST,
            path: cx.head().path.clone(),
            headers: HeaderMap::new(),
            body,
            expects: Expects::Response,
        };
        if let Flow::Reply(reply) = self.chain.request_body(&mut request, cx).await? {
            reply::local(down, reply).await?;
            return Ok(None);
        }
        Ok(Some((request, place)))
    }

    /// A form is read only with a place, as it may be large and take long; which one a JSON body needs stands in it.
    async fn read(&self, found: Found, down: &mut Downstream, room: &mut Room) -> Result<(Body, Place), Stop> {
        let given = body::is_form(&down.session.req_header().headers);
        if found.payload == Payload::Form || (found.payload == Payload::JsonOrForm && given) {
            let place = self.bulkheads.of(found.class, false).enter().await?;
            let caps = FormCaps::of(found.route.operation, &self.settings);
            let form = body::read_form(&mut down.session, &self.settings, caps, room).await?;
            if found.route.operation == Operation::EditImage {
                // The images are sent on as text, which is larger by a third, and written while the form is still here.
                let held: usize = form.parts.iter().map(|part| part.data.len()).sum();
                room.grow_to(held + held.div_ceil(3) * 4).await?;
            }
            return Ok((Body::Multipart(form), place));
        }
        let native = found.route.is_native();
        let json = body::read_json(&mut down.session, &self.settings.limits, native, room).await?;
        let streams = json.get("stream").and_then(|v| v.as_bool()).unwrap_or_default();
        let compacts = found.route.operation == Operation::Responses && ends_with_trigger(&json);
        let class = if compacts { Class::Compact } else { found.class };
        let place = tokio::select! {
            biased;
            place = self.bulkheads.of(class, streams).enter() => place?,
            gone = down.gone() => return Err(gone.into()),
        };
        Ok((Body::Json(json), place))
    }

    /// Walks the plan while the client is watched; a stream that stays silent for too long is committed with a comment.
    async fn dispatch(
        &self,
        walk: &Walk<'_>,
        down: &mut Downstream,
        cx: &Exchange,
        attempts: &Attempts,
    ) -> Result<Result<Committed, Reject>, Stop> {
        let mut way = walk.over_http();
        let mut running = std::pin::pin!(walk.run(&mut way, attempts));
        let mut quiet = walk.commits_silence().then_some(self.settings.commit.silent);
        loop {
            let silence = async {
                match quiet {
                    Some(quiet) => tokio::time::sleep(quiet).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                won = &mut running => return Ok(won),
                gone = down.gone() => return Err(gone.into()),
                () = silence => {
                    if down.status().is_none() {
                        reply::counted(cx).await?;
                        reply::silent_head(down).await?;
                    } else {
                        reply::comment(down).await?;
                    }
                    quiet = self.settings.sse.keep_alive;
                }
            }
        }
    }

    async fn relay(
        &self,
        won: Result<Committed, Reject>,
        down: &mut Downstream,
        cx: &mut Exchange,
        attempts: &Attempts,
    ) -> Result<Ended, Stop> {
        let (relayed, mark) = match won {
            Ok(Committed { served, answer: (answer, headers), mark }) => {
                cx.put(served)?;
                cx.put(UpstreamHeaders(headers))?;
                (Relay { gateway: self, down, cx }.answer(answer).await, Some(mark))
            }
            Err(reject) => (Relay { gateway: self, down, cx }.failure(reject).await, None),
        };
        self.settle(relayed, mark, attempts)
    }

    /// What the end of an answer says: of the request, of the attempt, and of the account.
    fn settle(&self, relayed: Relayed, mark: Option<Mark>, attempts: &Attempts) -> Result<Ended, Stop> {
        let (result, failure, ended) = match relayed {
            Relayed::Done { kind: OutcomeKind::Succeeded, .. } => {
                mark.iter().for_each(|mark| self.pool.health().succeeded(mark));
                (AttemptResult::Served, None, Ok(Ended { kind: OutcomeKind::Succeeded, code: None }))
            }
            Relayed::Done { kind, code, fault } => {
                let failure = mark.and_then(|mark| self.blame(fault, mark));
                (AttemptResult::FailedAfterCommit, failure, Ok(Ended { kind, code }))
            }
            Relayed::Gone => (AttemptResult::Cancelled, None, Err(Stop::Gone)),
            Relayed::Refused(reject) => (AttemptResult::Invalid, None, Err(Stop::Refused(reject))),
        };
        attempts.end(self, result, failure.as_ref());
        ended
    }

    /// Counts a failure after the commit against the account, by the same rules as before it.
    fn blame(&self, fault: Fault, mark: Mark) -> Option<Failure> {
        match fault {
            Fault::None => None,
            Fault::Broke => {
                dispatch::learn(self, mark, None, Verdict::NextCandidate);
                None
            }
            Fault::Told(failure) => {
                dispatch::learn(self, mark, Some(&failure), failure.verdict());
                Some(failure)
            }
        }
    }
}
