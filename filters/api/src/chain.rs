//! The chain: requests run down the list, responses up.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codex::EventKind;
use crate::exchange::Writer;
use crate::{Contract, End, Exchange, Filter, Flow, Frame, Out, Outcome, Reject, ResponseHead, Stage, UpstreamRequest};

/// Which hook ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `on_request_headers`.
    Headers,
    /// `on_request_body`.
    Body,
    /// `on_response`.
    Response,
    /// `on_done`.
    Done,
}

impl Hook {
    /// The word for a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Response => "response",
            Self::Done => "done",
        }
    }
}

/// Learns how long each hook of each filter took; the chain measures, filters do not.
pub trait Observer: Send + Sync {
    /// A hook returned.
    fn took(&self, filter: &'static str, hook: Hook, time: Duration);
}

/// An observer that does not look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn took(&self, _: &'static str, _: Hook, _: Duration) {}
}

pub(crate) struct Link {
    pub(crate) name: &'static str,
    pub(crate) contract: Contract,
    pub(crate) filter: Arc<dyn Filter>,
}

/// The filters of a gateway, in order. Built by [`crate::Registry::build_chain`].
pub struct Chain {
    links: Vec<Link>,
    observer: Arc<dyn Observer>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.links.iter().map(|l| l.name)).finish()
    }
}

/// How far a request came down the chain: `on_done` runs for these filters.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reached(usize);

impl Chain {
    pub(crate) fn new(links: Vec<Link>, observer: Arc<dyn Observer>) -> Self {
        Self { links, observer }
    }

    /// The names of the filters, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.links.iter().map(|l| l.name)
    }

    /// Whether some filter writes this slot on the way down.
    #[must_use]
    pub fn provides(&self, slot: &str) -> bool {
        self.links
            .iter()
            .any(|l| l.contract.headers.provides.contains(&slot) || l.contract.body.provides.contains(&slot))
    }

    /// Runs `on_request_headers` down the chain; `reached` tells how far it came.
    pub async fn request_headers(&self, cx: &mut Exchange, reached: &mut Reached) -> Result<Flow, Reject> {
        for link in &self.links {
            reached.0 += 1;
            let at_work = self.enter(link, Hook::Headers, link.contract.headers.provides, cx);
            let flow = link.filter.on_request_headers(at_work.cx).await;
            drop(at_work);
            match flow? {
                Flow::Continue => {}
                reply @ Flow::Reply(_) => return Ok(reply),
            }
        }
        Ok(Flow::Continue)
    }

    /// Runs `on_request_body` down the chain.
    pub async fn request_body(&self, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        for link in &self.links {
            let at_work = self.enter(link, Hook::Body, link.contract.body.provides, cx);
            let flow = link.filter.on_request_body(request, at_work.cx).await;
            drop(at_work);
            match flow? {
                Flow::Continue => {}
                reply @ Flow::Reply(_) => return Ok(reply),
            }
        }
        Ok(Flow::Continue)
    }

    /// Runs `on_response` up the chain and gathers the stages.
    pub fn response(&self, head: &mut ResponseHead, cx: &mut Exchange) -> Result<Stages, Reject> {
        let mut stages = Vec::new();
        for link in self.links.iter().rev() {
            let at_work = self.enter(link, Hook::Response, link.contract.response.provides, cx);
            let stage = link.filter.on_response(head, at_work.cx);
            drop(at_work);
            if let Some(stage) = stage? {
                stages.push(Running {
                    writer: writer(link, link.contract.response.provides),
                    stage,
                    given: Out::new(),
                });
            }
        }
        Ok(Stages { stages })
    }

    /// Runs `on_done`, up the chain, for the filters that the request reached.
    pub async fn done(&self, outcome: &Outcome, cx: &mut Exchange, reached: Reached) {
        for link in self.links[..reached.0.min(self.links.len())].iter().rev() {
            let at_work = self.enter(link, Hook::Done, &[], cx);
            link.filter.on_done(outcome, at_work.cx).await;
        }
    }

    fn enter<'a>(
        &'a self,
        link: &Link,
        hook: Hook,
        provides: &'static [&'static str],
        cx: &'a mut Exchange,
    ) -> AtWork<'a> {
        cx.set_writer(Some(writer(link, provides)));
        AtWork { cx, filter: link.name, hook, since: Instant::now(), observer: &*self.observer }
    }
}

