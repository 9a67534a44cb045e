//! The JSON in which faults are ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::super::faults::{Fault, FaultBody, FaultSpec, Hold, Preset, ScriptStep, TerminalKind, Who};
use super::super::state::State;
use super::super::wishes::Manner;
use super::sockets;

/// Why an order is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("malformed order: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("no such account: {0}")]
    NoAccount(String),
    #[error("no such model: {0}")]
    NoModel(String),
    #[error("a handshake cannot meet the fault {0}")]
    NotForHandshakes(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    account: Option<Value>,
    fault: Value,
    #[serde(default)]
    after: u32,
    times: Option<u32>,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Models {
    without: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quota {
    primary: f64,
    #[serde(default)]
    secondary: f64,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Kind {
    Status {
        status: u16,
        body: Option<Value>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    UsageLimit {
        resets_in_ms: u64,
    },
    Html,
    EmptyBody,
    #[serde(alias = "invalid_json_200")]
    InvalidJson200,
    Script {
        steps: Vec<Step>,
    },
    HangUp {
        #[serde(default)]
        reset: bool,
    },
    SlowFirstByte {
        delay_ms: u64,
    },
    Hold,
    SilentAfterHeaders {
        for_ms: u64,
    },
    Stall {
        after_events: usize,
        for_ms: u64,
    },
    Cut {
        after_events: usize,
    },
    Reset {
        after_events: usize,
    },
    TerminalInStream {
        terminal: Terminal,
        code: String,
        #[serde(default)]
        message: String,
        after_events: usize,
    },
    OverloadedInStream,
    NoTerminal,
    GarbageBlock,
    NoOutputInCompleted,
    MissingUsage,
    UsageWithoutTotal,
    EndTurnFalse,
    OpenAiModelMismatch,
    DoneInsteadOfCompleted,
    RateLimitsEvent,
    ExtraHeaders {
        headers: BTreeMap<String, String>,
    },
    OneByteChunks,
    CrLf,
    Pace {
        pause_ms: u64,
    },
    Events {
        count: usize,
    },
    Answer {
        with: Manner,
    },
    ImageFailed {
        #[serde(default = "server_error", rename = "type")]
        error_type: String,
        code: String,
        #[serde(default)]
        message: String,
    },
    EncryptedContentExpired,
    FileRetries {
        polls: u32,
    },
    FileStatus {
        status: String,
        message: Option<String>,
    },
    RefreshFails {
        code: String,
    },
    Refresh500,
    RefreshCut,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Terminal {
    Failed,
    Error,
    Incomplete,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Status(u16),
    Header(String, String),
    Send(String),
    WaitMs(u64),
    Hang,
    Close,
    Cut,
    Reset,
}

/// A list of orders, or one.
pub(super) fn read(body: &[u8], state: &State) -> Result<Vec<FaultSpec>, Trouble> {
    let value: Value = serde_json::from_slice(body)?;
    let orders = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    orders.into_iter().map(|order| spec(order, state)).collect()
}

/// The percentages of a quota order.
pub(super) fn quota(body: &[u8]) -> Result<(f64, f64), Trouble> {
    let quota: Quota = serde_json::from_slice(body)?;
    Ok((quota.primary, quota.secondary))
}

/// The models that an account is to be without.
pub(super) fn models(body: &[u8], state: &State) -> Result<BTreeSet<String>, Trouble> {
    let models: Models = serde_json::from_slice(body)?;
    match models.without.iter().find(|slug| !state.catalog.knows(slug)) {
        Some(slug) => Err(Trouble::NoModel(slug.clone())),
        None => Ok(models.without),
    }
}

fn server_error() -> String {
    "server_error".to_owned()
}

fn spec(order: Value, state: &State) -> Result<FaultSpec, Trouble> {
    let order: Order = serde_json::from_value(order)?;
    let who = match order.account {
        None | Some(Value::Null) => Who::All,
        Some(account) => {
            let name = account.as_str().map_or_else(|| account.to_string(), str::to_owned);
            match state.find(&name) {
                Some(account) => Who::Account(account.index()),
                None if name == "*" => Who::All,
                None => return Err(Trouble::NoAccount(name)),
            }
        }
    };
    Ok(FaultSpec { who, fault: fault(order.fault)?, after: order.after, times: order.times, path: order.path })
}

/// A fault is an object with a `kind`, or the bare name of a kind without members or of a preset.
pub(super) fn fault(order: Value) -> Result<Fault, Trouble> {
    if let Some(fault) = sockets::fault(&order) {
        return fault;
    }
    let Value::String(name) = order else { return Ok(Fault::from(serde_json::from_value::<Kind>(order)?)) };
    if let Some(preset) = Preset::named(&name) {
        return Ok(Fault::Preset(preset));
    }
    let kind: Kind = serde_json::from_value(serde_json::json!({ "kind": name }))?;
    Ok(Fault::from(kind))
}

/// The name of a fault in the overview.
pub(super) fn name(fault: &Fault) -> String {
    if let Fault::Preset(preset) = fault {
        return preset.name().to_owned();
    }
    let debug = format!("{fault:?}");
    let variant = debug.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut out = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Fault {
        let ms = Duration::from_millis;
        match kind {
            Kind::Status { status, body, headers } => Fault::Status { status, body: fault_body(body), headers },
            Kind::UsageLimit { resets_in_ms } => Fault::UsageLimit { resets_in: ms(resets_in_ms) },
            Kind::Html => Fault::Html,
            Kind::EmptyBody => Fault::EmptyBody,
            Kind::InvalidJson200 => Fault::InvalidJson200,
            Kind::Script { steps } => Fault::Script(steps.into_iter().map(ScriptStep::from).collect()),
            Kind::HangUp { reset } => Fault::HangUp { reset },
            Kind::SlowFirstByte { delay_ms } => Fault::SlowFirstByte(ms(delay_ms)),
            Kind::Hold => Fault::Hold(Hold::default()),
            Kind::SilentAfterHeaders { for_ms } => Fault::SilentAfterHeaders(ms(for_ms)),
            Kind::Stall { after_events, for_ms } => Fault::Stall { after_events, pause: ms(for_ms) },
            Kind::Cut { after_events } => Fault::Cut { after_events },
            Kind::Reset { after_events } => Fault::Reset { after_events },
            Kind::TerminalInStream { terminal, code, message, after_events } => {
                Fault::TerminalInStream { kind: terminal.into(), code, message, after_events }
            }
            Kind::OverloadedInStream => Fault::overloaded_in_stream(),
            Kind::NoTerminal => Fault::NoTerminal,
            Kind::GarbageBlock => Fault::GarbageBlock,
            Kind::NoOutputInCompleted => Fault::NoOutputInCompleted,
            Kind::MissingUsage => Fault::MissingUsage,
            Kind::UsageWithoutTotal => Fault::UsageWithoutTotal,
            Kind::EndTurnFalse => Fault::EndTurnFalse,
            Kind::OpenAiModelMismatch => Fault::OpenAiModelMismatch,
            Kind::DoneInsteadOfCompleted => Fault::DoneInsteadOfCompleted,
            Kind::RateLimitsEvent => Fault::RateLimitsEvent,
            Kind::ExtraHeaders { headers } => Fault::ExtraHeaders(headers),
            Kind::OneByteChunks => Fault::OneByteChunks,
            Kind::CrLf => Fault::CrLf,
            Kind::Pace { pause_ms } => Fault::Pace(ms(pause_ms)),
            Kind::Events { count } => Fault::Events(count),
            Kind::Answer { with } => Fault::Answer(with),
            Kind::ImageFailed { error_type, code, message } => Fault::ImageFailed { kind: error_type, code, message },
            Kind::EncryptedContentExpired => Fault::EncryptedContentExpired,
            Kind::FileRetries { polls } => Fault::FileRetries(polls),
            Kind::FileStatus { status, message } => Fault::FileStatus { status, message },
            Kind::RefreshFails { code } => Fault::RefreshFails { code },
            Kind::Refresh500 => Fault::Refresh500,
            Kind::RefreshCut => Fault::RefreshCut,
        }
    }
}

impl From<Terminal> for TerminalKind {
    fn from(terminal: Terminal) -> TerminalKind {
        match terminal {
            Terminal::Failed => TerminalKind::Failed,
            Terminal::Error => TerminalKind::Error,
            Terminal::Incomplete => TerminalKind::Incomplete,
        }
    }
}

impl From<Step> for ScriptStep {
    fn from(step: Step) -> ScriptStep {
        match step {
            Step::Status(status) => ScriptStep::Status(status),
            Step::Header(name, value) => ScriptStep::Header(name, value),
            Step::Send(text) => ScriptStep::Send(text.into()),
            Step::WaitMs(pause) => ScriptStep::Wait(Duration::from_millis(pause)),
            Step::Hang => ScriptStep::Hang,
            Step::Close => ScriptStep::Close,
            Step::Cut => ScriptStep::Cut,
            Step::Reset => ScriptStep::Reset,
        }
    }
}

fn fault_body(body: Option<Value>) -> FaultBody {
    match body {
        Some(Value::String(text)) => FaultBody::Text(text),
        Some(value) => FaultBody::Json(value),
        None => FaultBody::Text(String::new()),
    }
}
