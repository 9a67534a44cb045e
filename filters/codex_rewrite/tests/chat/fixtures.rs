//! Pairs of files: what a client sends, and what the upstream gets, token by token and in order.

use std::fs;
use std::path::Path;

use crate::harness::{compact, sent};

#[test]
fn every_fixture_becomes_what_its_pair_says() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chat"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("the folder can be read").path();
        let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".in.json")) else { continue };
        let client = fs::read_to_string(&path).expect("the client's body can be read");
        let expected = fs::read_to_string(format!("{name}.out.json")).expect("every fixture has its pair");
        let actual = sent(&client).text();
        seen += 1;
        if compact(&actual) != compact(&expected) {
            wrong.push(format!("{name}\n  expected {}\n  actual   {}", compact(&expected), compact(&actual)));
        }
    }
    assert!(seen >= 15, "only {seen} fixtures were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
