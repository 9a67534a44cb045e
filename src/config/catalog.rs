//! The models that are offered when the configuration names none, as long as no account has told which it has.

use super::settings::Model;

/// One that takes requests in the full form and that every plan has.
const LISTED: &[(&str, &str)] = &[("gpt-5.5", "GPT-5.5")];

pub(super) fn default_models() -> Vec<Model> {
    let model = |(id, name): &(&str, &str)| Model {
        id: (*id).to_owned(),
        display_name: Some((*name).to_owned()),
        fallback: true,
        ..Model::default()
    };
    LISTED.iter().map(model).collect()
}
