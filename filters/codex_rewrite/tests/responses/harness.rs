//! A filter with ports in memory, and what it made of a request.

use std::sync::Arc;

use pooler_filter::json::{Json, JsonObject, Value};
use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, upstream_request, write};
use pooler_filter::{
    Exchange, FilterContext, FilterFactory, Intent, KeyFacts, ModelFacts, Operation, Principal, Reject, Route, Surface,
    Turn, UpstreamRequest,
};
use pooler_filter_codex_rewrite::{CodexRewrite, Config};

const RESPONSES: Route =
    Route { name: "POST /v1/responses", operation: Operation::Responses, surface: Surface::V1, images: false };

/// A route that makes something else of the same conversations.
pub(crate) const fn route(name: &'static str, operation: Operation) -> Route {
    Route { name, operation, surface: Surface::V1, images: false }
}

/// What the tests may change before a request is sent.
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) key: KeyFacts,
    pub(crate) route: Route,
    /// The request is a turn on a websocket.
    pub(crate) turn: Option<Turn>,
    pub(crate) ports: Arc<FakePorts>,
}

impl Gateway {
    /// With one ordinary model, `gpt-5.5`, and one that is served as lite, `gpt-6-sol`.
    pub(crate) fn new() -> Self {
        let gateway =
            Self { config: Config::default(), key: key_facts(), route: RESPONSES, turn: None, ports: FakePorts::new() };
        let ordinary = gateway.ports.models.lock().get("gpt-5.5").expect("the ports have it").as_ref().clone();
        let lite =
            |name: &str| ModelFacts { id: name.into(), upstream_id: name.into(), lite: true, ..ordinary.clone() };
        gateway.model("gpt-6-sol", lite("gpt-6-sol")).model("gpt-5.6-sol", lite("gpt-5.6-sol"))
    }

    /// One more model.
    pub(crate) fn model(self, name: &str, facts: ModelFacts) -> Self {
        self.ports.models.lock().insert(name.into(), Arc::new(facts));
        self
    }

    pub(crate) fn send(&self, body: &str) -> Result<Sent, Box<Reject>> {
        let ports = self.ports.ports();
        let context = FilterContext::new(&ports, &CodexRewrite::CONTRACT);
        let filter = CodexRewrite::build(self.config.clone(), &context).expect("the configuration is valid");
        let mut cx = ExchangeBuilder::responses()
            .route(self.route)
            .header("cookie", "c")
            .header("user-agent", "client/1")
            .header("x-codex-turn-metadata", "{}")
            .build();
        if let Some(turn) = self.turn {
            write(&mut cx, turn);
        }
        write(&mut cx, Principal(Arc::new(self.key.clone())));
        let mut request = upstream_request(body);
        let before = request.body.to_chunks("").to_bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
        match runtime.block_on(filter.on_request_body(&mut request, &mut cx)) {
            Ok(_) => Ok(Sent::new(request, cx)),
            Err(reject) => {
                assert_eq!(request.body.to_chunks("").to_bytes(), before, "a refused request is left as it was");
                assert!(cx.get::<Intent>().is_none(), "a refused request leaves no facts");
                Err(Box::new(reject))
            }
        }
    }
}

/// What went upstream.
pub(crate) struct Sent {
    pub(crate) request: UpstreamRequest,
    cx: Exchange,
    pub(crate) body: JsonObject,
}

impl Sent {
    fn new(request: UpstreamRequest, cx: Exchange) -> Self {
        let body = JsonObject::parse(request.body.to_chunks("").to_bytes())
            .expect("the upstream gets JSON without duplicate keys");
        Self { request, cx, body }
    }

    pub(crate) fn intent(&self) -> &Intent {
        self.cx.get().expect("every accepted request has an intent")
    }

    /// A member without the white space between its tokens.
    pub(crate) fn member(&self, name: &str) -> Option<String> {
        self.body.get(name).map(|value| compact(value.raw()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.request.body.to_chunks("").to_bytes().to_vec()).expect("JSON is UTF-8")
    }
}

/// Sends a body through a gateway without surprises.
pub(crate) fn send(body: &str) -> Result<Sent, Box<Reject>> {
    Gateway::new().send(body)
}

/// A request with these members beside model and input.
pub(crate) fn with(members: &str) -> String {
    format!(r#"{{"model":"gpt-5.5","input":"x",{members}}}"#)
}

/// A request with this input.
pub(crate) fn input(input: &str) -> String {
    format!(r#"{{"model":"gpt-5.5","input":{input}}}"#)
}

/// A request with one item as its input.
pub(crate) fn item(item: &str) -> String {
    input(&format!("[{item}]"))
}

/// A request with one message of the user that has this part.
pub(crate) fn part(part: &str) -> String {
    item(&format!(r#"{{"role":"user","content":[{part}]}}"#))
}

/// What a body with these members becomes.
pub(crate) fn sent(body: &str) -> Sent {
    send(body).unwrap_or_else(|reject| panic!("refused: {reject} (param {:?})\n{body}", reject.param))
}

pub(crate) fn refused(body: &str) -> Box<Reject> {
    match send(body) {
        Ok(sent) => panic!("accepted:\n{body}\nas\n{}", sent.text()),
        Err(reject) => reject,
    }
}

/// Checks all that a client sees of a refusal.
pub(crate) fn refuses(body: &str, status: u16, code: &str, param: Option<&str>, message: &str) {
    let reject = refused(body);
    let seen = (reject.status().as_u16(), reject.code_str(), reject.param.as_deref(), reject.message.as_ref());
    assert_eq!(seen, (status, code, param, message), "{body}");
}

/// The text without the white space between tokens; every token as it is written.
pub(crate) fn compact(text: &str) -> String {
    fn write(value: Value<'_>, out: &mut String) {
        let mut separator = "";
        if value.raw().starts_with('{') {
            out.push('{');
            for (key, value) in value.entries() {
                out.push_str(separator);
                out.push_str(key.raw());
                out.push(':');
                write(value, out);
                separator = ",";
            }
            out.push('}');
        } else if value.raw().starts_with('[') {
            out.push('[');
            for item in value.items() {
                out.push_str(separator);
                write(item, out);
                separator = ",";
            }
            out.push(']');
        } else {
            out.push_str(value.raw());
        }
    }
    let json = Json::parse(text.to_owned().into()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut out = String::with_capacity(text.len());
    write(json.root(), &mut out);
    out
}
