//! The way up: the events of the backend become a public stream or one JSON answer (docs/v1.md, Streams and Collection).
//!
//! An event is indexed once, or only looked through where it is a mere piece of the answer, and never printed again: what has to change is
//! spliced into its text, and an event that needs no change passes as the very bytes that came.

mod chat;
mod collect;
mod compact;
mod compaction;
mod counts;
mod delta;
mod edits;
mod event;
mod failed;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod images;
mod items;
mod native;
mod neutral;
mod normalise;
mod sequence;
mod stream;
mod synthesise;
#[cfg(any(test, fuzzing))]
mod testing;
mod transcribe;

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use pooler_filter::{Carrier, Clock, Delivery, Exchange, Intent, Reject, RequestId, ResponseHead, Stage, Turn};

use crate::echo::{Echo, Form};

pub(crate) use self::chat::chat;
use self::collect::Collect;
pub(crate) use self::compact::compact;
use self::compaction::Compaction;
pub(crate) use self::images::images;
pub(crate) use self::native::native;
use self::stream::Stream;
pub(crate) use self::transcribe::transcribe;

/// The media type of an answer in one piece.
const JSON: &str = "application/json";

/// The most that is read of an answer in one piece, in bytes of the backend.
const MOST_BYTES: usize = 64 << 20;

/// What the stages know of their request.
struct Asked {
    clock: Arc<dyn Clock>,
    request: RequestId,
    input_file: bool,
    context_window: Option<u64>,
    /// The client has a websocket, on which it may continue what was given there.
    socket: bool,
}

impl Asked {
    /// What the way down has found out of the request.
    fn of(clock: Arc<dyn Clock>, cx: &Exchange) -> Result<Self, Reject> {
        let intent = cx.require::<Intent>()?;
        let (input_file, context_window) = (intent.input_file, intent.context_window);
        Ok(Self { clock, request: cx.id(), input_file, context_window, socket: cx.get::<Turn>().is_some() })
    }

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
    let form = cx.require::<Echo>()?.form;
    let (asked, stream) = begin(clock, head, cx)?;
    Ok(match form {
        Form::CompactionTrigger { streamed } | Form::NativeTrigger { streamed } => {
            Box::new(Compaction::new(asked, stream, streamed))
        }
        Form::Plain | Form::ChatUsage | Form::PlainText if stream => Box::new(Stream::new(asked)),
        Form::Plain | Form::ChatUsage | Form::PlainText => Box::new(Collect::new(asked, collect::response)),
    })
}

/// Sets the head of a public answer, and tells what is known of its request and whether the client wants a stream.
fn begin(clock: Arc<dyn Clock>, head: &mut ResponseHead, cx: &Exchange) -> Result<(Asked, bool), Reject> {
    let stream = cx.require::<Intent>()?.stream;
    cx.require::<Echo>()?;
    let asked = Asked::of(clock, cx)?;
    if stream {
        set_head(head, "text/event-stream", Carrier::Sse, Delivery::Stream);
        head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    } else {
        set_head(head, JSON, Carrier::Json, Delivery::Whole);
    }
    Ok((asked, stream))
}

/// Status 200, and of all headers nothing but the media type.
fn set_head(head: &mut ResponseHead, media_type: &'static str, carrier: Carrier, delivery: Delivery) {
    head.status = StatusCode::OK;
    head.headers.clear();
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    head.carrier = carrier;
    head.delivery = delivery;
}

#[cfg(test)]
mod tests;
