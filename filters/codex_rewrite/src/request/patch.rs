//! Edits of one object or array of the request: what is not edited keeps its text, and nothing is written while nothing changed.

use std::borrow::Cow;
use std::ops::Range;

use pooler_filter::json::{Key, Kind, Value};

use super::splice::Splice;

/// How much of a key's name an error repeats, in characters.
const NAME_SHOWN: usize = 128;

/// One member of an object that was read by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    /// Its place among the members.
    at: usize,
    /// Its value.
    pub(super) value: Value<'a>,
}

/// Why an object could not be read by a closed list of names.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is no object.
    NotAnObject,
    /// It has a key beyond the list, or one of the list twice.
    Key(String),
}

/// Reads an object whose keys are all on the list, each at most once; the members come in the order of the list.
pub(super) fn read<'a, const N: usize>(
    object: Value<'a>,
    names: &[&str; N],
) -> Result<[Option<Member<'a>>; N], Unread> {
    scan(object, names, |key, _| Err(Unread::Key(shown(key))))
}

/// Reads an object by a list of names, each at most once, and gives the members that are not on the list after those that are.
pub(super) fn read_open<'a, const N: usize>(
    object: Value<'a>,
    names: &[&str; N],
) -> Result<([Option<Member<'a>>; N], Vec<Member<'a>>), Unread> {
    let mut unlisted = Vec::new();
    let found = scan(object, names, |_, member| {
        unlisted.push(member);
        Ok(())
    })?;
    Ok((found, unlisted))
}

/// Reads the members on the list, each at most once, whatever else is there. None when it is no object or has one of them twice.
pub(super) fn read_some<'a, const N: usize>(object: Value<'a>, names: &[&str; N]) -> Option<[Option<Value<'a>>; N]> {
    Some(scan(object, names, |_, _| Ok(())).ok()?.map(given))
}

fn scan<'a, const N: usize>(
    object: Value<'a>,
    names: &[&str; N],
    mut unlisted: impl FnMut(Key<'a>, Member<'a>) -> Result<(), Unread>,
) -> Result<[Option<Member<'a>>; N], Unread> {
    if object.kind() != Kind::Object {
        return Err(Unread::NotAnObject);
    }
    let mut found = [None; N];
    for (at, (key, value)) in object.entries().enumerate() {
        let member = Member { at, value };
        match names.iter().position(|name| key.is(name)).and_then(|place| found.get_mut(place)) {
            Some(slot @ None) => *slot = Some(member),
            Some(Some(_)) => return Err(Unread::Key(shown(key))),
            None => unlisted(key, member)?,
        }
    }
    Ok(found)
}

/// The members of an object in their order, whatever their names.
pub(super) fn members<'a>(object: Value<'a>) -> impl Iterator<Item = (Key<'a>, Member<'a>)> {
    object.entries().enumerate().map(|(at, (key, value))| (key, Member { at, value }))
}

/// The name of a key as an error may repeat it: whole, unless it is longer than any name of ours.
pub(super) fn shown(key: Key<'_>) -> String {
    key.as_str().chars().take(NAME_SHOWN).collect()
}

/// The member's value, unless it is absent or null.
pub(super) fn given(member: Option<Member<'_>>) -> Option<Value<'_>> {
    member.map(|member| member.value).filter(|value| !value.is_null())
}

/// The text of a member that is a string with something else than white space in it.
pub(super) fn filled(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    value?.as_str().filter(|text| !text.trim().is_empty())
}

/// The edits of one object.
pub(super) struct Patch<'a> {
    object: Value<'a>,
    /// By place of the member: its new value, or none when it goes.
    changes: Vec<(usize, Option<Splice>)>,
    added: Vec<(&'static str, Splice)>,
}

impl<'a> Patch<'a> {
    pub(super) const fn new(object: Value<'a>) -> Self {
        Self { object, changes: Vec::new(), added: Vec::new() }
    }

    /// The object without the members that are null.
    pub(super) fn without_nulls(object: Value<'a>) -> Self {
        let mut patch = Self::new(object);
        for (_, member) in members(object) {
            patch.drop_null(Some(member));
        }
        patch
    }

    /// Takes the member out, if it is there. A member is taken out or set once.
    pub(super) fn drop(&mut self, member: Option<Member<'_>>) {
        if let Some(member) = member {
            self.changes.push((member.at, None));
        }
    }

    /// Takes the member out, if it is null.
    pub(super) fn drop_null(&mut self, member: Option<Member<'_>>) {
        self.drop(member.filter(|member| member.value.is_null()));
    }

    /// Gives a member that is there a new value.
    pub(super) fn replace(&mut self, member: Member<'_>, value: Splice) {
        self.changes.push((member.at, Some(value)));
    }

    /// Gives the member a new value, in its place if it has one.
    pub(super) fn set(&mut self, name: &'static str, member: Option<Member<'_>>, value: Splice) {
        match member {
            Some(member) => self.changes.push((member.at, Some(value))),
            None => self.added.push((name, value)),
        }
    }

    /// The same for a string; a member that says so already stays as it is.
    pub(super) fn set_str(&mut self, name: &'static str, member: Option<Member<'_>>, text: &str) {
        if !member.is_some_and(|member| member.value.is_str(text)) {
            let mut value = Splice::default();
            value.text(text);
            self.set(name, member, value);
        }
    }

    /// The edited object, or none when nothing was edited.
    pub(super) fn finish(mut self) -> Option<Splice> {
        if self.changes.is_empty() && self.added.is_empty() {
            return None;
        }
        self.changes.sort_by_key(|(at, _)| *at);
        let mut changes = self.changes.into_iter().peekable();
        let mut out = Splice::default();
        let mut separator = "{";
        for (at, (key, value)) in self.object.entries().enumerate() {
            match changes.next_if(|(place, _)| *place == at) {
                Some((_, None)) => continue,
                Some((_, Some(changed))) => out.lit(separator).key(key).splice(changed),
                None => out.lit(separator).key(key).raw(value),
            };
            separator = ",";
        }
        for (name, value) in self.added {
            out.lit(separator).text(name).lit(":").splice(value);
            separator = ",";
        }
        out.lit(if separator == "{" { "{}" } else { "}" });
        Some(out)
    }
}

/// The edits of one array. Every item is kept, dropped or replaced, in order.
pub(super) struct ListPatch<'a> {
    array: Value<'a>,
    /// Items that were kept before the first edit.
    kept: usize,
    /// Those of them that are to be found again.
    marked: Vec<usize>,
    /// The new list from the first edit on, without its brackets.
    out: Option<List>,
}

