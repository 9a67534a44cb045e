//! The events of a committed answer on their way to the client, through the stages.

use bytes::Bytes;
use http::StatusCode;
use pooler_filter::codex::{EventKind, Facts, Failure, sentence};
use pooler_filter::{
    Carrier, Code, Cut, Delivery, End, Exchange, Frame, Intent, OutcomeKind, Reject, RejectKind, ResponseHead, Route,
    Stages,
};
use tokio::time::Instant;

use super::event;
use super::line::Line;
use super::speaker::Speaker;
use crate::proxy::Gateway;
use crate::proxy::dispatch::failure_in;
use crate::proxy::downstream::Gone;
use crate::proxy::frames::kind_of;
use crate::proxy::reply::{Fault, Relayed, counted};

/// Most events that go out in one piece.
const TOGETHER: usize = 64;

/// One answer on its way.
pub(super) struct Relay<'a, 'w> {
    pub(super) gateway: &'a Gateway,
    pub(super) speaker: &'a mut Speaker<'w>,
    pub(super) cx: &'a mut Exchange,
    pub(super) route: Route,
}

/// What was learned about the answer while it passed.
#[derive(Debug, Default)]
struct Seen {
    terminal: bool,
    failure: Option<Failure>,
    response: Option<Box<str>>,
}

impl Relay<'_, '_> {
    /// Sends the answer. The line is given up unless the answer came to its end.
    pub(super) async fn answer(mut self, held: Vec<Frame>, line: &mut Option<Line>) -> Relayed {
        let mut seen = Seen::default();
        let relayed = self.stream(held, line, &mut seen).await.unwrap_or_else(Into::into);
        match (seen.terminal, line.as_mut()) {
            (true, Some(line)) => seen.response.into_iter().for_each(|id| line.note(id)),
            (false, Some(_)) => line.take().into_iter().for_each(Line::hang_up),
            (_, None) => {}
        }
        relayed
    }

    async fn stream(&mut self, held: Vec<Frame>, line: &mut Option<Line>, seen: &mut Seen) -> Result<Relayed, Gone> {
        let mut head = ResponseHead::new(StatusCode::OK, Carrier::Sse, Delivery::Stream);
        let mut stages = match self.gateway.chain.response(&mut head, self.cx) {
            Ok(stages) => stages,
            Err(reject) => return Ok(Relayed::Refused(reject)),
        };
        let mut out = Vec::new();
        for frame in held {
            if let Err(reject) = self.pass(&mut stages, frame, seen, &mut out) {
                return Ok(Relayed::Refused(reject));
            }
        }
        if let Err(reject) = counted(self.cx).await {
            return Ok(Relayed::Refused(reject));
        }
        self.speaker.events(&mut out).await?;
        let end = match line {
            Some(line) if !seen.terminal => self.pump(&mut stages, line, seen, &mut out).await?,
            Some(_) | None => End::Complete,
        };
        let ended = self.close(&mut stages, end, out).await?;
        match (&ended, seen.failure.take()) {
            (Relayed::Done { fault: Fault::None, kind: OutcomeKind::Succeeded, .. }, Some(failure)) => {
                let code = failure.code.clone();
                Ok(Relayed::Done { kind: OutcomeKind::Failed, code, fault: Fault::Told(failure) })
            }
            _ => Ok(ended),
        }
    }

    /// Reads on until the last event, the end, or a refusal by a stage. What is there at once goes out at once, in one piece.
    async fn pump(
        &mut self,
        stages: &mut Stages,
        line: &mut Line,
        seen: &mut Seen,
        out: &mut Vec<Frame>,
    ) -> Result<End, Gone> {
        loop {
            let idle = Instant::now() + self.gateway.settings.upstream.idle_timeout;
            let mut next = Some(line.next(idle).await);
            while let Some(read) = next {
                read.iter().for_each(|frame| self.gateway.pool.hear(line.account(), frame));
                match read.map_err(End::Cut).and_then(|frame| self.pass(stages, frame, seen, out).map_err(End::Failed))
                {
                    Ok(()) if seen.terminal => return Ok(End::Complete),
                    Ok(()) => {}
                    Err(end) => return Ok(end),
                }
                next = if out.len() < TOGETHER { line.ready() } else { None };
            }
            self.speaker.events(out).await?;
        }
    }

