//! From the file as written to [`Settings`]: what is written goes over the defaults, inside its bounds.

mod gateway;
mod read;

use std::path::Path;

use tracing_subscriber::EnvFilter;

use self::gateway::gateway;
use self::read::{
    DAY, HOUR, MINUTE, MS, SECOND, address, bytes, flag, header, number, optional_time, path, read, text, time,
    window_log,
};
use super::settings::{
    Accounts, Admission, Backup, Catalog, Commit, Data, Files, Ledger, Limits, Log, LogFormat, Model, Operations,
    Quota, Routing, Secrets, Settings, Sse, Upstream, Websocket,
};
use super::{Mistake, Origin, raw};
use crate::secrets::KeySource;

const KIB: usize = 1024;
const GIB: usize = 1024 * 1024 * KIB;
/// What the parser of heads takes.
const MOST_HEAD: usize = 1024 * KIB - 4 * KIB;
const MOST_FIELDS: usize = 256;
/// The rewrite collects no more than this.
const MOST_COLLECTED: usize = 64 * 1024 * KIB;

pub(super) fn settings(file: raw::File, base: &Path) -> Result<Settings, Mistake> {
    let mut out = Settings::default();
    gateway(file.gateway, base, &mut out.gateway)?;
    operations(file.operations, &mut out.operations)?;
    data(file.data, base, &mut out.data)?;
    backup(file.backup, base, &mut out.backup)?;
    limits(file.limits, &mut out.limits)?;
    upstream(file.upstream, &mut out.upstream)?;
    commit(file.commit, &mut out.commit)?;
    sse(file.sse, &mut out.sse)?;
    websocket(file.websocket, &mut out.websocket)?;
    routing(file.routing, &mut out.routing)?;
    ledger(file.ledger, &mut out.ledger)?;
    files(file.files, out.limits.max_body, &mut out.files)?;
    accounts(file.accounts, &mut out.accounts)?;
    catalog(file.catalog, &mut out.catalog)?;
    quota(file.quota, &mut out.quota)?;
    if let Some(written) = file.models {
        out.models = models(written.into_inner())?;
    }
    out.secrets = secrets(file.secrets, base)?;
    log(file.log, &mut out.log)?;
    Ok(out)
}

fn operations(raw: raw::Operations, out: &mut Operations) -> Result<(), Mistake> {
    flag(&mut out.enabled, raw.enabled);
    if let Some(written) = raw.listen {
        out.listen = address(written)?;
    }
    Ok(())
}

fn data(raw: raw::Data, base: &Path, out: &mut Data) -> Result<(), Mistake> {
    out.dir = match raw.dir {
        Some(written) => path(&written, base)?,
        None => base.join(&out.dir),
    };
    bytes(&mut out.min_free, raw.min_free, 0..=1024 * GIB)
}

fn backup(raw: raw::Backup, base: &Path, out: &mut Backup) -> Result<(), Mistake> {
    let written = raw.interval.as_ref().map(toml::Spanned::span);
    optional_time(&mut out.interval, raw.interval, 365 * DAY)?;
    if let (Some(span), Some(interval)) = (written, out.interval)
        && interval < MINUTE
    {
        return Err(Mistake::new(span, "must be \"0\" or from 1m to 365d"));
    }
    number(&mut out.keep, raw.keep, 1..=1000)?;
    out.dir = raw.dir.as_ref().map(|written| path(written, base)).transpose()?;
    flag(&mut out.restore_damaged, raw.restore_damaged);
    Ok(())
}

fn limits(raw: raw::Limits, out: &mut Limits) -> Result<(), Mistake> {
    let memory = raw.body_memory.as_ref().or(raw.max_body.as_ref()).map(toml::Spanned::span);
    let compressed = raw.max_compressed.as_ref().map(toml::Spanned::span);
    time(&mut out.head_timeout, raw.head_timeout, SECOND..=HOUR)?;
    bytes(&mut out.max_head, raw.max_head, KIB..=MOST_HEAD)?;
    number(&mut out.max_header_fields, raw.max_header_fields, 16..=MOST_FIELDS)?;
    time(&mut out.body_idle_timeout, raw.body_idle_timeout, SECOND..=HOUR)?;
    bytes(&mut out.body_min_rate, raw.body_min_rate, 0..=GIB)?;
    time(&mut out.body_time, raw.body_time, SECOND..=HOUR)?;
    bytes(&mut out.max_body, raw.max_body, KIB..=GIB)?;
    bytes(&mut out.max_compressed, raw.max_compressed, KIB..=GIB)?;
    number(&mut out.max_ratio, raw.max_ratio, 1..=100_000)?;
    window_log(&mut out.zstd_window_log, raw.zstd_window)?;
    bytes(&mut out.body_memory, raw.body_memory, KIB..=1024 * GIB)?;
    time(&mut out.body_memory_wait, raw.body_memory_wait, MS..=MINUTE)?;
    admission(raw.admission.http, &mut out.admission.http)?;
    admission(raw.admission.stream, &mut out.admission.stream)?;
    admission(raw.admission.websocket, &mut out.admission.websocket)?;
    admission(raw.admission.compact, &mut out.admission.compact)?;
    admission(raw.admission.files, &mut out.admission.files)?;
    admission(raw.admission.audio, &mut out.admission.audio)?;
    match compressed {
        Some(span) if out.max_compressed > out.max_body => {
            return Err(Mistake::new(span, "max_compressed must not be above max_body"));
        }
        Some(_) => {}
        None => out.max_compressed = out.max_compressed.min(out.max_body),
    }
    if out.body_memory < out.max_body {
        return Err(Mistake::new(memory.unwrap_or(0..0), "body_memory must not be below max_body"));
    }
    Ok(())
}

