//! Faults that replace or delay an answer, on any path.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderName, HeaderValue, header};

use super::faults::{Canned, Fault, FaultBody, ScriptStep, usage_limit};
use super::refusal::Refusal;
use super::reply::{Payload, Reply, Step};

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>\
<body><p>Checking your browser before accessing chatgpt.com.</p></body></html>\n";

/// What faults leave of a request, its delay already served.
#[derive(Debug)]
pub(super) struct Intercepted {
    replaced: Option<Reply>,
    extra: BTreeMap<String, String>,
}

/// Serves the delays of `faults` and finds the first that replaces the answer.
pub(super) async fn intercept(faults: &[Fault], plan: &str) -> Intercepted {
    let mut intercepted = Intercepted { replaced: None, extra: BTreeMap::new() };
    for fault in faults {
        if let Fault::SlowFirstByte(delay) = fault {
            tokio::time::sleep(*delay).await;
        } else if let Fault::Hold(hold) = fault {
            hold.over().await;
        } else if let Fault::ExtraHeaders(headers) = fault {
            intercepted.extra.extend(headers.clone());
        } else if intercepted.replaced.is_none() {
            intercepted.replaced = replacement(fault, plan);
        }
    }
    intercepted
}

impl Intercepted {
    /// The answer: the injected one, else what `make` gives.
    pub(super) fn or(self, make: impl FnOnce() -> Result<Reply, Refusal>) -> Result<Reply, Refusal> {
        let mut reply = match self.replaced {
            Some(reply) => reply,
            None => make()?,
        };
        for (name, value) in &self.extra {
            reply.set(name, value);
        }
        Ok(reply)
    }
}

/// The answer that a fault puts in place of the real one, if it is of that kind.
fn replacement(fault: &Fault, plan: &str) -> Option<Reply> {
    if let Fault::Status { status, body, headers } = fault {
        return Some(status_reply(*status, body, headers));
    }
    if let Fault::Script(steps) = fault {
        return Some(script(steps));
    }
    if let Fault::Preset(preset) = fault {
        return Some(canned(preset.render(plan)));
    }
    if let Fault::UsageLimit { resets_in } = fault {
        return Some(canned(usage_limit(plan, *resets_in)));
    }
    if let Fault::HangUp { reset } = fault {
        return Some(Reply::hang_up(*reset));
    }
    if matches!(fault, Fault::Html) {
        return Some(Reply::whole(200, "text/html; charset=UTF-8", PAGE));
    }
    if matches!(fault, Fault::EmptyBody) {
        return Some(Reply::new(200, Payload::Steps(VecDeque::new())).typed("text/event-stream"));
    }
    matches!(fault, Fault::InvalidJson200)
        .then(|| Reply::whole(200, "application/json", r#"{"id":"resp_broken","object":"#))
}

fn status_reply(status: u16, body: &FaultBody, headers: &BTreeMap<String, String>) -> Reply {
    let mut reply = match body {
        FaultBody::Json(value) => Reply::json(status, value),
        FaultBody::Text(text) => Reply::whole(status, "text/plain; charset=utf-8", text.clone()),
    };
    for (name, value) in headers {
        reply.set(name, value);
    }
    reply
}

/// A preset as an answer.
pub(super) fn canned(canned: Canned) -> Reply {
    let mut reply = Reply::whole(canned.status, canned.content_type, canned.body);
    for (name, value) in &canned.headers {
        reply.set(name, value);
    }
    reply
}

fn script(script: &[ScriptStep]) -> Reply {
    let mut status = 200;
    let mut headers = Vec::new();
    let mut steps = VecDeque::new();
    for step in script {
        match step {
            ScriptStep::Status(code) => status = *code,
            ScriptStep::Header(name, value) => headers.push((name, value)),
            ScriptStep::Send(bytes) if bytes.is_empty() => {}
            ScriptStep::Send(bytes) => steps.push_back(Step::Send(bytes.clone())),
            ScriptStep::Wait(pause) => steps.push_back(Step::Wait(*pause)),
            ScriptStep::Hang => steps.push_back(Step::Hang),
            ScriptStep::Close => break,
            ScriptStep::Cut => steps.push_back(Step::Cut),
            ScriptStep::Reset => steps.push_back(Step::Reset),
        }
    }
    let mut reply = Reply::new(status, Payload::Steps(steps)).typed("text/event-stream");
    for (name, value) in headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(header::CONTENT_TYPE), Ok(value)) => drop(reply.headers.insert(header::CONTENT_TYPE, value)),
            (Ok(name), Ok(value)) => drop(reply.headers.append(name, value)),
            _ => {}
        }
    }
    reply
}