/// A filter at work. However its hook ends, also when its future is dropped halfway, the exchange is the host's again afterwards.
struct AtWork<'a> {
    cx: &'a mut Exchange,
    filter: &'static str,
    hook: Hook,
    since: Instant,
    observer: &'a dyn Observer,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.cx.set_writer(None);
        self.observer.took(self.filter, self.hook, self.since.elapsed());
    }
}

const fn writer(link: &Link, provides: &'static [&'static str]) -> Writer {
    Writer { filter: link.name, provides, credential: link.contract.credential }
}

struct Running {
    writer: Writer,
    stage: Box<dyn Stage>,
    /// Empty between two frames; kept for its memory.
    given: Out,
}

impl Running {
    fn wants(&self, frame: &Frame) -> bool {
        let wants = self.stage.wants(frame);
        debug_assert!(
            !wants
                || frame
                    .label()
                    .zip(frame.name())
                    .is_none_or(|(kind, name)| self.stage.may_want(kind, name.as_bytes())),
            "{} wants an event that it said it would not",
            self.writer.filter
        );
        wants
    }
}

/// The stages of one response, in the order in which it passes them.
pub struct Stages {
    stages: Vec<Running>,
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|s| s.writer.filter)).finish()
    }
}

impl Stages {
    /// Whether nobody looks at the frames, so that chunks may pass unframed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether events of this name may pass without becoming frames: they are part of the answer or lifecycle, and no stage may want one.
    #[must_use]
    pub fn pass_unseen(&self, name: &[u8]) -> bool {
        let kind = Frame::label_of(name).filter(|kind| matches!(kind, EventKind::Output | EventKind::Lifecycle));
        kind.is_some_and(|kind| !self.stages.iter().any(|running| running.stage.may_want(kind, name)))
    }

    /// Sends one frame through all stages; what comes out is appended to `out`.
    pub fn frame(&mut self, frame: Frame, out: &mut Vec<Frame>, cx: &mut Exchange) -> Result<(), Reject> {
        let result = pass(&mut self.stages, frame, out, cx);
        cx.set_writer(None);
        result
    }

    /// Tells all stages the end, in order; frames that one of them still gives pass the later ones first. When one refuses, those after it
    /// are not told: the host then ends all of them with [`End::Failed`].
    pub fn end(&mut self, end: &End, out: &mut Vec<Frame>, cx: &mut Exchange) -> Result<(), Reject> {
        let result = finish(&mut self.stages, end, out, cx);
        cx.set_writer(None);
        result
    }
}

/// What a stage gives before it fails still goes on; a failure further on comes first.
fn pass(stages: &mut [Running], frame: Frame, out: &mut Vec<Frame>, cx: &mut Exchange) -> Result<(), Reject> {
    let wanted = stages.iter().position(|running| running.wants(&frame)).unwrap_or(stages.len());
    let Some((first, later)) = stages.get_mut(wanted..).and_then(<[Running]>::split_first_mut) else {
        out.push(frame);
        return Ok(());
    };
    cx.set_writer(Some(first.writer));
    let result = first.stage.frame(frame, &mut first.given, cx);
    for frame in first.given.drain() {
        pass(later, frame, out, cx)?;
    }
    result
}

fn finish(stages: &mut [Running], end: &End, out: &mut Vec<Frame>, cx: &mut Exchange) -> Result<(), Reject> {
    let Some((first, later)) = stages.split_first_mut() else { return Ok(()) };
    cx.set_writer(Some(first.writer));
    let result = first.stage.end(end, &mut first.given, cx);
    for frame in first.given.drain() {
        pass(later, frame, out, cx)?;
    }
    result?;
    finish(later, end, out, cx)
}

#[cfg(test)]
mod tests;
