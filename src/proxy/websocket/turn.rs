//! One turn on a websocket: an exchange of its own, with the chain, the limits, the dispatch and the ledger of any request.

use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pooler_filter::{
    AttemptResult, Body, Exchange, Expects, Extra, Flow, Outcome, OutcomeKind, Principal, Reached, Reject, Turn,
    UpstreamHeaders, UpstreamRequest,
};

use super::claims::Claim;
use super::dial::OverLine;
use super::ending::Ending;
use super::line::Line;
use super::listen::Item;
use super::order::{self, Asks, Create, Order};
use super::relay::Relay;
use super::speaker::Speaker;
use super::{After, Conversation, Upstream};
use crate::proxy::budget::Room;
use crate::proxy::dispatch::{Attempts, Committed, Walk};
use crate::proxy::route::Class;
use crate::proxy::{Ended, Stop, body, finish, reply};

/// What a turn begins with.
struct Begun {
    asks: Result<Create, Reject>,
    room: Result<Room, Reject>,
    /// The websocket is too old.
    old: bool,
}

/// How far a turn came.
#[derive(Default)]
struct Progress {
    reached: Reached,
    attempts: Attempts,
    /// The key may still be used.
    admitted: bool,
}

impl Conversation<'_> {
    /// Serves one message of the client. `listening` goes on meanwhile: when it ends, the client is gone.
    pub(super) async fn serve<L>(&self, item: Item, upstream: &mut Upstream, listening: Pin<&mut L>) -> After
    where
        L: Future<Output = Ending>,
    {
        let Item { text, mut room, arrived, received_at } = item;
        let native = self.route.is_native();
        let mut nowhere = Room::nowhere();
        let Order { stream_id, asks } =
            Order::of(body::index(text, room.as_mut().unwrap_or(&mut nowhere)).await, native);
        let mut speaker = Speaker::new(self.writer, stream_id, arrived, native);
        let asks = match asks {
            Ok(Asks::Processed(text)) => return self.processed(text, upstream, &mut speaker).await,
            Ok(Asks::Create(create)) => Ok(create),
            Err(reject) => Err(reject),
        };
        let _busy = self.gateway.lifecycle.enter(&self.gateway.metrics);
        let mut cx = self.opening.clone().exchange(received_at);
        let mut progress = Progress::default();
        let begun = Begun { asks, room, old: self.is_old() };
        let old = begun.old;
        let (ended, gone) = tokio::select! {
            biased;
            ended = self.turn(begun, &mut cx, &mut progress, &mut speaker, upstream) => (ended, None),
            ending = listening => (Err(Stop::Gone), Some(ending)),
        };
        let refused_key = !progress.admitted && matches!(&ended, Err(Stop::Refused(reject)) if closes(reject));
        let ended = self.ended(ended, &cx, &progress, &mut speaker, refused_key).await;
        let cancelled = ended.kind == OutcomeKind::Cancelled;
        let mut outcome = Outcome::new(ended.kind, 0);
        outcome.code = ended.code;
        outcome.attempts = progress.attempts.reports();
        let Self { gateway, .. } = self;
        finish::finish(&gateway.chain, &gateway.metrics, speaker.sent(), &mut cx, progress.reached, outcome).await;
        match gone {
            Some(ending) => After::Close(ending),
            None if cancelled => After::Close(Ending::Left),
            None if refused_key => After::Close(Ending::KeyLost),
            None if old => After::Close(Ending::Old),
            None => After::Next,
        }
    }

    /// Passes a message on that asks for nothing; only a failure is answered.
    async fn processed(&self, text: Bytes, upstream: &mut Upstream, speaker: &mut Speaker<'_>) -> After {
        let sent = match upstream.line.as_mut() {
            Some(line) => line.send(text).await.is_ok(),
            None => false,
        };
        if sent || speaker.refuse(&self.told(order::not_forwarded())).await.is_ok() {
            After::Next
        } else {
            After::Close(Ending::Left)
        }
    }

    /// Tells a refusal, and how the turn counts.
    async fn ended(
        &self,
        ended: Result<Ended, Stop>,
        cx: &Exchange,
        progress: &Progress,
        speaker: &mut Speaker<'_>,
        closes: bool,
    ) -> Ended {
        let attempts = &progress.attempts;
        let reject = match ended {
            Ok(ended) => return ended,
            Err(Stop::Gone) => {
                attempts.end(self.gateway, AttemptResult::Cancelled, None);
                return Ended { kind: OutcomeKind::Cancelled, code: None };
            }
            Err(Stop::Refused(reject)) => reject,
        };
        if let Some(source) = &reject.source {
            tracing::warn!(request_id = %cx.id(), error = %reject, %source, "refused");
        }
        attempts.end(self.gateway, AttemptResult::Cancelled, None);
        let tried = !attempts.reports().is_empty();
        if let Err(error) = reply::counted(cx).await {
            tracing::error!(request_id = %cx.id(), %error, "the ledger did not take a turn that was refused later");
        }
        let code = reject.code.clone();
        let told = if closes {
            speaker.close(&reject);
            Ok(())
        } else {
            speaker.refuse(&self.told(reject)).await
        };
        let kind = if told.is_ok() { finish::refused(tried) } else { OutcomeKind::Cancelled };
        Ended { kind, code }
    }

    async fn turn(
        &self,
        begun: Begun,
        cx: &mut Exchange,
        progress: &mut Progress,
        speaker: &mut Speaker<'_>,
        upstream: &mut Upstream,
    ) -> Result<Ended, Stop> {
        let gateway = self.gateway;
        let previous = begun.asks.as_ref().ok().and_then(|create| create.body.get_str("previous_response_id"));
        let continues = previous.is_some_and(|id| upstream.line.as_ref().is_some_and(|line| line.gave(&id)));
        cx.put(self.route)?;
        cx.put(Turn { continues })?;
        if let Flow::Reply(_) = gateway.chain.request_headers(cx, &mut progress.reached).await? {
            return Err(no_reply().into());
        }
        progress.admitted = true;
        if begun.old {
            return Err(order::too_old().into());
        }
        let create = begun.asks?;
        let claim = self.claim(&create, cx)?;
        let mut room = begun.room?;
        gateway.disk.admit()?;
        let _place = gateway.bulkheads.of(Class::Turn, true).enter().await?;
        let held = room.held();
        room.rewrite(held).await?;
        let request = self.prepare(create, continues, cx).await?;
        let mut walk = Walk::new(gateway, request, cx)?;
        room.rewritten(walk.body_kept())?;
        walk.stay(upstream.account())?;
        let native = self.route.is_native();
        let (tried, compacts) = (walk.over_http(), walk.compacts());
        let mut way = OverLine { gateway, tried, line: &mut upstream.line, continues, native, compacts };
        let won = walk.run(&mut way, &progress.attempts).await;
        drop(walk);
        drop(room);
        let Committed { served, answer, mark } = won?;
        upstream.home = Some(served.account);
        cx.put(served)?;
        cx.put(UpstreamHeaders(upstream.line.as_ref().map(Line::told).unwrap_or_default()))?;
        let relayed = Relay { gateway, speaker, cx, route: self.route }.answer(answer, &mut upstream.line).await;
        let ended = gateway.settle(relayed, Some(mark), &progress.attempts)?;
        if let Some(claim) = claim.filter(|_| ended.kind == OutcomeKind::Succeeded) {
            claim.keep();
        }
        Ok(ended)
    }

    /// Takes the id that the client gave the turn, before anything is done for it.
    fn claim(&self, create: &Create, cx: &Exchange) -> Result<Option<Claim<'_>>, Reject> {
        let Some(id) = &create.id else { return Ok(None) };
        let key = &cx.require::<Principal>()?.0.id;
        self.gateway.claims.take(key, id).map(Some)
    }

    /// Takes the body down the chain, and makes a message of what comes out.
    async fn prepare(&self, create: Create, continues: bool, cx: &mut Exchange) -> Result<UpstreamRequest, Reject> {
        let Create { body, form, .. } = create;
        let mut request = UpstreamRequest {
            method: Method::POST,
            path: cx.head().path.clone(),
            headers: HeaderMap::new(),
            body: Body::Json(body),
            expects: Expects::Response,
        };
        match self.gateway.chain.request_body(&mut request, cx).await {
            Ok(Flow::Continue) => {}
            Ok(Flow::Reply(_)) => return Err(no_reply()),
            // The client can mend that by itself, and only if it is told so (docs/decisions.md, S16).
            Err(reject) if continues && reject.extra == Some(Extra::Recovery) => {
                return Err(Reject::previous_response_not_found());
            }
            Err(reject) => return Err(reject),
        }
        let Some(body) = request.body.json_mut() else {
            return Err(Reject::internal("a turn has to stay a JSON object"));
        };
        form.into_iter().for_each(|form| order::complete(body, form));
        Ok(request)
    }
}

/// Whether a refusal of the key ends the websocket with it.
fn closes(reject: &Reject) -> bool {
    matches!(reject.status().as_u16(), 401 | 403)
}

fn no_reply() -> Reject {
    Reject::internal("a filter answers by itself, which has no form on a websocket")
}
