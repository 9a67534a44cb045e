//! Pages of models of an upstream that may send anything.

use super::entry;
use crate::store::records::CatalogSource;

/// The body of an answer.
///
/// # Panics
/// When a property does not hold.
pub fn catalog(input: &[u8]) {
    let Ok(page) = entry::read(input) else { return };
    assert!((1..=CatalogSource::MAX_MODELS).contains(&page.models.len()));
    for (at, model) in page.models.iter().enumerate() {
        assert!((1..=96).contains(&model.slug.len()) && !model.slug.contains(['/', '\\', ' ', '\n']));
        assert!(page.models[..at].iter().all(|other| other.slug != model.slug), "a name comes once");
        assert!(model.display_name.as_ref().is_none_or(|name| (1..=96).contains(&name.len())));
        for words in [&model.input_modalities, &model.service_tiers].into_iter().flatten() {
            assert!(words.len() <= 8 && words.iter().all(|word| (1..=24).contains(&word.len())));
        }
        assert!(model.entry.as_ref().is_none_or(|entry| entry.text.len() <= 256 << 10));
    }
    assert_eq!(entry::read(input), Ok(page));
}
