//! The frames of a committed answer on their way to the client, through the stages.

use http::StatusCode;
use pooler_filter::codex::{EventKind, Failure};
use pooler_filter::{
    Carrier, Code, Cut, Delivery, End, Exchange, Frame, OutcomeKind, Reject, ResponseHead, Served, Stages,
};
use tokio::time::Instant;

use super::quiet::Quiet;
use super::{comment, counted};
use crate::client::NetError;
use crate::proxy::Gateway;
use crate::proxy::dispatch::{Answer, Source, failure_in};
use crate::proxy::downstream::{Downstream, Gone, Length};
use crate::proxy::frames::{kind_of, to_bytes};

/// The name of the event of which there are the most.
const PIECE: &[u8] = b"response.output_text.delta";

/// How the relay ended.
#[derive(Debug)]
pub(crate) enum Relayed {
    /// The client has the whole answer.
    Done {
        /// Whether it says that it failed.
        kind: OutcomeKind,
        /// Code of the failure.
        code: Option<Code>,
        /// Whose fault that was.
        fault: Fault,
    },
    /// The client left.
    Gone,
    /// Nothing was sent; the refusal is still to be told.
    Refused(Reject),
}

/// What an answer that failed on its way says of the account that gave it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It broke off.
    Broke,
    /// The upstream said what was wrong.
    Told(Failure),
}

impl From<Gone> for Relayed {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// One answer on its way.
pub(crate) struct Relay<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) down: &'a mut Downstream,
    pub(crate) cx: &'a mut Exchange,
}

/// What was learned about the answer while it passed.
#[derive(Debug, Default)]
struct Seen {
    terminal: bool,
    failure: Option<Failure>,
}

