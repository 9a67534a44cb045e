use super::*;

fn facts(window: Option<u64>, lite: bool) -> ModelFacts {
    ModelFacts { id: "x".into(), upstream_id: "x".into(), context_window: window, lite, ..ModelFacts::default() }
}

fn over(text: &str, facts: &ModelFacts) -> String {
    String::from_utf8(overlaid(text, facts).unwrap().to_vec()).unwrap()
}

#[test]
fn an_entry_passes_byte_for_byte_but_for_what_the_pool_decides() {
    let whole =
        r#"{ "slug":"x", "context_window": 272000, "max_context_window":400000,"use_responses_lite":true,"z":[1.0] }"#;
    assert_eq!(over(whole, &facts(Some(272_000), true)), whole);
    assert_eq!(over(whole, &facts(None, true)), whole);
    let smaller = whole.replace("272000", "100000").replace("true", "false");
    assert_eq!(over(whole, &facts(Some(100_000), false)), smaller);
    let renamed = ModelFacts { id: "fast".into(), ..facts(None, true) };
    assert_eq!(over(whole, &renamed), whole.replace("\"x\"", "\"fast\""));
    let bare = r#"{"slug":"x","context_window":5}"#;
    assert_eq!(over(bare, &facts(Some(3), false)), r#"{"slug":"x","context_window":3,"max_context_window":5}"#);
    assert_eq!(over(r#"{"slug":"x"}"#, &facts(None, true)), r#"{"slug":"x","use_responses_lite":true}"#);
}

#[test]
fn a_page_is_known_by_its_bytes() {
    let (a, b) = (Bytes::from_static(b"{\"slug\":\"a\"}"), Bytes::from_static(b"{\"slug\":\"b\"}"));
    let page = Page::new(&[&a, &b]).unwrap();
    assert_eq!(page.body, "{\"models\":[{\"slug\":\"a\"},{\"slug\":\"b\"}]}");
    let etag = page.etag.to_str().unwrap();
    let digest = etag.strip_prefix("W/\"cp-models-v1-").and_then(|rest| rest.strip_suffix('"')).unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{etag}");
    assert_ne!(Page::new(&[&a]).unwrap().etag, page.etag);
    assert_eq!(Page::new(&[&a, &b]).unwrap().etag, page.etag);
}

/// Codex CLI drops the whole list when one of these is missing or null in one entry.
#[test]
fn a_written_entry_has_what_codex_cli_does_not_do_without() {
    let entry: serde_json::Value = serde_json::from_slice(&written(&facts(None, false), "X", &[])).unwrap();
    for name in [
        "slug",
        "display_name",
        "support_verbosity",
        "truncation_policy",
        "supported_reasoning_levels",
        "shell_type",
        "visibility",
        "supported_in_api",
        "priority",
        "experimental_supported_tools",
    ] {
        assert!(!entry[name].is_null(), "{name}");
    }
    assert!(!entry["model_messages"]["instructions_template"].as_str().unwrap().is_empty());
}
