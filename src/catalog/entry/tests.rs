use proptest::prelude::*;
use serde_json::json;

use super::*;

fn page(models: &Value) -> Page {
    read(json!({"models": models, "etag": 1}).to_string().as_bytes()).unwrap()
}

fn only(entry: &Value) -> CatalogModel {
    CatalogModel { entry: None, ..whole(entry) }
}

fn whole(entry: &Value) -> CatalogModel {
    let mut page = page(&json!([entry]));
    assert_eq!((page.models.len(), page.skipped), (1, 0));
    page.models.remove(0)
}

#[test]
fn an_entry_is_kept_byte_for_byte_and_known_by_what_it_does() {
    let text = r#"{ "slug":"x", "context_window" : 1.0e2, "x":[1,  2] }"#;
    let entry =
        |text: &str| read(format!("{{\"models\":[{text}]}}").as_bytes()).unwrap().models.remove(0).entry.unwrap();
    assert_eq!(&*entry(text).text, text);
    let behaviour = |more: &str| entry(&format!("{{{more}\"slug\":\"x\",\"context_window\":5}}")).behaviour;
    assert_eq!(behaviour(""), behaviour("\"description\":\"other words\",\"priority\":7,"));
    assert_ne!(behaviour(""), behaviour("\"use_responses_lite\":true,"));
    let huge = json!({"slug": "x", "model_messages": "y".repeat(MAX_ENTRY)});
    assert_eq!(whole(&huge).entry, None);
}

#[test]
fn an_entry_says_what_is_needed_of_it() {
    let model = only(&json!({
        "slug": "gpt-6-sol", "display_name": " GPT-6 Sol\n", "visibility": "list", "supported_in_api": true, "priority": -1,
        "context_window": 400_000, "effective_context_window_percent": 90, "input_modalities": ["text", "image", "text", 5],
        "use_responses_lite": true, "supported_reasoning_levels": [{"effort": "low"}],
        "supports_reasoning_summary_parameter": false, "supports_reasoning_summaries": true,
        "service_tiers": [{"id": "fast", "name": "x"}, {"name": "no id"}, {"id": "flex"}],
        "additional_speed_tiers": ["fast", "ultrafast"], "something_new": {"a": [1]},
    }));
    let texts = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect::<Vec<_>>());
    let expected = CatalogModel {
        slug: "gpt-6-sol".to_owned(),
        display_name: Some("GPT-6 Sol".to_owned()),
        listed: true,
        priority: Some(-1),
        context_window: Some(400_000),
        effective_percent: Some(90),
        input_modalities: texts(&["text", "image"]),
        lite: true,
        reasoning: Some(true),
        reasoning_summary: Some(false),
        service_tiers: texts(&["priority", "flex", "ultrafast"]),
        entry: None,
    };
    assert_eq!(model, expected);
}

#[test]
fn what_is_missing_or_of_a_wrong_form_is_not_known() {
    let bare = CatalogModel { slug: "x".to_owned(), ..CatalogModel::default() };
    assert_eq!(only(&json!({"slug": "x"})), bare);
    let odd = json!({
        "slug": "x", "display_name": 5, "visibility": true, "supported_in_api": "no", "priority": "high", "context_window": -1,
        "effective_context_window_percent": 101, "input_modalities": "text", "use_responses_lite": "true",
        "supported_reasoning_levels": {}, "supports_reasoning_summary_parameter": 1, "service_tiers": {"id": "flex"},
        "additional_speed_tiers": null,
    });
    assert_eq!(only(&odd), bare);
    assert_eq!(only(&json!({"slug": "x", "context_window": 0})).context_window, None);
    assert_eq!(only(&json!({"slug": "x", "service_tiers": []})).service_tiers, Some(vec![]));
}

#[test]
fn a_bad_entry_is_skipped_and_the_others_stay() {
    let long = "x".repeat(97);
    let page = page(&json!([
        null, 5, "gpt", [], {}, {"slug": null}, {"slug": ""}, {"slug": "a b"}, {"slug": "a/b"}, {"slug": "a\u{0}"}, {"slug": long},
        {"slug": "good", "priority": 1}, {"slug": "good", "priority": 2},
    ]));
    assert_eq!((page.models.len(), page.models[0].priority, page.skipped), (1, Some(1), 12));
}

#[test]
fn a_model_that_is_not_for_the_api_is_left_out_in_silence() {
    let page = page(&json!([{"slug": "a", "supported_in_api": false}, {"slug": "b"}]));
    assert_eq!((page.models.len(), page.models[0].slug.as_str(), page.skipped), (1, "b", 0));
}

#[test]
fn a_page_without_models_is_a_failure() {
    for bad in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"models":null}"#,
        r#"{"models":{}}"#,
        "<html>",
        "{\"models\":[",
        &"[".repeat(100_000),
    ] {
        assert_eq!(read(bad.as_bytes()), Err(BadPage::NoList), "{}", &bad[..bad.len().min(20)]);
    }
    for empty in [json!([]), json!([{"slug": ""}]), json!([{"slug": "a", "supported_in_api": false}])] {
        assert_eq!(read(json!({"models": empty}).to_string().as_bytes()), Err(BadPage::Nothing));
    }
}

#[test]
fn no_more_is_kept_than_the_store_has_room_for() {
    let entry = |n: usize| {
        json!({"slug": format!("m{n}"), "display_name": "é".repeat(500), "input_modalities": vec!["x".repeat(99); 9],
               "service_tiers": (0..50).map(|n| json!({"id": format!("t{n}")})).collect::<Vec<_>>()})
    };
    let page = page(&(0..300).map(entry).collect::<Vec<_>>().into());
    assert_eq!((page.models.len(), page.skipped), (CatalogSource::MAX_MODELS, 200));
    let model = &page.models[0];
    assert_eq!(model.display_name.as_ref().unwrap().len(), 96);
    assert_eq!((model.input_modalities.clone(), model.service_tiers.as_ref().unwrap().len()), (Some(vec![]), 8));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
        drop(read(&body));
        drop(read(json!({"models": [{"slug": text.clone(), "display_name": text.clone(), "visibility": text}]}).to_string().as_bytes()));
    }
}
