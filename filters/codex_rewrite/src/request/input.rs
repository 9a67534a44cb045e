//! `input`: every item is checked, and only those that a rule names are written anew (docs/v1.md, Input items).

mod audio;
mod call_ids;
mod calls;
mod chat;
mod input_audio;
mod media;
mod message;
mod origin;
mod part;
mod replay;
mod shell;
mod tools;
mod trigger;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use pooler_filter::json::{Kind, Value};
use pooler_filter::{Reject, Replayed};

pub(super) use self::audio::audio_part;
pub(super) use self::media::{file_fault, image_fault};

use self::call_ids::CallIds;
use self::calls::Payload;
pub(super) use self::media::is_image_url;
pub(super) use self::trigger::ends_with_trigger;
use super::patch::{ListPatch, Member, Patch, filled, given};
use super::splice::Splice;
use super::tools::Declared;

const PARAM: &str = "input";

/// What was found in the input.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// An image, anywhere.
    pub(super) image: bool,
    /// A file, anywhere.
    pub(super) file: bool,
    /// Ids of uploaded files, as often as they are named.
    pub(super) files: Vec<String>,
    /// The output of a tool.
    pub(super) tool_output: bool,
    /// It ends with the order to compact it.
    pub(super) trigger: bool,
    /// Something that can be compacted: text, an image, audio, an uploaded file.
    visible: bool,
    /// A reference to an item of an earlier response.
    reference: bool,
}

/// The input after its walk.
#[derive(Default)]
pub(super) struct Input<'a> {
    /// The new list, or none when the client's goes as it is. The upstream always gets a list.
    pub(super) edited: Option<Bytes>,
    /// Texts for the instructions, in input order; all of them strings.
    pub(super) lifted: Vec<Value<'a>>,
    /// What was found on the way.
    pub(super) found: Found,
    /// Tools that the input declares.
    pub(super) declared: Declared,
    /// Items that only the account that issued them can read, in their order, with their places in the list as it goes upstream.
    pub(super) replayed: Vec<Replayed>,
    /// Where the order to compact stands in the list, if there is one.
    pub(super) trigger: Option<Range<usize>>,
    /// Where the items with tools end that the list begins with, in bytes of the list; 0 when it begins with another item.
    pub(super) lead: usize,
    /// The first image or file of a format that is not taken: refused only after all other members were checked.
    pub(super) media: Option<Reject>,
    /// The same for audio, which is looked at last.
    pub(super) audio: Option<Reject>,
}

impl<'a> Input<'a> {
    /// Checks and rewrites the member. `continued`: the request names the response that it continues.
    pub(super) fn of(value: Option<Value<'a>>, continued: bool) -> Result<Self, Reject> {
        let Some(value) = value else {
            return Ok(Self { edited: Some(Bytes::from_static(b"[]")), ..Self::default() });
        };
        match value.kind() {
            Kind::String => Ok(Self { edited: Some(one_user_message(value)), ..Self::default() }),
            Kind::Array if !value.is_empty() => Walk::over(value, continued),
            Kind::Array => Err(bad("input must be a non-empty string or array")),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Object => Err(bad("input must be a string or array")),
        }
    }
}

fn one_user_message(text: Value<'_>) -> Bytes {
    let mut out = Splice::default();
    out.lit(r#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"#).raw(text).lit("}]}]");
    out.join()
}

/// Why an item is marked.
enum Mark {
    /// It is the order to compact.
    Trigger,
    /// It has tools, and so has everything before it.
    Lead,
    /// It is reasoning with content of this digest.
    Reasoning([u8; 32]),
    /// It is a compaction with content of this digest.
    Compaction([u8; 32]),
}

/// The walk over the items.
struct Walk<'a> {
    list: ListPatch<'a>,
    /// Why the marked items of the list are marked, in their order.
    marks: Vec<Mark>,
    /// How many items with tools the list begins with.
    leading: usize,
    lifted: Vec<Value<'a>>,
    found: Found,
    declared: Declared,
    media: Option<Reject>,
    audio: Option<Reject>,
    ids: CallIds<'a>,
    /// Ids of custom calls that chat messages made: their outputs come as messages too, which do not tell the kind.
    custom: HashSet<Cow<'a, str>>,
    continued: bool,
}

