//! The way of a body, by size: parse, the hook of `codex_rewrite`, bytes again. Beside it the same through a tree of `serde_json`; beside a
//! chat the same conversation as a request for a response.

#[path = "../common/table.rs"]
mod table;
#[path = "../common/timing.rs"]
mod timing;
#[path = "../common/wire.rs"]
mod wire;

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method};
use pooler_filter::json::JsonObject;
use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, write};
use pooler_filter::{
    Body, Expects, Filter, FilterContext, FilterFactory as _, Flow, Operation, Principal, Route, Surface,
    UpstreamRequest,
};
use pooler_filter_codex_rewrite::{CodexRewrite, Config};
use serde_json::{Value, json};

use self::table::Row;
use self::timing::{Timing, time};

const RESPONSES: Route =
    Route { name: "POST /v1/responses", operation: Operation::Responses, surface: Surface::V1, images: false };
const CHAT: Route =
    Route { name: "POST /v1/chat/completions", operation: Operation::Chat, surface: Surface::V1, images: false };

fn ours(filter: &dyn Filter, key: &Principal, route: Route, body: &Bytes) -> Bytes {
    let mut cx = ExchangeBuilder::responses().route(route).build();
    write(&mut cx, Principal(Arc::clone(&key.0)));
    let object = JsonObject::parse(body.clone()).expect("the body is an object");
    let mut request = UpstreamRequest {
        method: Method::POST,
        path: cx.head().path.clone(),
        headers: HeaderMap::new(),
        body: Body::Json(object),
        expects: Expects::Response,
    };
    let flow = filter.on_request_body(&mut request, &mut cx).now_or_never();
    assert!(matches!(flow, Some(Ok(Flow::Continue))), "the body is good");
    request.body.to_chunks("").to_bytes()
}

/// The edits that every request needs, and nothing of the rest.
fn tree(body: &Bytes) -> Bytes {
    let mut value: Value = serde_json::from_slice(body).expect("the body is JSON");
    value["store"] = json!(false);
    value["include"] = json!(["reasoning.encrypted_content"]);
    if let Some(object) = value.as_object_mut() {
        object.remove("metadata");
        object.remove("temperature");
    }
    Bytes::from(serde_json::to_vec(&value).expect("a value is JSON"))
}

fn row(case: &str, subject: &str, size: usize, timing: Timing, baseline: Timing) -> io::Result<()> {
    Row {
        rate: Some(format!("{:.0} MB/s", timing.megabytes(size))),
        rate_ratio: Some(baseline.median.as_secs_f64() / timing.median.as_secs_f64()),
        p50: Some(timing.median),
        p99: Some(timing.p99),
        ..Row::new("rewrite", case, subject)
    }
    .print()
}

fn main() -> io::Result<()> {
    table::header()?;
    let ports = FakePorts::new().ports();
    let filter = CodexRewrite::build(Config::default(), &FilterContext::new(&ports, &CodexRewrite::CONTRACT))
        .expect("the default configuration is valid");
    let key = Principal(Arc::new(key_facts()));
    const SIZES: [(&str, usize); 4] = [("1 KB", 1 << 10), ("100 KB", 100 << 10), ("1 MB", 1 << 20), ("8 MB", 8 << 20)];
    for (case, size) in SIZES {
        let body = wire::request(size);
        let baseline = time(|| tree(black_box(&body)));
        let timing = time(|| ours(&*filter, &key, RESPONSES, black_box(&body)));
        row(case, "serde_json (baseline)", body.len(), baseline, baseline)?;
        row(case, "codex_rewrite", body.len(), timing, baseline)?;
    }
    for (size_name, size) in SIZES {
        let case = format!("chat, {size_name}");
        let (body, response) = (wire::chat(size), wire::chat_as_response(size));
        let baseline = time(|| ours(&*filter, &key, RESPONSES, black_box(&response)));
        let timing = time(|| ours(&*filter, &key, CHAT, black_box(&body)));
        row(&case, "response (baseline)", response.len(), baseline, baseline)?;
        row(&case, "codex_rewrite", body.len(), timing, baseline)?;
    }
    Ok(())
}