fn admission(raw: raw::Admission, out: &mut Admission) -> Result<(), Mistake> {
    number(&mut out.running, raw.running, 1..=1_000_000)?;
    number(&mut out.queued, raw.queued, 0..=1_000_000)?;
    time(&mut out.wait, raw.wait, MS..=10 * MINUTE)
}

fn upstream(raw: raw::Upstream, out: &mut Upstream) -> Result<(), Mistake> {
    time(&mut out.connect_timeout, raw.connect_timeout, MS..=10 * MINUTE)?;
    time(&mut out.idle_timeout, raw.idle_timeout, SECOND..=DAY)?;
    time(&mut out.pool_idle, raw.pool_idle, SECOND..=HOUR)?;
    time(&mut out.resolve_ttl, raw.resolve_ttl, SECOND..=DAY)?;
    if let Some(written) = raw.originator {
        out.originator = header(&written)?;
    }
    if let Some(written) = raw.user_agent {
        out.user_agent = header(&written)?;
    }
    out.version = raw.version.as_ref().map(header).transpose()?;
    bytes(&mut out.max_response, raw.max_response, KIB..=MOST_COLLECTED)?;
    bytes(&mut out.max_block, raw.max_block, KIB..=GIB)?;
    bytes(&mut out.max_terminal_block, raw.max_terminal_block, KIB..=GIB)
}

fn commit(raw: raw::Commit, out: &mut Commit) -> Result<(), Mistake> {
    time(&mut out.deadline, raw.commit_deadline, MS..=MINUTE)?;
    time(&mut out.silent, raw.silent_commit, MS..=10 * MINUTE)?;
    number(&mut out.held_events, raw.held_events, 1..=100_000)?;
    bytes(&mut out.held_bytes, raw.held_bytes, KIB..=GIB)
}

fn sse(raw: raw::Sse, out: &mut Sse) -> Result<(), Mistake> {
    optional_time(&mut out.keep_alive, raw.keep_alive, HOUR)
}

fn websocket(raw: raw::Websocket, out: &mut Websocket) -> Result<(), Mistake> {
    time(&mut out.idle_timeout, raw.idle_timeout, MINUTE..=HOUR)?;
    optional_time(&mut out.lifetime, raw.lifetime, DAY)?;
    optional_time(&mut out.ping, raw.ping, HOUR)
}

fn routing(raw: raw::Routing, out: &mut Routing) -> Result<(), Mistake> {
    time(&mut out.demotion, raw.demotion, std::time::Duration::ZERO..=DAY)?;
    time(&mut out.affinity_ttl, raw.affinity_ttl, SECOND..=365 * DAY)?;
    number(&mut out.affinity_entries, raw.affinity_entries, 1..=100_000_000)
}

fn ledger(raw: raw::Ledger, out: &mut Ledger) -> Result<(), Mistake> {
    number(&mut out.retention_days, raw.retention_days, 1..=36_500)
}

fn files(raw: raw::Files, max_body: usize, out: &mut Files) -> Result<(), Mistake> {
    let size = raw.max_size.as_ref().map(toml::Spanned::span);
    bytes(&mut out.max_size, raw.max_size, KIB..=GIB)?;
    match size {
        Some(span) if out.max_size > max_body => {
            return Err(Mistake::new(span, "max_size must not be above limits.max_body"));
        }
        Some(_) => {}
        None => out.max_size = out.max_size.min(max_body),
    }
    time(&mut out.ttl, raw.ttl, MINUTE..=365 * DAY)?;
    time(&mut out.upload_timeout, raw.upload_timeout, SECOND..=HOUR)?;
    time(&mut out.finalize_timeout, raw.finalize_timeout, SECOND..=10 * MINUTE)?;
    for written in raw.upload_origins.unwrap_or_default() {
        let origin = written.get_ref().parse::<Origin>();
        out.upload_origins.push(origin.map_err(|e| Mistake::new(written.span(), e.to_string()))?);
    }
    Ok(())
}

