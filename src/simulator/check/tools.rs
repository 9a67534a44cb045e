//! Declared tools and the choice among them.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::{hosted, missing, strict, wrong_type, wrong_value};

/// Something the model may call.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Tool {
    pub(in crate::simulator) name: String,
    pub(in crate::simulator) namespace: Option<String>,
    pub(in crate::simulator) kind: ToolKind,
}

/// How it is called.
#[derive(Debug, Clone)]
pub(in crate::simulator) enum ToolKind {
    /// With JSON arguments of this schema.
    Function(Value),
    /// With free text; the grammar, if one is given as a regex.
    Custom(Option<String>),
}

/// What `tool_choice` asks for; indexes count in the list of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) enum Choice {
    /// The model decides among these.
    Auto(Vec<usize>),
    /// No call.
    Never,
    /// A call of one of these.
    Forced(Vec<usize>),
    /// The hosted tool of this type.
    Hosted(String),
}

/// All tools of a request.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Those that are called by name.
    pub(super) callable: Vec<Tool>,
    /// The others.
    pub(super) hosted: Vec<Value>,
}

/// All tools: the top-level ones and those that travel as input items.
pub(super) fn declared(body: &Map<String, Value>, items: &[Value]) -> Result<Declared, Refusal> {
    let mut out = Declared::default();
    if let Some(tools) = body.get("tools").filter(|tools| !tools.is_null()) {
        collect(tools, "tools", None, &mut out)?;
    }
    for (index, item) in items.iter().enumerate() {
        if let (Some("additional_tools" | "tool_search_output"), Some(tools)) =
            (item.get("type").and_then(Value::as_str), item.get("tools"))
        {
            collect(tools, &format!("input[{index}].tools"), None, &mut out)?;
        }
    }
    Ok(out)
}

fn collect(tools: &Value, param: &str, namespace: Option<&str>, out: &mut Declared) -> Result<(), Refusal> {
    let list = tools.as_array().ok_or_else(|| wrong_type(param, "an array"))?;
    for (index, tool) in list.iter().enumerate() {
        let param = format!("{param}[{index}]");
        match tool.get("type").and_then(Value::as_str) {
            Some("function") => {
                let schema = parameters(tool, &param)?;
                add(tool, &param, namespace, ToolKind::Function(schema), &mut out.callable)?;
            }
            Some("custom") => add(tool, &param, namespace, ToolKind::Custom(grammar(tool)), &mut out.callable)?,
            Some("namespace") if namespace.is_none() => {
                let name = name_of(tool, &param)?;
                let inner = tool.get("tools").ok_or_else(|| missing(&format!("{param}.tools")))?;
                collect(inner, &format!("{param}.tools"), Some(&name), out)?;
            }
            Some(kind) if namespace.is_none() && hosted::is_one(kind) => {
                let members = tool.as_object().ok_or_else(|| wrong_type(&param, "an object"))?;
                hosted::check(members, kind, &param)?;
                out.hosted.push(tool.clone());
            }
            // The inner lists of an additional_tools item name their groups without a type.
            None if tool.get("tools").is_some() && namespace.is_none() => {
                let name = name_of(tool, &param)?;
                collect(&tool["tools"], &format!("{param}.tools"), Some(&name), out)?;
            }
            None if param.starts_with("input[") && tool.get("name").is_some() => {}
            Some(other) => {
                return Err(Refusal::detail(400, "unsupported_tool", format!("Unsupported tool type: {other}")));
            }
            None => return Err(missing(&format!("{param}.type"))),
        }
    }
    Ok(())
}

fn add(tool: &Value, param: &str, namespace: Option<&str>, kind: ToolKind, out: &mut Vec<Tool>) -> Result<(), Refusal> {
    let name = name_of(tool, param)?;
    if out.iter().any(|known| known.name == name && known.namespace.as_deref() == namespace) {
        let message = format!("Duplicate tool name: '{name}'.");
        return Err(Refusal::invalid("duplicate_tool", Some("invalid_value"), param.to_owned(), message));
    }
    out.push(Tool { name, namespace: namespace.map(str::to_owned), kind });
    Ok(())
}