    fn pass(&mut self, stages: &mut Stages, frame: Frame, seen: &mut Seen, out: &mut Vec<Frame>) -> Result<(), Reject> {
        let mut instead = None;
        if let Some(kind) = kind_of(&frame).filter(|kind| kind.is_terminal()) {
            seen.terminal = true;
            seen.failure = failure_in(kind, &frame, self.gateway.clock.now());
            seen.response = event::response_id(&frame).filter(|_| seen.failure.is_none());
            instead =
                seen.failure.as_ref().filter(|_| kind == EventKind::Error).and_then(|failure| self.retold(failure));
        }
        let before = out.len();
        stages.frame(frame, out, self.cx)?;
        // A stage may have put events of its own before it.
        if let Some(error) = instead
            && out.len() > before
        {
            out.pop();
            out.push(Frame::event("error", error));
        }
        Ok(())
    }

    /// An error of the upstream in the form for native clients, which act on its status: what is about the request stays as it came
    /// (docs/native.md, Websockets).
    fn retold(&self, failure: &Failure) -> Option<Bytes> {
        if !self.route.is_native() || failure.is_about_request() {
            return None;
        }
        let intent = self.cx.get::<Intent>();
        let (input_file, window) = intent.map_or((false, None), |intent| (intent.input_file, intent.context_window));
        let reject = self.gateway.told_on(self.route, failure.public_reject(input_file, window));
        Some(event::error(&reject, None, true))
    }

    /// Tells the stages the end; what they still have to say goes out with the last events. As long as the client has heard nothing, a
    /// failure is the host's to tell.
    async fn close(&mut self, stages: &mut Stages, end: End, mut out: Vec<Frame>) -> Result<Relayed, Gone> {
        let (end, code, fault) = match end {
            End::Complete => (End::Complete, None, Fault::None),
            End::Cut(Cut::Idle) => {
                let reject = failed("stream_idle_timeout");
                (End::Failed(reject), Some(Code::new("stream_idle_timeout")), Fault::Broke)
            }
            End::Cut(cut) => (End::Cut(cut), Some(Code::new("stream_incomplete")), Fault::Broke),
            End::Failed(reject) => {
                tracing::warn!(request_id = %self.cx.id(), error = %reject, "the answer failed on its way");
                if !self.speaker.has_spoken() && out.is_empty() {
                    return Ok(Relayed::Refused(reject));
                }
                let code = reject.code.clone().or(Some(Code::new("server_error")));
                (End::Failed(reject), code, Fault::None)
            }
        };
        if let Err(reject) = stages.end(&end, &mut out, self.cx) {
            tracing::error!(request_id = %self.cx.id(), error = %reject, "a stage failed at the end of an answer");
        }
        let ends = out.iter().filter_map(kind_of).any(EventKind::is_terminal);
        self.speaker.events(&mut out).await?;
        if let Some(code) = code.as_ref().filter(|_| self.route.is_native() && !ends) {
            // No event of theirs ends the turn, and none of ours pretends to be one.
            let reject =
                Reject::with_code(RejectKind::BadGateway, code.clone(), sentence(code.as_str(), Facts::default()));
            self.speaker.refuse(&self.gateway.told_on(self.route, reject)).await?;
        }
        let kind = if code.is_none() { OutcomeKind::Succeeded } else { OutcomeKind::Failed };
        Ok(Relayed::Done { kind, code, fault })
    }
}

fn failed(code: &'static str) -> Reject {
    Reject::new(RejectKind::BadGateway, code, sentence(code, Facts::default()))
}
