//! Decides what the model does with a turn: reasoning first when asked for, then text, a structured text or a call.

use serde_json::{Value, json};

use super::check::{Choice, Tool, ToolKind, Turn};
use super::dice::Dice;
use super::prose;
use super::schema;

const REASONING_FILLER: usize = 240;

/// One output item before it has an id.
#[derive(Debug)]
pub(super) enum Output {
    /// Sealed bytes and, when asked for, a summary.
    Reasoning { filler: Vec<u8>, summary: Option<&'static str> },
    /// The text in the deltas it comes in.
    Text(Vec<String>),
    /// A function call with its arguments as JSON text.
    Function { name: String, namespace: Option<String>, arguments: String },
    /// A call of a custom tool.
    Custom { name: String, namespace: Option<String>, input: String },
}

/// The output of a turn, in order. `deltas` asks for a number of text deltas.
pub(super) fn outputs(turn: &Turn, dice: &mut Dice, deltas: Option<usize>) -> Vec<Output> {
    let mut out = Vec::new();
    if thinks(turn) {
        let summary = turn.reasoning("summary").map(|_| prose::summary(dice));
        out.push(Output::Reasoning { filler: dice.bytes(REASONING_FILLER), summary });
    }
    let answered = has_new_output(turn);
    let call = if answered { None } else { wanted_tool(turn, dice) };
    out.push(match call {
        Some(tool) => call_of(tool, dice),
        None => Output::Text(text(turn, answered, dice, deltas)),
    });
    out
}

fn thinks(turn: &Turn) -> bool {
    let effort = turn.reasoning("effort").and_then(Value::as_str);
    effort.is_some_and(|effort| effort != "none") || turn.includes("reasoning.encrypted_content")
}

/// Whether a tool output came after the last word of the user.
fn has_new_output(turn: &Turn) -> bool {
    let last = |test: &dyn Fn(&Value) -> bool| turn.items().iter().rposition(test);
    let output = last(&|item| {
        item["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output") || kind == "tool_search_output")
    });
    output.is_some() && output > last(&|item| item["role"] == "user")
}

fn wanted_tool<'a>(turn: &'a Turn, dice: &mut Dice) -> Option<&'a Tool> {
    match &turn.choice {
        Choice::Never => None,
        Choice::Forced(among) => dice.pick(among).and_then(|index| turn.tools.get(*index)),
        Choice::Auto(among) => {
            let said = last_words(turn).to_lowercase();
            let tools = || among.iter().filter_map(|index| turn.tools.get(*index));
            let named = tools().find(|tool| mentions(&said, &tool.name.to_lowercase()));
            named.or_else(|| tools().next().filter(|_| mentions(&said, "tool") || mentions(&said, "tools")))
        }
    }
}

/// The text of the last user message.
fn last_words(turn: &Turn) -> String {
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

fn call_of(tool: &Tool, dice: &mut Dice) -> Output {
    let (name, namespace) = (tool.name.clone(), tool.namespace.clone());
    match &tool.kind {
        ToolKind::Function(parameters) => {
            let arguments = if parameters.is_null() { json!({}) } else { arguments(parameters, dice) };
            Output::Function { name, namespace, arguments: arguments.to_string() }
        }
        ToolKind::Custom(grammar) => {
            let input = match grammar {
                Some(expression) => schema::matching(expression, dice),
                None if name == "apply_patch" => {
                    "*** Begin Patch\n*** Add File: simulated.txt\n+hello\n*** End Patch\n".to_owned()
                }
                None => format!("hello {}", dice.below(1_000)),
            };
            Output::Custom { name, namespace, input }
        }
    }
}

/// Arguments are an object, also where the schema does not say so.
fn arguments(parameters: &Value, dice: &mut Dice) -> Value {
    let made = schema::satisfy(parameters, dice);
    if made.is_object() { made } else { json!({}) }
}

/// A value of the schema of a format; one that says nothing about the type means an object.
fn structured(schema: &Value, dice: &mut Dice) -> Value {
    let silent =
        ["type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"].iter().all(|key| schema.get(key).is_none());
    if silent { arguments(schema, dice) } else { schema::satisfy(schema, dice) }
}

fn text(turn: &Turn, answered: bool, dice: &mut Dice, deltas: Option<usize>) -> Vec<String> {
    let format = turn.get("text").and_then(|text| text.get("format"));
    let value = match format.and_then(|format| format["type"].as_str()) {
        Some("json_schema") => format.map(|format| structured(&format["schema"], dice).to_string()),
        Some("json_object") => Some(json!({"answer": prose::answer(answered, dice), "ok": true}).to_string()),
        _ => None,
    };
    match (value, deltas) {
        (Some(text), Some(count)) => prose::split_into(&text, count),
        (Some(text), None) => prose::split_into(&text, text.chars().count().div_ceil(8)),
        (None, Some(count)) => prose::deltas(count.max(1), dice),
        (None, None) => prose::split(&prose::answer(answered, dice)),
    }
}
