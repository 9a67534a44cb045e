//! `input` of a native request: it is looked through, not judged, and passes as it is but for reasoning that nobody could read
//! (docs/decisions.md, T19 and S18).

use bytes::Bytes;
use pooler_filter::Replayed;
use pooler_filter::json::{Json, Kind, Value};
use sha2::{Digest, Sha256};

use super::super::patch::{ListPatch, filled};
use super::super::splice::Splice;

/// How an uploaded file is named where a URL may stand.
const FILE_URL: &str = "sediment://";

/// What was found in the input.
#[derive(Default)]
pub(super) struct Input {
    /// The new list, or none when the client's goes as it is.
    pub(super) edited: Option<Bytes>,
    /// A file, anywhere.
    pub(super) file: bool,
    /// Something that its text does not show: an image, a file, the output of a tool.
    pub(super) opaque: bool,
    /// Ids of uploaded files, each once.
    pub(super) files: Vec<String>,
    /// Items that only the account that issued them can read.
    pub(super) replayed: Vec<Replayed>,
}

impl Input {
    /// Looks through the list. `continued`: the request names the response that it continues, so reasoning may be known by its id.
    pub(super) fn of(list: Value<'_>, continued: bool) -> Self {
        let unreadable = |item: &Value<'_>| !continued && is(item, "reasoning") && content(item).is_none();
        let mut found = Self::default();
        if list.items().any(|item| unreadable(&item)) {
            let mut patch = ListPatch::new(list);
            for item in list.items() {
                if unreadable(&item) { patch.leave_out() } else { patch.keep(item) }
            }
            found.edited = patch.finish().map(Splice::join);
        }
        // Places are those in the list as it goes upstream.
        let edited = found.edited.clone().and_then(|text| Json::parse(text).ok());
        let list = edited.as_ref().map_or(list, Json::root);
        for item in list.items() {
            found.note(item, list);
        }
        found
    }

    fn note(&mut self, item: Value<'_>, list: Value<'_>) {
        match kind(&item).as_str() {
            // Also when a response is continued: that can be one of another account than the items, such as a warm-up.
            "reasoning" => {
                if let Some(digest) = content(&item) {
                    self.replayed.push(Replayed { digest, place: item.place_in(&list) });
                }
            }
            "compaction" | "compaction_summary" => {
                self.replayed.extend(content(&item).map(|digest| Replayed { digest, place: None }));
            }
            other => {
                self.opaque |= is_tool_output(other);
                let parts = ["content", "output"].into_iter().filter_map(|name| item.get(name));
                parts.flat_map(|parts| parts.items()).for_each(|part| self.part(part));
            }
        }
    }

    fn part(&mut self, part: Value<'_>) {
        let (image, file) = (is(&part, "input_image"), is(&part, "input_file"));
        self.opaque |= image || file;
        self.file |= file;
        let named = part.get("file_id").and_then(|id| id.as_str()).filter(|_| image || file);
        let url = ["image_url", "file_url"].into_iter().find_map(|name| part.get(name)?.as_str());
        let url = url.and_then(|url| url.strip_prefix(FILE_URL).map(str::to_owned));
        for id in named.map(Into::into).into_iter().chain(url) {
            if !self.files.contains(&id) {
                self.files.push(id);
            }
        }
    }
}

/// Whether an item of the list is what a tool gave.
pub(super) fn has_tool_output(list: Value<'_>) -> bool {
    list.items().any(|item| is_tool_output(&kind(&item)))
}

fn is_tool_output(kind: &str) -> bool {
    kind.ends_with("_output")
}

fn kind(item: &Value<'_>) -> String {
    item.get("type").and_then(|kind| kind.as_str()).unwrap_or_default().into_owned()
}

/// Whether an item or a part is of this type.
pub(super) fn is(item: &Value<'_>, kind: &str) -> bool {
    item.kind() == Kind::Object && item.get("type").is_some_and(|given| given.is_str(kind))
}

/// What an item with `encrypted_content` is known by.
fn content(item: &Value<'_>) -> Option<[u8; 32]> {
    Some(Sha256::digest(filled(item.get("encrypted_content"))?.as_bytes()).into())
}
