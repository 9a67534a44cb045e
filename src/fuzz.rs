//! What has to hold for every input, one function for each fuzz target in `fuzz/`. Tests replay the corpora there through the same functions.

pub use crate::catalog::fuzz::catalog;
pub use crate::client::fuzz::answer;
pub use crate::config::fuzz::config;
pub use crate::proxy::fuzz::{form, head, websocket};
pub use crate::secrets::fuzz::key;
pub use crate::store::fuzz::codec;

#[cfg(test)]
mod tests {
    use pooler_filter::testing::replay;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

    #[test]
    fn the_corpus_of_heads_holds() {
        replay(format!("{CORPUS}/head"), super::head);
    }

    #[test]
    fn the_corpus_of_answers_holds() {
        replay(format!("{CORPUS}/answer"), super::answer);
    }

    #[test]
    fn the_corpus_of_forms_holds() {
        replay(format!("{CORPUS}/form"), super::form);
    }

    #[test]
    fn the_corpus_of_websockets_holds() {
        replay(format!("{CORPUS}/websocket"), super::websocket);
    }

    #[test]
    fn the_corpus_of_the_codec_holds() {
        replay(format!("{CORPUS}/codec"), super::codec);
    }

    #[test]
    fn the_corpus_of_keys_holds() {
        replay(format!("{CORPUS}/key"), super::key);
    }

    #[test]
    fn the_corpus_of_configurations_holds() {
        replay(format!("{CORPUS}/config"), super::config);
    }

    #[test]
    fn the_corpus_of_catalogs_holds() {
        replay(format!("{CORPUS}/catalog"), super::catalog);
    }
}
