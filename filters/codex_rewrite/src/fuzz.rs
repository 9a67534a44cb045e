//! What has to hold for every input, one function for each fuzz target in `fuzz/`. Tests replay the corpora there through the same functions.

pub use crate::request::fuzz::request;
pub use crate::response::fuzz::{chat, events};

#[cfg(test)]
mod tests {
    use pooler_filter::testing::replay;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

    #[test]
    fn the_corpus_of_requests_holds() {
        replay(format!("{CORPUS}/request"), super::request);
    }

    #[test]
    fn the_corpus_of_events_holds() {
        replay(format!("{CORPUS}/events"), super::events);
    }

    #[test]
    fn the_corpus_of_chats_holds() {
        replay(format!("{CORPUS}/chat"), super::chat);
    }
}
