//! A filter with ports in memory, and what it made of a request of any operation.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pooler_filter::form::{Chunks, Form, Part};
use pooler_filter::json::{Json, JsonObject};
use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, upstream_request, write};
use pooler_filter::{
    Body, Exchange, FilterContext, FilterFactory, Intent, KeyFacts, ModelFacts, Operation, Principal, Reject, Route,
    Surface, UpstreamRequest,
};
use pooler_filter_codex_rewrite::{CodexRewrite, Config};

/// What the tests may change before a request is sent.
pub(crate) struct Gateway {
    operation: Operation,
    pub(crate) key: KeyFacts,
    pub(crate) ports: Arc<FakePorts>,
}

impl Gateway {
    pub(crate) fn of(operation: Operation) -> Self {
        Self { operation, key: key_facts(), ports: FakePorts::new() }
    }

    /// The key may use these models only.
    pub(crate) fn allowing(mut self, models: &[&str]) -> Self {
        self.key.allowed_models = Some(models.iter().map(|model| (*model).to_owned()).collect());
        self
    }

    /// The pool has exactly these models.
    pub(crate) fn models(self, models: Vec<ModelFacts>) -> Self {
        *self.ports.models.lock() = models.into_iter().map(|facts| (facts.id.clone(), Arc::new(facts))).collect();
        self
    }

    pub(crate) fn send(&self, body: Body) -> Result<Sent, Box<Reject>> {
        let ports = self.ports.ports();
        let context = FilterContext::new(&ports, &CodexRewrite::CONTRACT);
        let filter = CodexRewrite::build(Config::default(), &context).expect("the configuration is valid");
        let route = Route { name: "POST /v1/x", operation: self.operation, surface: Surface::V1, images: false };
        let mut cx = ExchangeBuilder::responses().route(route).header("cookie", "c").build();
        write(&mut cx, Principal(Arc::new(self.key.clone())));
        let mut request = upstream_request("{}");
        request.body = body;
        let before = request.body.to_chunks("b").to_bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
        match runtime.block_on(filter.on_request_body(&mut request, &mut cx)) {
            Ok(_) => Ok(Sent { request, cx }),
            Err(reject) => {
                assert_eq!(request.body.to_chunks("b").to_bytes(), before, "a refused request is left as it was");
                assert!(cx.get::<Intent>().is_none(), "a refused request leaves no facts");
                Err(Box::new(reject))
            }
        }
    }

    pub(crate) fn sent(&self, body: Body) -> Sent {
        self.send(body).unwrap_or_else(|reject| panic!("refused: {reject} (param {:?})", reject.param))
    }

    /// Checks all that a client sees of a refusal.
    pub(crate) fn refuses(&self, body: Body, status: u16, code: &str, param: Option<&str>, message: &str) {
        let shown = format!("{body:?}");
        let Err(reject) = self.send(body) else { panic!("accepted: {shown}, but wanted: {message}") };
        let seen = (reject.status().as_u16(), reject.code_str(), reject.param.as_deref(), reject.message.as_ref());
        assert_eq!(seen, (status, code, param, message), "{shown}");
    }
}

/// What went upstream.
pub(crate) struct Sent {
    pub(crate) request: UpstreamRequest,
    cx: Exchange,
}

impl Sent {
    pub(crate) fn intent(&self) -> &Intent {
        self.cx.get().expect("every accepted request has an intent")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.request.body.to_chunks("").to_bytes()).expect("JSON goes upstream")
    }

    /// The parts of the form: name, file name, media type, text.
    pub(crate) fn parts(&self) -> Vec<(String, Option<String>, Option<String>, String)> {
        let form = self.request.body.form().expect("a form goes upstream");
        let text = |part: &Part| String::from_utf8_lossy(&part.data.to_bytes()).into_owned();
        let parts = form.parts.iter();
        parts.map(|part| (part.name.clone(), part.filename.clone(), part.content_type.clone(), text(part))).collect()
    }
}

/// A JSON body.
pub(crate) fn json(text: &str) -> Body {
    Body::Json(JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).expect("the test writes JSON"))
}

/// A form of texts.
pub(crate) fn form(fields: &[(&str, &str)]) -> Form {
    Form { parts: fields.iter().map(|(name, text)| field(name, text.as_bytes())).collect() }
}

/// One field, its bytes in one piece.
pub(crate) fn field(name: &str, data: &[u8]) -> Part {
    Part { name: name.into(), data: Bytes::copy_from_slice(data).into(), ..Part::default() }
}

/// A file whose bytes came in pieces of this size.
pub(crate) fn file(name: &str, data: &[u8], size: usize) -> Part {
    let mut chunks = Chunks::default();
    data.chunks(size).for_each(|piece| chunks.push(Bytes::copy_from_slice(piece)));
    Part { name: name.into(), filename: Some("f.bin".into()), content_type: Some("image/x".into()), data: chunks }
}

/// Compares each `<name>.in.json` of a folder with its `<name>.out.json`, as values.
pub(crate) fn check_fixtures(folder: &str, least: usize, send: impl Fn(&str, Body) -> Sent) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("the folder can be read").path();
        let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".in.json")) else { continue };
        let client = fs::read_to_string(&path).expect("the client's body can be read");
        let expected = fs::read_to_string(format!("{name}.out.json")).expect("every fixture has its pair");
        let actual = send(name, json(&client)).request.body.to_chunks("").to_bytes();
        let actual = String::from_utf8(actual.to_vec()).expect("JSON is UTF-8");
        assert_eq!(tokens(&actual), tokens(&expected), "{name}");
        seen += 1;
    }
    assert!(seen >= least, "only {seen} fixtures were found");
}

/// The text without the white space between tokens, order and spelling kept.
fn tokens(text: &str) -> String {
    Json::parse(text.to_owned().into()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (mut quoted, mut escaped) = (false, false);
    let keep = |c: &char| {
        let inside = quoted;
        quoted ^= *c == '"' && !escaped;
        escaped = inside && *c == '\\' && !escaped;
        inside || !c.is_ascii_whitespace()
    };
    text.chars().filter(keep).collect()
}
