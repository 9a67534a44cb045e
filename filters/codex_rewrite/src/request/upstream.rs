//! The request that goes upstream, made of one that has passed every check.

use http::{HeaderValue, Method, header};
use pooler_filter::json::JsonObject;
use pooler_filter::{Exchange, Expects, Intent, Reject, UpstreamRequest};

use super::edits::Edits;
use super::fields::Field;
use super::{Checked, lite, trigger};
use crate::CodexRewrite;
use crate::echo::{Echo, Form};

/// What becomes of a request that has passed every check.
pub(super) struct Upstream {
    pub(super) edits: Edits,
    pub(super) intent: Intent,
    pub(super) echo: Echo,
    pub(super) expects: Expects,
    /// It has the lite form, and a header has to say so: in a turn, its metadata does.
    pub(super) lite: bool,
}

impl Upstream {
    /// Writes everything but the body.
    pub(super) fn write(
        self,
        path: &str,
        filter: &CodexRewrite,
        request: &mut UpstreamRequest,
        cx: &mut Exchange,
    ) -> Result<(), Reject> {
        request.method = Method::POST;
        request.path = path.into();
        request.expects = self.expects;
        filter.identity.write(&mut request.headers);
        if self.expects == Expects::Json {
            request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        }
        if self.lite {
            lite::write_header(&mut request.headers);
        }
        cx.put(self.intent)?;
        cx.put(self.echo)
    }
}

impl Checked<'_> {
    /// What goes upstream and what is known of it. The forms that other models and other wishes need are made here, of the edits that every
    /// request gets.
    pub(super) fn upstream(mut self, forward_metadata: bool, body: &JsonObject) -> Upstream {
        let mut edits = self.edits(forward_metadata);
        if self.model.lite {
            lite::reshape(&mut edits, &mut self);
            if self.socket {
                edits.set(Field::ClientMetadata, Some(lite::with_marker(self.members.get(Field::ClientMetadata))));
            }
        }
        let (mut intent, mut echo) = (self.intent(body), self.echo());
        let mut expects = Expects::Response;
        if self.input.found.trigger {
            let streamed = self.socket || trigger::streams(self.members.get(Field::ClientMetadata));
            edits = trigger::bridge(edits, streamed);
            if self.socket {
                // What the turn continues is part of what is to be compacted.
                edits.set(
                    Field::PreviousResponseId,
                    self.members.get(Field::PreviousResponseId).map(|id| id.raw_bytes()),
                );
                edits.set(Field::ClientMetadata, self.model.lite.then(|| lite::with_marker(None)));
            }
            expects = if streamed { Expects::Response } else { Expects::Json };
            intent.one_account = true;
            echo.form = Form::CompactionTrigger { streamed };
        }
        Upstream { edits, intent, echo, expects, lite: self.model.lite && !self.socket }
    }
}
