//! Finding a key that an object names twice.

use std::borrow::Cow;

use super::super::{Key, Value};

/// How much of a duplicate key's name an error repeats, in characters.
pub(super) const NAME_SHOWN: usize = 64;

/// Up to how many keys are compared with each other to find duplicates; more are sorted.
pub(super) const COMPARED_KEYS: usize = 16;

/// The name of a key that comes twice, cut to a length that can be shown.
pub(super) fn duplicate_key(object: Value<'_>) -> Option<String> {
    let twice = if object.len() <= COMPARED_KEYS { compared(object) } else { sorted(object) };
    Some(twice?.chars().take(NAME_SHOWN).collect())
}

/// Every key against all before it: nothing is allocated, which is what counts for the many small objects.
fn compared(object: Value<'_>) -> Option<Cow<'_, str>> {
    let mut seen = [Key::new(b"", false); COMPARED_KEYS];
    for (at, (key, _)) in object.entries().enumerate() {
        if seen.iter().take(at).any(|before| before.same(key)) {
            return Some(key.as_str());
        }
        if let Some(place) = seen.get_mut(at) {
            *place = key;
        }
    }
    None
}

fn sorted(object: Value<'_>) -> Option<Cow<'_, str>> {
    let mut names: Vec<_> = object.entries().map(|(key, _)| key.as_str()).collect();
    names.sort_unstable();
    let place = names.windows(2).position(|pair| matches!(pair, [first, second] if first == second))?;
    Some(names.swap_remove(place))
}