impl<'a> Walk<'a> {
    fn over(array: Value<'a>, continued: bool) -> Result<Input<'a>, Reject> {
        let mut walk = Self {
            list: ListPatch::new(array),
            marks: Vec::new(),
            leading: 0,
            lifted: Vec::new(),
            found: Found::default(),
            declared: Declared::default(),
            media: None,
            audio: None,
            ids: CallIds::default(),
            custom: HashSet::new(),
            continued,
        };
        for (at, item) in array.items().enumerate() {
            walk.item(at, item)?;
            walk.ids.next();
        }
        if walk.found.reference && !walk.found.tool_output {
            return Err(not_translatable());
        }
        Ok(walk.finish())
    }

    fn finish(self) -> Input<'a> {
        let (mut lead, mut trigger, mut replayed) = (0, None, Vec::new());
        for (mark, place) in self.marks.into_iter().zip(self.list.places()) {
            match mark {
                Mark::Trigger => trigger = Some(place),
                Mark::Lead => lead = place.end,
                Mark::Reasoning(digest) => replayed.push(Replayed { digest, place: Some(place) }),
                Mark::Compaction(digest) => replayed.push(Replayed { digest, place: None }),
            }
        }
        Input {
            edited: self.list.finish().map(Splice::join),
            lifted: self.lifted,
            found: self.found,
            declared: self.declared,
            replayed,
            trigger,
            lead,
            media: self.media,
            audio: self.audio,
        }
    }

    fn item(&mut self, at: usize, item: Value<'a>) -> Result<(), Reject> {
        if self.found.trigger {
            return Err(trigger::misplaced());
        }
        if self.plain_message(item) {
            return Ok(());
        }
        let Some(kind) = item.get("type").filter(|kind| !kind.is_null()) else {
            return if item.get("role").is_some() { self.message(item) } else { Err(not_translatable()) };
        };
        match kind.as_str().unwrap_or_default().as_ref() {
            "message" => self.message(item),
            "function_call" => self.call(item, Payload::Arguments),
            "custom_tool_call" => self.call(item, Payload::Input),
            "function_call_output" => self.call_output(item, "function_call_output requires output"),
            "custom_tool_call_output" => self.call_output(item, "custom_tool_call_output requires output"),
            "reasoning" => self.reasoning(item),
            "item_reference" => self.item_reference(item),
            "compaction" | "compaction_summary" => self.compaction(item),
            "compaction_trigger" => self.trigger(item),
            "shell_call" => self.shell_call(item),
            "shell_call_output" => self.shell_call_output(item),
            "program" => self.program(item),
            "program_output" => self.program_output(item),
            "additional_tools" => self.additional_tools(at, item),
            "input_file" => {
                let edited = self.file(item)?;
                self.list.keep_or_put(item, edited);
                Ok(())
            }
            "web_search_call" | "image_generation_call" | "tool_search_call" | "local_shell_call" => {
                self.list.keep(item);
                Ok(())
            }
            "tool_search_output" | "local_shell_call_output" => {
                self.found.tool_output = true;
                self.list.keep(item);
                Ok(())
            }
            _ => Err(not_translatable()),
        }
    }
}

/// Takes an item's id out unless it is one that the upstream knows. `call_id`: that of the item, as it goes upstream.
fn fix_id(patch: &mut Patch<'_>, item: Value<'_>, id: Option<Member<'_>>, call_id: Option<&str>) {
    if !filled(given(id)).is_some_and(|text| is_item_id(&text) && !is_made(item, &text, call_id)) {
        patch.drop(id);
    }
}

/// Whether an id is one that our answers give to items without: that of the call, or type and place (docs/v1.md, Normalisation).
fn is_made(item: Value<'_>, id: &str, call_id: Option<&str>) -> bool {
    let kind = item.get("type").and_then(|kind| kind.as_str());
    let place = id.strip_prefix(kind.as_deref().unwrap_or("message")).and_then(|rest| rest.strip_prefix('_'));
    let placed = place.is_some_and(|place| !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit()));
    placed || (call_id == Some(id) && !origin::is_of_answer(id))
}

/// Whether an id has the form `<prefix>_<suffix>`: the upstream knows no others.
fn is_item_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(prefix, suffix)| {
        !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !suffix.is_empty()
    })
}

/// Refuses the one reserved member of the metadata that Codex puts on items.
fn check_passthrough(passthrough: Option<Member<'_>>) -> Result<(), Reject> {
    match given(passthrough).and_then(|value| value.get("executed_tool_calls")) {
        Some(_) => Err(bad("executed_tool_calls is reserved")),
        None => Ok(()),
    }
}

fn bad(message: impl Into<Cow<'static, str>>) -> Reject {
    Reject::invalid(message).at(PARAM)
}

fn not_translatable() -> Reject {
    bad("input item shape is not translatable")
}
