//! Pairs of files. `<name>.in.json` is what a client sends; `<name>.out.json` is what the upstream gets, token by token and in order, or
//! `<name>.err.json` is the refusal. `corpus` has the requests of known clients, each named after its scenario.

use std::fs;
use std::path::Path;

use pooler_filter::Reject;
use pooler_filter::json::write_str;

use crate::harness::{Gateway, compact};

/// What became of the client's request, in the form of the second file, and that file's ending.
fn outcome(client: &str) -> (String, &'static str) {
    match Gateway::new().send(client) {
        Ok(sent) => (compact(&sent.text()), "out"),
        Err(reject) => (refusal(&reject), "err"),
    }
}

fn refusal(reject: &Reject) -> String {
    let literal = |text: &str| {
        let mut out = Vec::new();
        write_str(&mut out, text);
        String::from_utf8(out).expect("JSON is UTF-8")
    };
    let param = reject.param.as_deref().map_or("null".to_owned(), literal);
    let (status, code, message) = (reject.status().as_u16(), literal(reject.code_str()), literal(&reject.message));
    format!(r#"{{"status":{status},"code":{code},"param":{param},"message":{message}}}"#)
}

fn wrong_pairs(folder: &str, least: usize) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/responses").join(folder);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("the folder can be read").path();
        let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".in.json")) else { continue };
        let client = fs::read_to_string(&path).expect("the client's body can be read");
        let (actual, ending) = outcome(&client);
        let expected = fs::read_to_string(format!("{name}.{ending}.json"));
        let expected = expected.map_or_else(|_| format!("no {ending}.json"), |text| compact(&text));
        seen += 1;
        if actual != expected {
            wrong.push(format!("{name}\n  expected {expected}\n  actual   {actual}"));
        }
    }
    assert!(seen >= least, "only {seen} fixtures were found");
    wrong
}

#[test]
fn every_fixture_becomes_what_its_pair_says() {
    let wrong = wrong_pairs("", 18);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn requests_of_known_clients_become_what_their_pairs_say() {
    let wrong = wrong_pairs("corpus", 50);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