#[derive(Default)]
struct List {
    text: Splice,
    len: usize,
    /// Where the last item begins.
    last: usize,
    /// Where the marked items stand.
    marked: Vec<Range<usize>>,
}

impl List {
    fn next(&mut self) -> &mut Splice {
        if self.len > 0 {
            self.text.lit(",");
        }
        self.len += 1;
        self.last = self.text.len();
        &mut self.text
    }

    fn mark_last(&mut self) {
        self.marked.push(self.last..self.text.len());
    }
}

impl<'a> ListPatch<'a> {
    pub(super) const fn new(array: Value<'a>) -> Self {
        Self { array, kept: 0, marked: Vec::new(), out: None }
    }

    /// Keeps the next item as it is.
    pub(super) fn keep(&mut self, item: Value<'_>) {
        match &mut self.out {
            Some(list) => {
                list.next().raw(item);
            }
            None => self.kept += 1,
        }
    }

    /// Leaves the next item out.
    pub(super) fn leave_out(&mut self) {
        self.edit();
    }

    /// Puts something into the new list: in place of the next item, or beside others that replace it.
    pub(super) fn put(&mut self, item: Splice) {
        self.edit().next().splice(item);
    }

    /// Keeps the item, or takes its edited form.
    pub(super) fn keep_or_put(&mut self, item: Value<'_>, edited: Option<Splice>) {
        match edited {
            Some(edited) => self.put(edited),
            None => self.keep(item),
        }
    }

    /// Marks the item that was added last, to be found again.
    pub(super) fn mark_last(&mut self) {
        match &mut self.out {
            Some(list) => list.mark_last(),
            None => self.marked.extend(self.kept.checked_sub(1)),
        }
    }

    /// Where the marked items stand in the list as it will be written, in bytes, without the commas around them.
    pub(super) fn places(&self) -> Vec<Range<usize>> {
        match &self.out {
            Some(list) => list.marked.iter().map(|place| place.start + 1..place.end + 1).collect(),
            None => {
                let start = self.array.raw_bytes().as_ptr().addr();
                let mut marked = self.marked.iter().peekable();
                let items = self.array.items().enumerate();
                let found = items.filter(|(at, _)| marked.next_if_eq(&at).is_some()).map(|(_, item)| {
                    let text = item.raw_bytes();
                    let begin = text.as_ptr().addr().saturating_sub(start);
                    begin..begin + text.len()
                });
                found.collect()
            }
        }
    }

    /// How many items the list has by now.
    pub(super) fn len(&self) -> usize {
        self.out.as_ref().map_or(self.kept, |list| list.len)
    }

    /// The edited list, or none when nothing was edited.
    pub(super) fn finish(self) -> Option<Splice> {
        let list = self.out?;
        let mut out = Splice::default();
        out.lit("[").splice(list.text).lit("]");
        Some(out)
    }

    fn edit(&mut self) -> &mut List {
        let (array, kept, marked) = (self.array, self.kept, &self.marked);
        self.out.get_or_insert_with(|| {
            let mut list = List::default();
            let mut marked = marked.iter().peekable();
            for (at, item) in array.items().take(kept).enumerate() {
                list.next().raw(item);
                if marked.next_if_eq(&&at).is_some() {
                    list.mark_last();
                }
            }
            list
        })
    }
}
