//! Bodies of clients that may send anything: refused and left alone, or an object for the backend that is not much larger.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pooler_filter::json::JsonObject;
use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, upstream_request, write};
use pooler_filter::{
    Body, FilterContext, FilterFactory, Intent, ModelFacts, Operation, Principal, RejectKind, Route, Surface, Turn,
};

use crate::{CodexRewrite, Config};

/// How many times its size a body may become, beside [`BESIDE`]: the most is a schema of `{}`, to each of which a type is written.
const MOST_TIMES: usize = 12;
/// What any request may get on top: instructions, members that are forced.
const BESIDE: usize = 4096;

/// A byte that names the route, then the body.
///
/// # Panics
/// When a property does not hold.
pub fn request(input: &[u8]) {
    let Some((who, body)) = input.split_first() else { return };
    let Ok(body) = JsonObject::parse(Bytes::copy_from_slice(body)) else { return };
    let (operation, surface) = match who % 8 {
        0..=2 => (Operation::Responses, Surface::V1),
        3 | 4 => (Operation::Chat, Surface::V1),
        5 => (Operation::Compact, Surface::V1),
        6 if who & 0x40 != 0 => (Operation::EditImage, Surface::V1),
        6 => (Operation::GenerateImage, Surface::V1),
        _ if who & 0x40 != 0 => (Operation::Compact, Surface::Native),
        _ => (Operation::Responses, Surface::Native),
    };
    let ports = FakePorts::new();
    let known = ports.models.lock().get("gpt-5.5").map(|facts| facts.as_ref().clone());
    let lite = known.map(|facts| ModelFacts { id: "gpt-6-sol".into(), lite: true, ..facts });
    ports.models.lock().extend(lite.map(|facts| (facts.id.clone(), Arc::new(facts))));
    let ports = ports.ports();
    let filter = CodexRewrite::build(Config::default(), &FilterContext::new(&ports, &CodexRewrite::CONTRACT))
        .expect("the defaults are valid");
    let route = Route { name: "POST /x", operation, surface, images: false };
    let mut cx = ExchangeBuilder::responses().route(route).build();
    write(&mut cx, Principal(Arc::new(key_facts())));
    if who & 0x80 != 0 && operation == Operation::Responses {
        write(&mut cx, Turn { continues: who & 0x20 != 0 });
    }
    let mut request = upstream_request("{}");
    request.body = Body::Json(body);
    let before = request.body.to_chunks("b").to_bytes();
    let done = {
        let running = pin!(filter.on_request_body(&mut request, &mut cx));
        running.poll(&mut Context::from_waker(Waker::noop()))
    };
    let Poll::Ready(done) = done else { panic!("a rewrite waits for nothing") };
    let after = request.body.to_chunks("b").to_bytes();
    if let Err(reject) = done {
        assert_eq!(before, after, "a refused request is left as it was");
        assert!(cx.get::<Intent>().is_none(), "a refused request leaves no facts");
        assert!(reject.kind != RejectKind::Internal, "{reject}: {:?}", reject.source);
        assert!(serde_json::from_slice::<serde_json::Value>(&reject.envelope()).is_ok());
        return;
    }
    assert!(cx.get::<Intent>().is_some());
    let again = JsonObject::parse(after.clone()).unwrap_or_else(|error| panic!("{error}: {after:?}"));
    assert!(again.get("model").is_some());
    let most = before.len() * MOST_TIMES + BESIDE;
    assert!(after.len() <= most, "{} bytes became {}", before.len(), after.len());
}
