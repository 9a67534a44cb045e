//! Websockets: a client's socket lives through many turns, each of them an exchange of its own (docs/websocket.md).
//!
//! One task serves a socket. It reads from the client all the time (`listen`), puts what comes into a short queue (`inbox`), and takes it
//! out one by one (`turn`). A turn goes over the line to an account (`line`), which is dialled when one needs it (`dial`) and watched in
//! between. What outlives a turn stands here: the head of the handshake with its credential, the line, the age.

mod arrival;
mod claims;
mod client;
mod counted;
mod dial;
mod ending;
mod event;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod handshake;
mod inbox;
mod line;
mod listen;
mod order;
mod relay;
mod speaker;
mod toll;
mod turn;

use std::pin::pin;

use http::StatusCode;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pooler_filter::{AccountId, Exchange, OutcomeKind, PoolView as _, Principal, Reject, Route};
use tokio::time::{Instant, sleep_until};

pub(super) use self::claims::Claims;
use self::client::Writer;
use self::ending::Ending;
use self::inbox::Inbox;
use self::line::Line;
use self::listen::{Ear, Item};
use super::downstream::{Downstream, Length};
use super::intake::Opening;
use super::pace::Pace;
use super::reply::native;
use super::{Ended, Gateway, Stop, dispatch, route};

/// No turn has named a model yet; the quota of an account is one for all of them.
const ANY_MODEL: &str = "*";

/// What outlives a turn.
#[derive(Debug)]
struct Conversation<'a> {
    gateway: &'a Gateway,
    writer: &'a Writer,
    opening: Opening,
    route: Route,
    since: Instant,
}

/// What changes with its turns.
#[derive(Debug, Default)]
struct Upstream {
    /// The line to an account, while there is one.
    line: Option<Line>,
    /// The account that answered last: without a line, the next turn goes there first too.
    home: Option<AccountId>,
}

impl Upstream {
    fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.hang_up();
        }
    }

    fn account(&self) -> Option<AccountId> {
        self.line.as_ref().map(Line::account).or(self.home)
    }
}

/// What follows a message of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The next one.
    Next,
    /// Nothing.
    Close(Ending),
}

impl Gateway {
    /// Agrees to a websocket: the chain has let the client in, and its pool can serve somebody (docs/decisions.md, S13).
    pub(super) async fn open_socket(&self, down: &mut Downstream, cx: &Exchange) -> Result<Ended, Stop> {
        let mut headers = handshake::accept(cx.head(), down.session.req_header().version)?;
        let key = &cx.require::<Principal>()?.0;
        let native = cx.require::<Route>()?.is_native();
        if let Some(etag) = self.endpoints.models_etag(key).filter(|_| native) {
            headers.insert(handshake::MODELS_ETAG, etag);
        }
        let views = self.pool.accounts(key.pool.id, &key.id, ANY_MODEL);
        if let Some(reject) = dispatch::unavailable(&views, self.clock.now()) {
            return Err(reject.into());
        }
        down.head(StatusCode::SWITCHING_PROTOCOLS, &headers, Length::None).await?;
        Ok(Ended { kind: OutcomeKind::Succeeded, code: None })
    }

    /// How a refusal is told to clients of this route.
    fn told_on(&self, route: Route, reject: Reject) -> Reject {
        if route.is_native() { native(reject, self.clock.now()) } else { reject }
    }

    /// Serves a websocket that was agreed to, from its first byte to its last.
    pub(super) async fn converse(&self, session: ServerSession, mut stopping: ShutdownWatch) {
        let opening = Opening::of(&session);
        let Ok(found) = route::find(opening.method(), opening.path()) else { return };
        let most = self.settings.limits.max_body;
        let Some((socket, purse)) = client::take_over(session, most, self.budget.open()).await else { return };
        let gateway = &self.settings.gateway;
        let (writer, mut reader) = Writer::split(socket, Pace::new(gateway.write_timeout, gateway.write_min_rate));
        let inbox = Inbox::new();
        let mut upstream = Upstream::default();
        let ending = {
            let ear = Ear { gateway: self, inbox: &inbox, writer: &writer, purse: &purse, route: found.route };
            let listening = pin!(ear.listen(&mut reader));
            let since = Instant::now();
            let talk = Conversation { gateway: self, writer: &writer, opening, route: found.route, since };
            talk.run(&inbox, &mut upstream, listening, &mut stopping).await
        };
        tracing::debug!(route = found.route.name, ending = ending.as_str(), "a websocket ends");
        upstream.hang_up();
        writer.farewell(reader, ending).await;
    }
}

impl Conversation<'_> {
    async fn run<L>(
        &self,
        inbox: &Inbox<Item>,
        upstream: &mut Upstream,
        mut listening: std::pin::Pin<&mut L>,
        stopping: &mut ShutdownWatch,
    ) -> Ending
    where
        L: Future<Output = Ending>,
    {
        loop {
            let idle = Instant::now() + self.gateway.settings.websocket.idle_timeout;
            let item = loop {
                let watching = async {
                    match upstream.line.as_mut() {
                        Some(line) => line.watch().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    // Before the messages: those that still wait are not served any more.
                    _ = stopping.wait_for(|stop| *stop) => return Ending::Draining,
                    ending = &mut listening => return ending,
                    item = inbox.next() => break item,
                    () = watching => {}
                    () = sleep_until(idle) => return Ending::Idle,
                }
                // The upstream has hung up; what it gave cannot be continued any more.
                upstream.hang_up();
            };
            if let After::Close(ending) = self.serve(item, upstream, listening.as_mut()).await {
                return ending;
            }
        }
    }

    /// How a refusal is told to this client.
    fn told(&self, reject: Reject) -> Reject {
        self.gateway.told_on(self.route, reject)
    }

    fn is_old(&self) -> bool {
        self.gateway.settings.websocket.lifetime.is_some_and(|most| self.since.elapsed() >= most)
    }
}
