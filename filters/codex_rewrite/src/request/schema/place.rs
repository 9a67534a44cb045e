//! Places in a schema and what is wrong there, in the words that clients of OpenAI's API know.

use std::fmt;

use pooler_filter::json::Key;

use super::shown;

/// How many steps of a place an error tells: the first ones.
const STEPS_SHOWN: usize = 24;

/// A place below the root: the last step to it, and the place that the step was taken from. None stands for the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) up: Option<&'p Self>,
    pub(super) step: Step<'p>,
}

/// A step down into a schema.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'p> {
    Keyword(&'static str),
    Name(Key<'p>),
    Item(usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(word) => write!(f, "'{word}'"),
            Self::Name(key) => write!(f, "'{}'", shown(&key.as_str())),
            Self::Item(at) => write!(f, "'{at}'"),
        }
    }
}

/// What is wrong with a schema, and where.
#[derive(Debug)]
pub(super) struct Flaw(String);

impl Flaw {
    /// The flaw at a place; the reason stands without a full stop.
    pub(super) fn at(place: Option<&Place<'_>>, reason: impl fmt::Display) -> Self {
        let mut steps = Vec::new();
        let mut next = place;
        while let Some(place) = next {
            steps.push(place.step);
            next = place.up;
        }
        let cut = if steps.len() > STEPS_SHOWN { ", ..." } else { "" };
        let mut shown: Vec<String> = steps.iter().rev().take(STEPS_SHOWN).map(Step::to_string).collect();
        if let [only] = shown.as_mut_slice() {
            only.push(',');
        }
        Self(format!("In context=({}{cut}), {reason}.", shown.join(", ")))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
