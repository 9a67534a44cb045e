//! Call ids that clients lost: a call without one gets the id of its item, an output without one gets the id of the call it belongs to
//! (docs/v1.md, Input items).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::mem;

/// What an item is to the one after it.
#[derive(Debug, Default)]
enum Item<'a> {
    /// No call.
    #[default]
    Other,
    /// A call with a call id of its own.
    Own(Cow<'a, str>),
    /// A call that was given one.
    Repaired,
}

/// The call ids seen so far, as far as outputs without one need them.
#[derive(Debug, Default)]
pub(super) struct CallIds<'a> {
    before: Item<'a>,
    current: Item<'a>,
    /// Ids that were given to calls of the last run of calls and that no output took yet. Outputs of calls made at once come in the
    /// order of the calls.
    run: VecDeque<Cow<'a, str>>,
    /// The same of the runs before.
    earlier: VecDeque<Cow<'a, str>>,
}

impl<'a> CallIds<'a> {
    /// The current item is a call with an id of its own.
    pub(super) fn own(&mut self, id: Cow<'a, str>) {
        self.begin();
        self.current = Item::Own(id);
    }

    /// The current item is a call that is given this id.
    pub(super) fn repaired(&mut self, id: Cow<'a, str>) {
        self.begin();
        self.run.push_back(id);
        self.current = Item::Repaired;
    }

    /// The id for an output that has none: that of the call right before it, else of the first call that was given one and still waits.
    pub(super) fn take(&mut self) -> Option<Cow<'a, str>> {
        match mem::take(&mut self.before) {
            Item::Own(id) => Some(id),
            Item::Repaired | Item::Other => self.run.pop_front().or_else(|| self.earlier.pop_front()),
        }
    }

    /// The current item is done.
    pub(super) fn next(&mut self) {
        self.before = mem::take(&mut self.current);
    }

    fn begin(&mut self) {
        if matches!(self.before, Item::Other) {
            self.earlier.append(&mut self.run);
        }
    }
}
