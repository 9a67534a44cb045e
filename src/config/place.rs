//! Where in the file something stands: line, column and the key with the tables around it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    /// Such as `limits.max_body` or `chain[2].config`.
    pub(super) key: String,
}

impl Place {
    pub(super) fn of(text: &str, span: &Range<usize>) -> Self {
        let at = text.floor_char_boundary(span.start);
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        // The file may be broken, so take what can be read of it.
        let (root, _) = DeTable::parse_recoverable(text);
        let mut path = Vec::new();
        find_in_table(root.get_ref(), at, &mut Vec::new(), &mut path);
        if path.is_empty() {
            path = guess(text, line_start);
        }
        Self { line, column, key: join(&path) }
    }
}

/// One step into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn find_in_table(table: &DeTable<'_>, at: usize, here: &mut Vec<Step>, found: &mut Vec<Step>) {
    for (key, value) in table {
        here.push(Step::Key(key.get_ref().to_string()));
        if touches(&key.span(), at) && here.len() > found.len() {
            found.clone_from(here);
        }
        find_in_value(value, at, here, found);
        here.pop();
    }
}

/// The deepest match wins: the place of a table is its header, so a parent need not enclose its children.
fn find_in_value(value: &Spanned<DeValue<'_>>, at: usize, here: &mut Vec<Step>, found: &mut Vec<Step>) {
    if touches(&value.span(), at) && here.len() > found.len() {
        found.clone_from(here);
    }
    match value.get_ref() {
        DeValue::Table(table) => find_in_table(table, at, here, found),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                here.push(Step::Index(index));
                find_in_value(item, at, here, found);
                here.pop();
            }
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

fn touches(span: &Range<usize>, at: usize) -> bool {
    span.contains(&at)
}

/// The words of the line itself, under the last header above it: for a line that is no TOML.
fn guess(text: &str, line_start: usize) -> Vec<Step> {
    let header = |line: &str| {
        let inner = line.trim().strip_prefix('[')?.trim_start_matches('[').split(']').next()?.trim();
        (!inner.is_empty()).then(|| Step::Key(inner.to_owned()))
    };
    let line = text[line_start..].lines().next().unwrap_or_default();
    if let Some(step) = header(line) {
        return vec![step];
    }
    let key = line.split(['=', '#']).next().unwrap_or_default().trim();
    let mut path: Vec<Step> = text[..line_start].lines().rev().find_map(header).into_iter().collect();
    if !key.is_empty() && !key.contains(char::is_whitespace) {
        path.push(Step::Key(key.to_owned()));
    }
    path
}

fn join(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    if text.is_empty() { "(top level)".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_at(text: &str, word: &str) -> Place {
        let at = text.find(word).unwrap();
        Place::of(text, &(at..at + word.len()))
    }

    #[test]
    fn names_line_column_and_the_whole_key() {
        let text = "a = 1\n[b.c]\nd = { é = [1, \"x\"] }\n[[e]]\nf = 2\n[[e]]\nf = 3\n[e.g]\nh = 4\n";
        assert_eq!(key_at(text, "a"), Place { line: 1, column: 1, key: "a".into() });
        assert_eq!(key_at(text, "\"x\""), Place { line: 3, column: 15, key: "b.c.d.é[1]".into() });
        assert_eq!(key_at(text, "d ="), Place { line: 3, column: 1, key: "b.c.d".into() });
        assert_eq!(key_at(text, "3\n"), Place { line: 7, column: 5, key: "e[1].f".into() });
        assert_eq!(key_at(text, "4\n"), Place { line: 9, column: 5, key: "e[1].g.h".into() });
        assert_eq!(Place::of("", &(0..0)), Place { line: 1, column: 1, key: "(top level)".into() });
    }

    #[test]
    fn names_the_key_of_a_line_that_is_no_toml() {
        let text = "[gateway]\nthreads = = 4\n";
        assert_eq!(key_at(text, "= 4"), Place { line: 2, column: 11, key: "gateway.threads".into() });
        let place = key_at("[gateway\nx = 1", "\n");
        assert_eq!((place.line, place.key.as_str()), (1, "gateway"));
    }

    #[test]
    fn survives_any_offset() {
        let text = "ä = [1,\n[b";
        for at in 0..text.len() + 3 {
            assert!(Place::of(text, &(at..at)).line >= 1);
        }
    }
}
