//! A filter with ports in memory on a native route.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pooler_filter::sse::{Framer, Limits};
use pooler_filter::testing::{ExchangeBuilder, FakePorts, chain_of, key_facts, upstream_request, write};
use pooler_filter::{
    Body, Carrier, Delivery, End, Exchange, Frame, Intent, ModelFacts, Operation, Principal, Reached, Reject,
    ResponseHead, Route, Surface, Turn, UpstreamHeaders, UpstreamRequest,
};
use pooler_filter_codex_rewrite::CodexRewrite;

/// A request on its way.
pub(crate) struct Native {
    operation: Operation,
    headers: Vec<(String, String)>,
    turn: Option<Turn>,
    pub(crate) ports: Arc<FakePorts>,
}

/// What went upstream.
pub(crate) struct Sent {
    pub(crate) request: UpstreamRequest,
    pub(crate) cx: Exchange,
    chain: pooler_filter::Chain,
}

/// What the client gets.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) headers: HeaderMap,
    pub(crate) delivery: Delivery,
    pub(crate) text: String,
}

impl Native {
    pub(crate) fn of(operation: Operation) -> Self {
        Self { operation, headers: Vec::new(), turn: None, ports: FakePorts::new() }
    }

    /// A turn on a websocket.
    pub(crate) fn turn(continues: bool) -> Self {
        Self { turn: Some(Turn { continues }), ..Self::responses() }
    }

    pub(crate) fn responses() -> Self {
        Self::of(Operation::Responses)
    }

    /// The client's head has this too.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// One more model.
    pub(crate) fn model(self, name: &str, facts: ModelFacts) -> Self {
        self.ports.models.lock().insert(name.into(), Arc::new(facts));
        self
    }

    pub(crate) fn send_body(&self, body: Body) -> Result<Sent, Box<Reject>> {
        let chain = chain_of::<CodexRewrite>("", &self.ports.ports()).expect("the configuration is valid");
        let route = Route { name: "POST /native", operation: self.operation, surface: Surface::Native, images: false };
        let mut builder = ExchangeBuilder::responses().route(route);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let mut cx = builder.build();
        write(&mut cx, Principal(Arc::new(key_facts())));
        self.turn.iter().for_each(|turn| write(&mut cx, *turn));
        let mut request = upstream_request("{}");
        request.body = body;
        let before = request.body.to_chunks("b").to_bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
        let done = runtime.block_on(async {
            chain.request_headers(&mut cx, &mut Reached::default()).await?;
            chain.request_body(&mut request, &mut cx).await
        });
        match done {
            Ok(_) => Ok(Sent { request, cx, chain }),
            Err(reject) => {
                assert_eq!(request.body.to_chunks("b").to_bytes(), before, "a refused request is left as it was");
                assert!(cx.get::<Intent>().is_none(), "a refused request leaves no facts");
                Err(Box::new(reject))
            }
        }
    }

    pub(crate) fn send(&self, body: &str) -> Result<Sent, Box<Reject>> {
        self.send_body(upstream_request(body).body)
    }

    pub(crate) fn sent(&self, body: &str) -> Sent {
        self.send(body).unwrap_or_else(|reject| panic!("refused: {reject} (param {:?})\n{body}", reject.param))
    }

    /// Checks what a client sees of a refusal.
    pub(crate) fn refuses(&self, body: &str, code: &str, param: Option<&str>, message: &str) {
        let Err(reject) = self.send(body) else { panic!("accepted: {body}") };
        let seen = (reject.status().as_u16(), reject.code_str(), reject.param.as_deref(), reject.message.as_ref());
        assert_eq!(seen, (400, code, param, message), "{body}");
    }
}

impl Sent {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.request.body.to_chunks("").to_bytes().to_vec()).expect("JSON is UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).expect("JSON goes upstream")
    }

    pub(crate) fn intent(&self) -> &Intent {
        self.cx.get().expect("every accepted request has an intent")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    /// The backend answers with these headers and this body.
    pub(crate) fn answered(mut self, carrier: Carrier, headers: &[(&str, &str)], body: &str) -> Answered {
        let pair = |(name, value): &(&str, &str)| {
            (
                HeaderName::from_bytes(name.as_bytes()).expect("a valid answer of the test"),
                HeaderValue::from_str(value).expect("a valid answer of the test"),
            )
        };
        write(&mut self.cx, UpstreamHeaders(headers.iter().map(pair).collect()));
        let delivery = if carrier == Carrier::Sse { Delivery::Stream } else { Delivery::Whole };
        let mut head = ResponseHead::new(http::StatusCode::OK, carrier, delivery);
        let mut stages = self.chain.response(&mut head, &mut self.cx).expect("a valid answer of the test");
        let mut out = Vec::new();
        let body = Bytes::copy_from_slice(body.as_bytes());
        if carrier == Carrier::Sse {
            let mut framer = Framer::new(Limits::default());
            framer.push(body);
            // As the host does it.
            loop {
                out.extend(framer.next_run(|name| stages.pass_unseen(name)).map(Frame::opaque));
                let Some(block) = framer.next_block().expect("a valid answer of the test") else { break };
                stages.frame(Frame::from_block(block), &mut out, &mut self.cx).expect("a valid answer of the test");
            }
        } else {
            stages.frame(Frame::json(body), &mut out, &mut self.cx).expect("a valid answer of the test");
        }
        stages.end(&End::Complete, &mut out, &mut self.cx).expect("a valid answer of the test");
        let bytes: Vec<u8> = out.iter().flat_map(|frame| frame.to_bytes().to_vec()).collect();
        Answered {
            headers: head.headers,
            delivery: head.delivery,
            text: String::from_utf8(bytes).expect("a valid answer of the test"),
        }
    }

    /// The same as an event stream.
    pub(crate) fn streamed(self, headers: &[(&str, &str)], body: &str) -> Answered {
        self.answered(Carrier::Sse, headers, body)
    }
}
