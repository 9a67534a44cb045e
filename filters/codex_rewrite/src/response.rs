//! The way up: the events of the backend become a public stream or one JSON answer (docs/v1.md, Streams and Collection).
//!
//! Every event is indexed once and never printed again: what has to change is spliced into its text, and an event that needs no
//! change passes as the very bytes that came.

mod chat;
mod collect;
mod compact;
mod counts;
mod edits;
mod event;
mod failed;
mod frames;
mod images;
mod items;
mod neutral;
mod normalise;
mod sequence;
mod stream;
mod synthesise;
mod transcribe;

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use pooler_filter::{Carrier, Clock, Delivery, Exchange, Intent, Reject, RequestId, ResponseHead, Stage};

use crate::echo::Echo;

pub(crate) use self::chat::chat;
use self::collect::Collect;
pub(crate) use self::compact::compact;
pub(crate) use self::images::images;
use self::stream::Stream;
pub(crate) use self::transcribe::transcribe;

/// What both stages know of their request.
struct Asked {
    clock: Arc<dyn Clock>,
    request: RequestId,
    input_file: bool,
    context_window: Option<u64>,
}

impl Asked {
    /// The time now, in unix seconds.
    fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// The id of a response that the backend gave none: the same whenever it is asked for.
    fn response_id(&self) -> String {
        format!("resp_{}", self.request.to_string().replace('-', ""))
    }
}

/// Sets the head of the public answer and gives the stage that writes its body: a stream, or one JSON text, as the client wants it.
///
/// No header of the backend is relayed. The stage expects that `cx` goes on to hold the facts that were there on the way down.
pub(crate) fn responses(
    clock: Arc<dyn Clock>,
    head: &mut ResponseHead,
    cx: &mut Exchange,
) -> Result<Box<dyn Stage>, Reject> {
    let (asked, stream) = begin(clock, head, cx)?;
    Ok(if stream { Box::new(Stream::new(asked)) } else { Box::new(Collect::new(asked, collect::response)) })
}

/// Sets the head of a public answer, and tells what is known of its request and whether the client wants a stream.
fn begin(clock: Arc<dyn Clock>, head: &mut ResponseHead, cx: &Exchange) -> Result<(Asked, bool), Reject> {
    let intent = cx.require::<Intent>()?;
    cx.require::<Echo>()?;
    let asked = Asked { clock, request: cx.id(), input_file: intent.input_file, context_window: intent.context_window };
    head.status = StatusCode::OK;
    head.headers.clear();
    let (media, carrier, delivery) = if intent.stream {
        head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        ("text/event-stream", Carrier::Sse, Delivery::Stream)
    } else {
        ("application/json", Carrier::Json, Delivery::Whole)
    };
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    head.carrier = carrier;
    head.delivery = delivery;
    Ok((asked, intent.stream))
}

#[cfg(test)]
mod tests;
