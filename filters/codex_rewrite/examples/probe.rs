//! probe
#![allow(warnings)]
#[path = "../../../benches/common/wire.rs"]
mod wire;
use bytes::Bytes;
use http::{HeaderMap, Method};
use pooler_filter::json::{Json, JsonObject};
use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, write};
use pooler_filter::{
    Body, Expects, Filter, FilterContext, FilterFactory as _, Flow, Operation, Principal, Route, Surface,
    UpstreamRequest,
};
use pooler_filter_codex_rewrite::{CodexRewrite, Config};
use std::hint::black_box;
use std::sync::Arc;
const RESPONSES: Route =
    Route { name: "POST /v1/responses", operation: Operation::Responses, surface: Surface::V1, images: false };
const CHAT: Route =
    Route { name: "POST /v1/chat/completions", operation: Operation::Chat, surface: Surface::V1, images: false };

#[inline(never)]
fn index_only(body: &Bytes) -> Json {
    Json::parse(body.clone()).unwrap()
}

#[inline(never)]
fn hook(filter: &dyn Filter, key: &Principal, route: Route, object: JsonObject) -> UpstreamRequest {
    let mut cx = ExchangeBuilder::responses().route(route).build();
    write(&mut cx, Principal(Arc::clone(&key.0)));
    let mut request = UpstreamRequest {
        method: Method::POST,
        path: cx.head().path.clone(),
        headers: HeaderMap::new(),
        body: Body::Json(object),
        expects: Expects::Response,
    };
    {
        use std::future::Future;
        use std::task::{Context, Poll, Waker};
        let mut f = filter.on_request_body(&mut request, &mut cx);
        let mut f = std::pin::pin!(f);
        let flow = f.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(flow, Poll::Ready(Ok(Flow::Continue))));
    }
    request
}

#[inline(never)]
fn out(request: &UpstreamRequest) -> usize {
    let c = request.body.to_chunks("");
    c.len()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (what, size, times): (&str, usize, usize) = (&args[1], args[2].parse().unwrap(), args[3].parse().unwrap());
    let ports = FakePorts::new().ports();
    let filter = CodexRewrite::build(Config::default(), &FilterContext::new(&ports, &CodexRewrite::CONTRACT)).unwrap();
    let key = Principal(Arc::new(key_facts()));
    if what == "events" {
        let events: Vec<Bytes> = wire::messages(size).into_iter().map(Bytes::from).collect();
        let total: usize = events.iter().map(|e| e.len()).sum();
        eprintln!("bytes {total} events {}", events.len());
        for _ in 0..times {
            for e in &events {
                black_box(index_only(e));
            }
        }
        return;
    }
    let (body, route) = match what {
        "chat" | "ichat" => (wire::chat(size), CHAT),
        "cjk" => (
            Bytes::from(
                String::from_utf8(wire::request(size).to_vec())
                    .unwrap()
                    .replace("gateway answered", "шлюз ответил 網關回答"),
            ),
            RESPONSES,
        ),
        "ascii" => (
            Bytes::from(
                String::from_utf8(wire::request(size).to_vec())
                    .unwrap()
                    .replace("\\n", " ")
                    .replace("\\\"", "'")
                    .replace("—", "-")
                    .replace("ü", "u"),
            ),
            RESPONSES,
        ),
        _ => (wire::request(size), RESPONSES),
    };
    eprintln!("bytes {}", body.len());
    for _ in 0..times {
        if matches!(what, "index" | "ichat" | "cjk" | "ascii") {
            black_box(index_only(&body));
            continue;
        }
        let object = JsonObject::parse(body.clone()).unwrap();
        let request = hook(&*filter, &key, route, object);
        black_box(out(&request));
    }
}
