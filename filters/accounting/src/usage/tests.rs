use pooler_filter::json::Json;
use proptest::prelude::*;

use super::*;

fn read(usage: &str) -> TokenUsage {
    tokens(Json::parse(bytes::Bytes::copy_from_slice(usage.as_bytes())).unwrap().root())
}

const fn known(input: u64, cached: u64, cache_write: u64, output: u64, reasoning: u64) -> TokenUsage {
    TokenUsage::Known { input, cached, cache_write, output, reasoning }
}

#[test]
fn the_whole_object_of_the_responses_api_is_read() {
    let usage = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
        "output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":120}"#;
    assert_eq!(read(usage), known(100, 60, 10, 20, 5));
}

#[test]
fn the_names_of_the_chat_api_are_read_except_its_reasoning() {
    let usage = r#"{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
        "completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":5},"total_tokens":120}"#;
    assert_eq!(read(usage), known(100, 60, 10, 20, 0));
}

#[test]
fn members_on_top_are_read_too() {
    let usage = r#"{"input_tokens":9,"output_tokens":1,"total_tokens":10,
        "cached_input_tokens":4,"cache_write_tokens":5,"reasoning_tokens":1}"#;
    assert_eq!(read(usage), known(9, 4, 5, 1, 1));
}

#[test]
fn the_first_name_of_each_row_wins() {
    let usage = r#"{"prompt_tokens":1,"input_tokens":9,"completion_tokens":1,"output_tokens":2,"total_tokens":11,
        "prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":1},
        "input_tokens_details":{"cached_tokens":2,"cache_write_tokens":2},"cached_input_tokens":3,
        "reasoning_tokens":1,"output_tokens_details":{"reasoning_tokens":2}}"#;
    assert_eq!(read(usage), known(9, 3, 2, 2, 2));
}

#[test]
fn details_that_are_absent_or_null_count_nothing() {
    for details in ["", r#","input_tokens_details":null"#, r#","input_tokens_details":{"cached_tokens":null}"#] {
        let usage = format!(r#"{{"input_tokens":1,"output_tokens":2,"total_tokens":3{details}}}"#);
        assert_eq!(read(&usage), known(1, 0, 0, 2, 0), "{usage}");
    }
}

#[test]
fn no_tokens_at_all_are_known_too() {
    assert_eq!(read(r#"{"input_tokens":0,"output_tokens":0,"total_tokens":0}"#), known(0, 0, 0, 0, 0));
}

#[test]
fn numbers_that_are_missing_wrong_or_do_not_add_up_are_unknown() {
    for usage in [
        "null",
        "{}",
        "[]",
        "7",
        r#"{"input_tokens":1,"output_tokens":2}"#,
        r#"{"input_tokens":1,"total_tokens":1}"#,
        r#"{"output_tokens":1,"total_tokens":1}"#,
        r#"{"input_tokens":1,"output_tokens":2,"total_tokens":4}"#,
        r#"{"input_tokens":-1,"output_tokens":2,"total_tokens":1}"#,
        r#"{"input_tokens":"1","output_tokens":2,"total_tokens":3}"#,
        r#"{"input_tokens":1.0,"output_tokens":2,"total_tokens":3}"#,
        r#"{"input_tokens":1,"output_tokens":2,"total_tokens":null}"#,
        r#"{"input_tokens":18446744073709551615,"output_tokens":1,"total_tokens":0}"#,
    ] {
        assert_eq!(read(usage), TokenUsage::Unknown, "{usage}");
    }
}

#[test]
fn cache_numbers_that_cannot_be_are_unknown() {
    for cache in [
        r#""cached_input_tokens":11"#,
        r#""cached_input_tokens":6,"cache_write_tokens":5"#,
        r#""cached_input_tokens":-1"#,
        r#""cached_input_tokens":"1""#,
        r#""cached_input_tokens":1.5"#,
        r#""cache_write_tokens":-1"#,
        r#""cached_input_tokens":18446744073709551615,"cache_write_tokens":18446744073709551615"#,
    ] {
        let usage = format!(r#"{{"input_tokens":10,"output_tokens":0,"total_tokens":10,{cache}}}"#);
        assert_eq!(read(&usage), TokenUsage::Unknown, "{usage}");
    }
}

#[test]
fn a_cache_write_that_is_no_integer_is_not_counted() {
    for told in ["\"3\"", "true", "3.0", "3e0", "[3]"] {
        let usage = format!(r#"{{"input_tokens":10,"output_tokens":0,"total_tokens":10,"cache_write_tokens":{told}}}"#);
        assert_eq!(read(&usage), known(10, 0, 0, 0, 0), "{usage}");
    }
}

proptest! {
    #[test]
    fn what_is_known_adds_up(
        input in 0u64..50, output in 0u64..50, total in 0u64..100, cached in -5i64..60, cache_write in -5i64..60,
    ) {
        let usage = format!(
            r#"{{"input_tokens":{input},"output_tokens":{output},"total_tokens":{total},
                "input_tokens_details":{{"cached_tokens":{cached},"cache_write_tokens":{cache_write}}}}}"#
        );
        let fits = total == input + output && cached >= 0 && cache_write >= 0
            && u64::try_from(cached + cache_write).is_ok_and(|sum| sum <= input);
        let expected = if fits {
            known(input, cached.unsigned_abs(), cache_write.unsigned_abs(), output, 0)
        } else {
            TokenUsage::Unknown
        };
        prop_assert_eq!(read(&usage), expected);
    }
}
