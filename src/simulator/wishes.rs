//! What a turn asks for: by its tool choice, by orders, by a few words in what the user said last.

use serde::Deserialize;
use serde_json::Value;

use super::check::{Choice, Tool, Turn};
use super::dice::Dice;

/// Calls at once, at most.
const PARALLEL: usize = 4;

/// An answer that can be ordered, see [`Fault::Answer`](super::Fault::Answer). One that needs a tool which the request does
/// not declare is not given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Manner {
    /// Text, whatever tools there are.
    Text,
    /// A refusal of the model.
    Refusal,
    /// Text with `url_citation` annotations.
    Citations,
    /// A `web_search_call`, then text with citations.
    WebSearch,
    /// An `image_generation_call`, then text.
    Image,
    /// A call of the first tool.
    Call,
    /// Calls of all tools, at least two.
    ParallelCalls,
    /// A call of one tool with just this input.
    CallOf {
        /// Name of the tool, without its namespace.
        tool: String,
        /// The arguments of a function as JSON text, or what a custom tool takes; passed as it is.
        input: String,
    },
}

/// What the answer is.
#[derive(Debug)]
pub(super) enum Wish<'a> {
    Text,
    Refusal,
    Citations,
    WebSearch,
    Picture { alone: bool },
    Shell { local: bool },
    ToolSearch,
    Calls(Vec<&'a Tool>),
    CallOf { tool: &'a Tool, input: &'a str },
}

/// Decides. `answered` says that the user is waiting for words about the output of a tool.
pub(super) fn of<'a>(turn: &'a Turn, answered: bool, manner: Option<&'a Manner>, dice: &mut Dice) -> Wish<'a> {
    let said = last_words(turn).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| mentions(&said, word));
    if let Some(wish) = manner.and_then(|manner| ordered(turn, manner)) {
        return wish;
    }
    let parallel = says(&["parallel"]) && turn.get("parallel_tool_calls") != Some(&Value::Bool(false));
    match &turn.choice {
        Choice::Auto(among) if answered => {
            next_named(turn, among, &said).map_or(Wish::Text, |tool| Wish::Calls(vec![tool]))
        }
        _ if answered => Wish::Text,
        Choice::Hosted(kind) => hosted(kind, true).unwrap_or(Wish::Text),
        Choice::Forced(among) if parallel => calls(turn, among),
        Choice::Forced(among) => match dice.pick(among).and_then(|index| turn.tools.get(*index)) {
            Some(tool) => Wish::Calls(vec![tool]),
            None => turn.hosted_kinds().find_map(|kind| hosted(kind, true)).unwrap_or(Wish::Text),
        },
        Choice::Auto(among) => {
            let tools = || among.iter().filter_map(|index| turn.tools.get(*index));
            if parallel && !among.is_empty() {
                return calls(turn, among);
            }
            if let Some(named) = tools().find(|tool| mentions(&said, &tool.name.to_lowercase())) {
                return Wish::Calls(vec![named]);
            }
            let words = |kind: &str| match kind {
                "web_search" => says(&["search", "web_search"]),
                "image_generation" => says(&["image", "picture", "draw"]),
                "shell" | "local_shell" => says(&["shell"]),
                kind => says(&[kind]),
            };
            if let Some(wish) = turn.hosted_kinds().filter(|kind| words(kind)).find_map(|kind| hosted(kind, false)) {
                return wish;
            }
            let any = tools().next().filter(|_| says(&["tool", "tools"]));
            any.map_or_else(|| spoken(&says), |tool| Wish::Calls(vec![tool]))
        }
        Choice::Never => spoken(&says),
    }
}

/// A text of the kind that was asked for.
fn spoken<'a>(says: &impl Fn(&[&str]) -> bool) -> Wish<'a> {
    if says(&["refuse", "refusal"]) {
        Wish::Refusal
    } else if says(&["cite", "citation", "citations"]) {
        Wish::Citations
    } else {
        Wish::Text
    }
}

fn ordered<'a>(turn: &'a Turn, manner: &'a Manner) -> Option<Wish<'a>> {
    let declares = |kind: &str| turn.hosted(kind).is_some();
    match manner {
        Manner::Text => Some(Wish::Text),
        Manner::Refusal => Some(Wish::Refusal),
        Manner::Citations => Some(Wish::Citations),
        Manner::WebSearch => declares("web_search").then_some(Wish::WebSearch),
        Manner::Image => declares("image_generation").then_some(Wish::Picture { alone: false }),
        Manner::Call => turn.tools.first().map(|tool| Wish::Calls(vec![tool])),
        Manner::ParallelCalls if turn.tools.is_empty() => None,
        Manner::ParallelCalls => Some(calls(turn, &(0..turn.tools.len()).collect::<Vec<_>>())),
        Manner::CallOf { tool, input } => {
            turn.tools.iter().find(|one| one.name == *tool).map(|tool| Wish::CallOf { tool, input })
        }
    }
}

/// What the backend does with a hosted tool; nothing for one that only shows in other calls.
fn hosted<'a>(kind: &str, forced: bool) -> Option<Wish<'a>> {
    match kind {
        "web_search" => Some(Wish::WebSearch),
        "image_generation" => Some(Wish::Picture { alone: forced }),
        "shell" => Some(Wish::Shell { local: false }),
        "local_shell" => Some(Wish::Shell { local: true }),
        "tool_search" => Some(Wish::ToolSearch),
        _ => None,
    }
}

/// Calls of these tools at once; of an only one, two.
fn calls<'a>(turn: &'a Turn, among: &[usize]) -> Wish<'a> {
    let mut tools: Vec<&Tool> = among.iter().filter_map(|index| turn.tools.get(*index)).take(PARALLEL).collect();
    if let [only] = tools[..] {
        tools.push(only);
    }
    Wish::Calls(tools)
}

/// The next of the tools that the user names which was not called since.
fn next_named<'a>(turn: &'a Turn, among: &[usize], said: &str) -> Option<&'a Tool> {
    let items = turn.items();
    let since = items.iter().rposition(|item| item["role"] == "user").map_or(0, |at| at + 1);
    let calls = items[since..].iter().filter(|item| item["type"].as_str().is_some_and(|kind| kind.ends_with("_call")));
    let called: Vec<&str> = calls.filter_map(|item| item["name"].as_str()).collect();
    let mut tools = among.iter().filter_map(|index| turn.tools.get(*index));
    tools.find(|tool| !called.contains(&tool.name.as_str()) && mentions(said, &tool.name.to_lowercase()))
}

/// Whether a tool output came after the last word of the user.
pub(super) fn has_new_output(turn: &Turn) -> bool {
    let last = |test: &dyn Fn(&Value) -> bool| turn.items().iter().rposition(test);
    let output = last(&|item| {
        item["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output") || kind == "tool_search_output")
    });
    output.is_some() && output > last(&|item| item["role"] == "user")
}

/// The text of the last user message.
pub(super) fn last_words(turn: &Turn) -> String {
    let Some(message) = turn.items().iter().rfind(|item| item["role"] == "user") else { return String::new() };
    let content = &message["content"];
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let parts = content.as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether `word` occurs in `text` and no letter or digit touches it.
fn mentions(text: &str, word: &str) -> bool {
    let touches = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !touches(text[..at].chars().next_back()) && !touches(text[at + word.len()..].chars().next()))
}