fn accounts(raw: raw::Accounts, out: &mut Accounts) -> Result<(), Mistake> {
    time(&mut out.refresh_skew, raw.refresh_skew, SECOND..=DAY)?;
    time(&mut out.refresh_jitter, raw.refresh_jitter, std::time::Duration::ZERO..=DAY)?;
    time(&mut out.refresh_timeout, raw.refresh_timeout, SECOND..=5 * MINUTE)?;
    read(&mut out.issuer, raw.issuer)?;
    read(&mut out.origin, raw.origin)
}

fn models(raw: Vec<raw::Model>) -> Result<Vec<Model>, Mistake> {
    let mut models: Vec<Model> = Vec::with_capacity(raw.len());
    for model in raw {
        let span = model.id.span();
        let model = self::model(model)?;
        if models.iter().any(|m| m.id == model.id) {
            return Err(Mistake::new(span, "stands twice"));
        }
        models.push(model);
    }
    Ok(models)
}

fn model(raw: raw::Model) -> Result<Model, Mistake> {
    let id = text(&raw.id)?;
    if id.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Mistake::new(raw.id.span(), "must have no blanks and no control characters"));
    }
    let (mut window, mut percent) = (0, 0);
    number(&mut window, raw.context_window, 1..=u64::from(u32::MAX))?;
    number(&mut percent, raw.effective_context_percent, 1..=100)?;
    Ok(Model {
        id,
        upstream_id: raw.upstream_id.as_ref().map(text).transpose()?,
        display_name: raw.display_name.as_ref().map(text).transpose()?,
        context_window: (window > 0).then_some(window),
        effective_context_percent: (percent > 0).then_some(percent),
        input_modalities: raw.input_modalities,
        supports_streaming: raw.supports_streaming,
        supports_tools: raw.supports_tools,
        supports_reasoning: raw.supports_reasoning,
        supports_reasoning_summary: raw.supports_reasoning_summary,
        service_tiers: raw.service_tiers,
        created: raw.created.map(toml::Spanned::into_inner),
        fallback: false,
    })
}

fn catalog(raw: raw::Catalog, out: &mut Catalog) -> Result<(), Mistake> {
    flag(&mut out.sync, raw.sync);
    time(&mut out.interval, raw.interval, MINUTE..=DAY)?;
    if let Some(written) = raw.client_version {
        let version = text(&written)?;
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if version.len() > 64 || !version.bytes().all(letter) {
            return Err(Mistake::new(written.span(), "must be 1 to 64 letters, digits, `.`, `-` and `_`"));
        }
        out.client_version = version;
    }
    Ok(())
}

fn quota(raw: raw::Quota, out: &mut Quota) -> Result<(), Mistake> {
    flag(&mut out.sync, raw.sync);
    time(&mut out.interval, raw.interval, MINUTE..=HOUR)
}

fn secrets(raw: raw::Secrets, base: &Path) -> Result<Secrets, Mistake> {
    let mut keys: Vec<KeySource> = Vec::with_capacity(raw.keys.len());
    for written in raw.keys {
        let span = written.span();
        let raw::SecretKey { id: name, file, env } = written.into_inner();
        let id = name.get_ref().clone();
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if !(1..=32).contains(&id.len()) || !id.bytes().all(letter) {
            return Err(Mistake::new(name.span(), "must be 1 to 32 of a-z, 0-9, _ and -"));
        }
        if keys.iter().any(|key| key.id() == id) {
            return Err(Mistake::new(name.span(), "stands twice"));
        }
        keys.push(match (file, env) {
            (Some(file), None) => KeySource::File { id, path: path(&file, base)? },
            (None, Some(env)) => KeySource::Env { id, variable: text(&env)? },
            (None, None) | (Some(_), Some(_)) => return Err(Mistake::new(span, "needs either `file` or `env`")),
        });
    }
    Ok(Secrets { keys })
}

fn log(raw: raw::Log, out: &mut Log) -> Result<(), Mistake> {
    if let Some(written) = raw.filter {
        let filter = text(&written)?;
        EnvFilter::try_new(&filter).map_err(|e| Mistake::new(written.span(), e.to_string()))?;
        out.filter = filter;
    }
    if let Some(written) = raw.format {
        out.format = match written.get_ref().as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => return Err(Mistake::new(written.span(), format!("is \"text\" or \"json\", not \"{other}\""))),
        };
    }
    Ok(())
}
