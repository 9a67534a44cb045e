//! The output of a turn: reasoning first when asked for, then what was wished for: text, a structured text, calls, a picture.

use serde_json::{Value, json};

use super::check::{Tool, ToolKind, Turn};
use super::dice::Dice;
use super::picture::Picture;
use super::prose;
use super::schema;
use super::wishes::{self, Manner, Wish};

const REASONING_FILLER: usize = 240;

/// One output item before it has an id.
#[derive(Debug)]
pub(super) enum Output {
    /// Sealed bytes and, when asked for, a summary.
    Reasoning { filler: Vec<u8>, summary: Option<&'static str> },
    /// The text in the deltas it comes in, and the sources it names.
    Text { deltas: Vec<String>, citations: Vec<Citation> },
    /// A refusal of the model, in deltas.
    Refusal(Vec<String>),
    /// A function call with its arguments as JSON text.
    Function { name: String, namespace: Option<String>, arguments: String },
    /// A call of a custom tool.
    Custom { name: String, namespace: Option<String>, input: String },
    /// A search that the backend made; with its sources when they are asked for.
    WebSearch { query: String, sources: Vec<String> },
    /// A picture that the backend made, or why it made none.
    Picture { picture: Box<Picture>, failed: Option<Value> },
    /// A call of the hosted tool `shell` or `local_shell`.
    Shell { local: bool, command: String },
    /// A search among the client's tools.
    ToolSearch { query: String },
    /// The conversation so far, sealed.
    Compaction(Vec<u8>),
}

/// A source of a text.
#[derive(Debug)]
pub(super) struct Citation {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) url: String,
    pub(super) title: String,
}

/// What orders want of an answer.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Number of text deltas.
    pub(super) deltas: Option<usize>,
    /// What the answer is, whatever the words of the prompt.
    pub(super) manner: Option<Manner>,
    /// The error of a picture that fails.
    pub(super) picture_fails: Option<Value>,
}

/// The output of a turn, in order.
pub(super) fn outputs(turn: &Turn, dice: &mut Dice, wanted: &Wanted) -> Vec<Output> {
    let mut out = Vec::new();
    if thinks(turn) {
        let summary = turn.reasoning("summary").map(|_| prose::summary(dice));
        out.push(Output::Reasoning { filler: dice.bytes(REASONING_FILLER), summary });
    }
    let answered = wishes::has_new_output(turn);
    match wishes::of(turn, answered, wanted.manner.as_ref(), dice) {
        Wish::Text => out.push(text(turn, answered, dice, wanted)),
        Wish::Refusal => out.push(Output::Refusal(prose::split(prose::refusal(dice)))),
        Wish::Citations => {
            let (deltas, citations) = cited(1 + dice.below(2), dice);
            out.push(Output::Text { deltas, citations });
        }
        Wish::WebSearch => out.extend(search(turn, dice)),
        Wish::Picture { alone } => {
            out.push(picture(turn, dice, wanted));
            out.extend((!alone).then(|| text(turn, answered, dice, wanted)));
        }
        Wish::Shell { local } => out.push(Output::Shell { local, command: format!("echo {}", dice.below(1_000)) }),
        Wish::ToolSearch => out.push(Output::ToolSearch { query: prose::topic(dice).to_owned() }),
        Wish::Calls(tools) => out.extend(tools.into_iter().map(|tool| call_of(tool, dice))),
        Wish::CallOf { tool, input } => out.push(call_with(tool, input.to_owned())),
    }
    out
}

fn thinks(turn: &Turn) -> bool {
    let effort = turn.reasoning("effort").and_then(Value::as_str);
    effort.is_some_and(|effort| effort != "none") || turn.includes("reasoning.encrypted_content")
}

fn call_of(tool: &Tool, dice: &mut Dice) -> Output {
    let input = match &tool.kind {
        ToolKind::Function(parameters) if parameters.is_null() => "{}".to_owned(),
        ToolKind::Function(parameters) => arguments(parameters, dice).to_string(),
        ToolKind::Custom(Some(expression)) => schema::matching(expression, dice),
        ToolKind::Custom(None) if tool.name == "apply_patch" => {
            "*** Begin Patch\n*** Add File: simulated.txt\n+hello\n*** End Patch\n".to_owned()
        }
        ToolKind::Custom(None) => format!("hello {}", dice.below(1_000)),
    };
    call_with(tool, input)
}

/// A call of `tool` with this text as arguments or input.
fn call_with(tool: &Tool, input: String) -> Output {
    let (name, namespace) = (tool.name.clone(), tool.namespace.clone());
    match &tool.kind {
        ToolKind::Function(_) => Output::Function { name, namespace, arguments: input },
        ToolKind::Custom(_) => Output::Custom { name, namespace, input },
    }
}

fn picture(turn: &Turn, dice: &mut Dice, wanted: &Wanted) -> Output {
    let options = turn.hosted("image_generation").cloned().unwrap_or(Value::Null);
    let images = turn.items().iter().flat_map(|item| item["content"].as_array().into_iter().flatten());
    let images = images.filter(|part| part["type"] == "input_image").count();
    let picture = Picture::paint(&options, &wishes::last_words(turn), images, dice);
    Output::Picture { picture: Box::new(picture), failed: wanted.picture_fails.clone() }
}

fn search(turn: &Turn, dice: &mut Dice) -> [Output; 2] {
    let (deltas, citations) = cited(2, dice);
    let shown = turn.includes("web_search_call.action.sources");
    let sources = citations.iter().filter(|_| shown).map(|citation| citation.url.clone()).collect();
    [Output::WebSearch { query: prose::topic(dice).to_owned(), sources }, Output::Text { deltas, citations }]
}

/// A text that names `count` sources, and these.
fn cited(count: usize, dice: &mut Dice) -> (Vec<String>, Vec<Citation>) {
    let mut text = prose::answer(false, dice);
    let mut citations = Vec::with_capacity(count);
    for _ in 0..count {
        let url = format!("https://example.com/simulated/{}", dice.below(100_000));
        let start = text.chars().count() + 1;
        text.push_str(&format!(" ([example.com]({url}))"));
        citations.push(Citation { start, end: text.chars().count(), url, title: prose::topic(dice).to_owned() });
    }
    (prose::split(&text), citations)
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

fn text(turn: &Turn, answered: bool, dice: &mut Dice, wanted: &Wanted) -> Output {
    let format = turn.get("text").and_then(|text| text.get("format"));
    let value = match format.and_then(|format| format["type"].as_str()) {
        Some("json_schema") => format.map(|format| structured(&format["schema"], dice).to_string()),
        Some("json_object") => Some(json!({"answer": prose::answer(answered, dice), "ok": true}).to_string()),
        _ => None,
    };
    let deltas = match (value, wanted.deltas) {
        (Some(text), Some(count)) => prose::split_into(&text, count),
        (Some(text), None) => prose::split_into(&text, text.chars().count().div_ceil(8)),
        (None, Some(count)) => prose::deltas(count.max(1), dice),
        (None, None) => prose::split(&prose::answer(answered, dice)),
    };
    Output::Text { deltas, citations: Vec::new() }
}