impl Relay<'_> {
    /// Sends an answer that dispatch committed to.
    pub(crate) async fn answer(mut self, answer: Answer) -> Relayed {
        let (carrier, delivery) = match &answer {
            Answer::Events { .. } => (Carrier::Sse, Delivery::Stream),
            Answer::Json(..) => (Carrier::Json, Delivery::Whole),
        };
        let mut head = ResponseHead::new(StatusCode::OK, carrier, delivery);
        let mut stages = match self.gateway.chain.response(&mut head, self.cx) {
            Ok(stages) => stages,
            Err(reject) => return self.fail_without_stages(reject),
        };
        let (held, rest, _room) = match answer {
            Answer::Json(body, room) => (vec![Frame::json(body)], None, room),
            Answer::Events { held, rest, room } => (held, rest, room),
        };
        let ended = match head.delivery {
            // Dispatch holds an answer that is wanted in one piece until it is whole.
            Delivery::Whole if rest.is_none() => self.whole(&mut stages, &head, held).await,
            Delivery::Whole | Delivery::Stream => self.stream(&mut stages, &head, held, rest).await,
        };
        ended.unwrap_or_else(Into::into)
    }

    /// Tells the client of a failure after a stream was committed without an answer; before that the status is still free.
    pub(crate) async fn failure(mut self, reject: Reject) -> Relayed {
        if self.down.status().is_none() {
            return Relayed::Refused(reject);
        }
        let mut head = ResponseHead::new(StatusCode::OK, Carrier::Sse, Delivery::Stream);
        let mut stages = match self.gateway.chain.response(&mut head, self.cx) {
            Ok(stages) => stages,
            Err(reject) => return self.fail_without_stages(reject),
        };
        self.close(&mut stages, End::Failed(reject), Vec::new()).await.unwrap_or_else(Into::into)
    }

    fn fail_without_stages(&self, reject: Reject) -> Relayed {
        if self.down.status().is_none() {
            return Relayed::Refused(reject);
        }
        tracing::error!(error = %reject, "the answer cannot be translated, and its head is sent already");
        Relayed::Done { kind: OutcomeKind::Failed, code: reject.code, fault: Fault::None }
    }

    /// All frames are here, and the answer goes out in one piece: until then its status is free.
    async fn whole(&mut self, stages: &mut Stages, head: &ResponseHead, frames: Vec<Frame>) -> Result<Relayed, Gone> {
        let mut out = Vec::new();
        let mut passed = Ok(());
        for frame in frames {
            passed = stages.frame(frame, &mut out, self.cx);
            if passed.is_err() {
                break;
            }
        }
        let ended = match passed {
            Ok(()) => stages.end(&End::Complete, &mut out, self.cx),
            Err(reject) => Err(reject),
        };
        if let Err(reject) = ended {
            return Ok(Relayed::Refused(reject));
        }
        if let Err(reject) = counted(self.cx).await {
            return Ok(Relayed::Refused(reject));
        }
        self.down.whole(head.status, &head.headers, to_bytes(&mut out)).await?;
        Ok(Relayed::Done { kind: OutcomeKind::Succeeded, code: None, fault: Fault::None })
    }

    async fn stream(
        &mut self,
        stages: &mut Stages,
        head: &ResponseHead,
        held: Vec<Frame>,
        mut rest: Option<Box<Source>>,
    ) -> Result<Relayed, Gone> {
        let mut seen = Seen::default();
        let mut out = Vec::new();
        let mut end = End::Complete;
        // The head goes out after what is there already, so that what cannot be translated still has a status of its own.
        for frame in held {
            match self.pass(stages, frame, &mut seen, &mut out) {
                Ok(()) => {}
                Err(reject) if self.down.status().is_none() => return Ok(Relayed::Refused(reject)),
                Err(reject) => return self.close(stages, End::Failed(reject), out).await,
            }
        }
        if self.down.status().is_none() {
            if let Err(reject) = counted(self.cx).await {
                return Ok(Relayed::Refused(reject));
            }
            if out.is_empty() {
                self.down.head(head.status, &head.headers, Length::Open).await?;
            } else {
                self.down.head_before(head.status, &head.headers, Length::Open).await?;
            }
        }
        if let Some(source) = &mut rest
            && !seen.terminal
        {
            end = self.pump(stages, source, &mut seen, &mut out).await?;
        }
        let told = seen.failure.take().filter(|_| matches!(end, End::Complete));
        let ended = self.close(stages, end, out).await;
        if let Some(source) = rest.filter(|_| seen.terminal) {
            source.retire();
        }
        let ended = ended?;
        let Some(failure) = told else { return Ok(ended) };
        let code = failure.code.clone();
        Ok(Relayed::Done { kind: OutcomeKind::Failed, code, fault: Fault::Told(failure) })
    }

    /// Reads on until the last event, the end, or a refusal by a stage. What is there at once goes out at once, in one piece.
    async fn pump(
        &mut self,
        stages: &mut Stages,
        source: &mut Source,
        seen: &mut Seen,
        out: &mut Vec<Frame>,
    ) -> Result<End, Gone> {
        let mut idle = source.connection.next_deadline();
        let mut quiet = Quiet::new(self.gateway.settings.sse.keep_alive);
        let account = self.cx.get::<Served>().map(|served| served.account);
        loop {
            // Where somebody looks at pieces of text, hardly anything passes unseen.
            let unseen = stages.pass_unseen(PIECE);
            loop {
                if unseen {
                    out.extend(source.blocks.unseen(|name| stages.pass_unseen(name)));
                }
                match source.blocks.next() {
                    Ok(Some(frame)) => {
                        account.iter().for_each(|account| self.gateway.pool.hear(*account, &frame));
                        if let Err(reject) = self.pass(stages, frame, seen, out) {
                            return Ok(End::Failed(reject));
                        }
                        if seen.terminal {
                            return Ok(End::Complete);
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return Ok(End::Cut(Cut::TooLarge)),
                }
            }
            self.down.body(to_bytes(out), false).await?;
            match self.next_chunk(source, idle, &mut quiet).await? {
                Ok(Some(chunk)) => source.blocks.push(chunk),
                Ok(None) => return Ok(End::Cut(Cut::Closed)),
                Err(NetError::TimedOut(_)) => return Ok(End::Cut(Cut::Idle)),
                Err(_) => return Ok(End::Cut(Cut::Closed)),
            }
            idle = source.connection.next_deadline();
        }
    }

    /// The next bytes of the upstream; comments go to the client while there are none.
    async fn next_chunk(
        &mut self,
        source: &mut Source,
        idle: Instant,
        quiet: &mut Quiet,
    ) -> Result<Result<Option<bytes::Bytes>, NetError>, Gone> {
        loop {
            quiet.begin();
            tokio::select! {
                biased;
                chunk = source.connection.chunk(idle) => return Ok(chunk),
                gone = self.down.gone() => return Err(gone),
                () = quiet.too_long() => if !source.blocks.has_partial() {
                    comment(self.down).await?;
                },
            }
        }
    }

    fn pass(&mut self, stages: &mut Stages, frame: Frame, seen: &mut Seen, out: &mut Vec<Frame>) -> Result<(), Reject> {
        if let Some(kind) = kind_of(&frame).filter(|kind| kind.is_terminal()) {
            seen.note(kind, &frame, self.gateway);
        }
        stages.frame(frame, out, self.cx)
    }

    /// Tells the stages the end; what they still have to say goes out with the last bytes.
    async fn close(&mut self, stages: &mut Stages, end: End, mut out: Vec<Frame>) -> Result<Relayed, Gone> {
        let (code, fault) = match &end {
            End::Complete => (None, Fault::None),
            End::Cut(_) => (Some(Code::new("stream_incomplete")), Fault::Broke),
            End::Failed(reject) => {
                tracing::warn!(request_id = %self.cx.id(), error = %reject, "the answer failed on its way");
                (reject.code.clone().or(Some(Code::new("server_error"))), Fault::None)
            }
        };
        if let Err(reject) = stages.end(&end, &mut out, self.cx) {
            tracing::error!(request_id = %self.cx.id(), error = %reject, "a stage failed at the end of an answer");
        }
        self.down.body(to_bytes(&mut out), true).await?;
        let kind = if code.is_none() { OutcomeKind::Succeeded } else { OutcomeKind::Failed };
        Ok(Relayed::Done { kind, code, fault })
    }
}

impl Seen {
    fn note(&mut self, kind: EventKind, frame: &Frame, gateway: &Gateway) {
        self.terminal = true;
        self.failure = failure_in(kind, frame, gateway.clock.now());
    }
}