fn name_of(tool: &Value, param: &str) -> Result<String, Refusal> {
    let param = format!("{param}.name");
    let name = tool.get("name").and_then(Value::as_str).ok_or_else(|| missing(&param))?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
        let message = format!("Invalid '{param}': expected a string that matches '^[a-zA-Z0-9_-]+$'.");
        return Err(Refusal::invalid("tool_name", Some("invalid_value"), param, message));
    }
    Ok(name.to_owned())
}

fn parameters(tool: &Value, param: &str) -> Result<Value, Refusal> {
    let schema = tool.get("parameters").cloned().unwrap_or(Value::Null);
    if !schema.is_object() && !schema.is_null() {
        return Err(wrong_type(&format!("{param}.parameters"), "an object"));
    }
    let strict = tool.get("strict") == Some(&Value::Bool(true));
    let verdict = if strict { strict::check(&schema) } else { strict::check_root(&schema) };
    verdict.map(|()| schema).map_err(|fault| {
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        let message = format!("Invalid schema for function '{name}': {fault}");
        Refusal::invalid("function_schema", Some("invalid_function_parameters"), format!("{param}.parameters"), message)
    })
}

fn grammar(tool: &Value) -> Option<String> {
    let format = tool.get("format")?;
    let is_regex = format.get("syntax").and_then(Value::as_str) == Some("regex");
    is_regex.then(|| format.get("definition").and_then(Value::as_str).map(str::to_owned))?
}

/// Resolves `tool_choice`; hosted tools that it does not allow are taken out.
pub(super) fn choice(body: &Map<String, Value>, declared: &mut Declared) -> Result<Choice, Refusal> {
    let all = || (0..declared.callable.len()).collect::<Vec<_>>();
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else {
        return Ok(Choice::Auto(all()));
    };
    if let Some(mode) = choice.as_str() {
        return match mode {
            "auto" => Ok(Choice::Auto(all())),
            "none" => Ok(Choice::Never),
            "required" if !declared.callable.is_empty() || !declared.hosted.is_empty() => Ok(Choice::Forced(all())),
            "required" => Err(refused("Tool choice 'required' must be specified with 'tools' parameter.".to_owned())),
            other => Err(wrong_value("tool_choice", other, &["none", "auto", "required"])),
        };
    }
    object_choice(choice, declared)
}

fn object_choice(choice: &Value, declared: &mut Declared) -> Result<Choice, Refusal> {
    let kind = choice.get("type").and_then(Value::as_str).ok_or_else(|| missing("tool_choice.type"))?;
    let tools = &declared.callable;
    match kind {
        "function" | "custom" => named(choice, tools).map(|index| Choice::Forced(vec![index])),
        "allowed_tools" => {
            let list = choice.get("tools").and_then(Value::as_array).ok_or_else(|| missing("tool_choice.tools"))?;
            let callable = |tool: &&Value| matches!(tool["type"].as_str(), Some("function" | "custom"));
            let allowed = list.iter().filter(callable).map(|tool| named(tool, tools)).collect::<Result<Vec<_>, _>>()?;
            declared.hosted.retain(|tool| list.iter().any(|one| one["type"] == tool["type"]));
            match choice.get("mode").and_then(Value::as_str) {
                Some("required") => Ok(Choice::Forced(allowed)),
                Some("auto") => Ok(Choice::Auto(allowed)),
                other => Err(wrong_value("tool_choice.mode", other.unwrap_or("null"), &["auto", "required"])),
            }
        }
        kind if declared.hosted.iter().any(|tool| tool["type"] == kind) => Ok(Choice::Hosted(kind.to_owned())),
        other => Err(refused(format!("Tool choice '{other}' not found in 'tools' parameter."))),
    }
}

fn named(choice: &Value, tools: &[Tool]) -> Result<usize, Refusal> {
    let name = choice.get("name").and_then(Value::as_str).ok_or_else(|| missing("tool_choice.name"))?;
    let is_custom = choice.get("type").and_then(Value::as_str) == Some("custom");
    let fits = |tool: &Tool| tool.name == name && matches!(tool.kind, ToolKind::Custom(_)) == is_custom;
    let found = tools.iter().position(fits);
    found.ok_or_else(|| refused(format!("Tool choice '{name}' not found in 'tools' parameter.")))
}

fn refused(message: String) -> Refusal {
    Refusal::invalid("tool_choice", None, "tool_choice".to_owned(), message)
}
