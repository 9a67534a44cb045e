//! What has to hold for every input, one function for each fuzz target in `fuzz/`. Tests replay the corpora there through the same functions.

mod json;
mod sse;

pub use self::json::json;
pub use self::sse::sse;

#[cfg(test)]
pub(crate) use self::{
    json::same,
    sse::{check, framed},
};

#[cfg(test)]
mod tests {
    use crate::testing::replay;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

    #[test]
    fn the_corpus_of_json_holds() {
        replay(format!("{CORPUS}/json"), super::json);
    }

    #[test]
    fn the_corpus_of_sse_holds() {
        replay(format!("{CORPUS}/sse"), super::sse);
    }
}
