use std::sync::Arc;

use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, upstream_request, write};
use pooler_filter::{FilterContext, FilterFactory, Operation, Principal, Route, Surface};

use crate::echo::{Echo, Form};
use crate::{CodexRewrite, Config};

/// What the way up will know of a chat with these members.
fn echo(members: &str) -> Echo {
    let ports = FakePorts::new().ports();
    let filter = CodexRewrite::build(Config::default(), &FilterContext::new(&ports, &CodexRewrite::CONTRACT));
    let filter = filter.expect("the default configuration is valid");
    let route =
        Route { name: "POST /v1/chat/completions", operation: Operation::Chat, surface: Surface::V1, images: false };
    let mut cx = ExchangeBuilder::responses().route(route).build();
    write(&mut cx, Principal(Arc::new(key_facts())));
    let body = format!(r#"{{"model":"GPT-5.5","messages":[{{"role":"user","content":"x"}}],{members}}}"#);
    let mut request = upstream_request(&body);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    let done = runtime.block_on(filter.on_request_body(&mut request, &mut cx));
    done.unwrap_or_else(|reject| panic!("refused: {reject}"));
    cx.require::<Echo>().expect("an accepted request leaves its echo").clone()
}

#[test]
fn usage_gets_a_chunk_of_its_own_when_a_stream_asks_for_it() {
    let form = |members| echo(members).form;
    assert_eq!(form(r#""stream":true,"stream_options":{"include_usage":true}"#), Form::ChatUsage);
    for plain in [
        r#""stream":true"#,
        r#""stream":true,"stream_options":null"#,
        r#""stream":true,"stream_options":{"include_usage":false}"#,
        r#""stream":true,"stream_options":{"include_usage":null,"include_obfuscation":true}"#,
        r#""stream":false,"stream_options":{"include_usage":true}"#,
        r#""stream_options":{"include_usage":true}"#,
    ] {
        assert_eq!(form(plain), Form::Plain, "{plain}");
    }
}

#[test]
fn answers_name_the_model_and_the_namespaces_of_the_client() {
    let function = r#"{"type":"function","function":{"name":"f","parameters":{}}}"#;
    let echo = echo(&format!(
        r#""tools":[{{"type":"namespace","name":"n","description":"d","tools":[{function}]}}],"user":"u""#
    ));
    assert_eq!(echo.model, "GPT-5.5");
    assert_eq!(echo.namespaces, [("f".to_owned(), "n".to_owned())].into());
    assert!(echo.members.iter().any(|(name, value)| *name == "user" && value == "\"u\""));
}
