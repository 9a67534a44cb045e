//! Answers: as tables and details for people, as one JSON object a line for programs. Warnings go to stderr.

use std::io;

use super::Io;
use super::table::{Table, shown};
use crate::admin::{AccountRow, BackupRow, KeyRow, ModelRow, NewKey, PoolRow, QuotaRow, Reply, RequestRow};

/// How to show an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One object a line.
    Json,
    /// One line each.
    Table,
    /// All about each.
    Details,
}

pub(super) fn print(replies: &[Reply], shape: Shape, io: &mut Io<'_>) -> io::Result<()> {
    let text = match shape {
        Shape::Json => json(replies)?,
        Shape::Table => table(replies),
        Shape::Details => replies.iter().map(details).collect(),
    };
    io.out.write_all(text.as_bytes())?;
    io.out.flush()?;
    for reply in replies {
        if let Reply::Warning(warning) = reply {
            writeln!(io.err, "codex-pooler: warning: {}", shown(warning))?;
        }
    }
    Ok(())
}

fn json(replies: &[Reply]) -> io::Result<String> {
    let mut text = String::new();
    for reply in replies {
        text.push_str(&match reply {
            Reply::Pool(row) => serde_json::to_string(row)?,
            Reply::Key(row) => serde_json::to_string(row)?,
            Reply::NewKey(row) => serde_json::to_string(row)?,
            Reply::Account(row) => serde_json::to_string(row)?,
            Reply::Model(row) => serde_json::to_string(row)?,
            Reply::Request(row) => serde_json::to_string(row)?,
            Reply::Backup(row) => serde_json::to_string(row)?,
            Reply::Warning(_) => continue,
        });
        text.push('\n');
    }
    Ok(text)
}

/// All rows of an answer are of one kind.
fn table(replies: &[Reply]) -> String {
    let mut table: Option<Table> = None;
    for reply in replies {
        let (head, cells): (&[&str], Vec<String>) = match reply {
            Reply::Pool(row) => (POOL, pool(row)),
            Reply::Key(row) => (KEY, key(row)),
            Reply::Account(row) => (ACCOUNT, account(row)),
            Reply::Model(row) => (MODEL, model(row)),
            Reply::Request(row) => (REQUEST, request(row)),
            Reply::Backup(row) => (BACKUP, backup(row)),
            Reply::NewKey(_) | Reply::Warning(_) => continue,
        };
        table.get_or_insert_with(|| Table::new(head)).line(cells);
    }
    table.map_or_else(|| "nothing found\n".to_owned(), |table| table.render())
}

const POOL: &[&str] = &["POOL", "NAME", "STATUS", "V1", "IMAGES", "RING", "CACHE AFFINITY", "KEYS", "ACCOUNTS"];

fn pool(row: &PoolRow) -> Vec<String> {
    vec![
        row.slug.clone(),
        row.name.clone(),
        row.status.clone(),
        on_off(row.v1_compatibility),
        on_off(row.images),
        row.ring_size.to_string(),
        on_off(row.prompt_cache_affinity),
        row.keys.to_string(),
        row.accounts.to_string(),
    ]
}

const KEY: &[&str] = &["KEY", "NAME", "POOL", "STATUS", "EXPIRES", "MODELS", "CREATED"];
const MADE: &[&str] = &["ID", "NAME", "POOL", "STATUS", "EXPIRES", "MODELS", "CREATED"];

fn key(row: &KeyRow) -> Vec<String> {
    vec![
        row.id.clone(),
        row.name.clone(),
        row.pool.clone(),
        row.status.clone(),
        moment(row.expires_at.as_deref()),
        row.models.as_ref().map_or_else(|| "all".to_owned(), |models| models.join(",")),
        moment(Some(&row.created_at)),
    ]
}

const ACCOUNT: &[&str] =
    &["ACCOUNT", "STATUS", "POOLS", "PLAN", "QUOTA", "USED", "ORIGIN", "SIMULATED", "TOKEN ENDS", "ID"];

fn account(row: &AccountRow) -> Vec<String> {
    vec![
        row.label.clone(),
        row.status.clone(),
        row.pools.join(","),
        text(row.plan.as_ref()),
        row.quota.as_ref().map_or_else(|| "-".to_owned(), quota),
        row.quota.as_ref().map_or_else(|| "-".to_owned(), used),
        row.origin.clone(),
        if row.simulated { "yes" } else { "no" }.to_owned(),
        moment(row.access_expires_at.as_deref()),
        row.id.clone(),
    ]
}

/// The class and why, such as `exhausted (weekly_exhausted) until 2026-11-22 14:00:00`.
fn quota(row: &QuotaRow) -> String {
    let until = row.resets_at.as_deref().map(|at| format!(" until {}", moment(Some(at))));
    format!("{} ({}){}", row.class, row.reason, until.unwrap_or_default())
}

/// Of the primary and of the weekly window, such as `42% / 7%`.
fn used(row: &QuotaRow) -> String {
    let percent = |used: Option<u64>| used.map_or_else(|| "-".to_owned(), |used| format!("{used}%"));
    format!("{} / {}", percent(row.primary_used_percent), percent(row.secondary_used_percent))
}

const MODEL: &[&str] = &["POOL", "MODEL", "STATE", "LITE", "CONTEXT", "UPSTREAM MODEL", "ACCOUNTS"];

fn model(row: &ModelRow) -> Vec<String> {
    vec![
        row.pool.clone(),
        row.model.clone(),
        row.state.clone(),
        if row.lite { "yes" } else { "no" }.to_owned(),
        text(row.context_length.as_ref()),
        row.upstream_model.clone(),
        row.accounts.as_ref().map_or_else(|| "any".to_owned(), |accounts| accounts.join(",")),
    ]
}

const REQUEST: &[&str] =
    &["TIME", "REQUEST", "ROUTE", "MODEL", "STATUS", "OUTCOME", "INPUT", "OUTPUT", "ACCOUNT", "TRIES", "MS"];

fn request(row: &RequestRow) -> Vec<String> {
    vec![
        moment(Some(&row.at)),
        row.request_id.clone(),
        text(row.route.as_ref()),
        text(row.model.as_ref()),
        text(row.status.as_ref()),
        row.outcome.clone().unwrap_or_else(|| row.state.clone()),
        row.usage.map_or_else(|| row.usage_state.clone(), |usage| usage.input_tokens.to_string()),
        row.usage.map_or_else(|| row.usage_state.clone(), |usage| usage.output_tokens.to_string()),
        text(row.account.as_ref()),
        row.attempts.len().to_string(),
        text(row.duration_ms.as_ref()),
    ]
}

const BACKUP: &[&str] = &["FILE", "MADE", "REVISION", "ROWS", "BYTES"];

fn backup(row: &BackupRow) -> Vec<String> {
    vec![row.file.clone(), moment(Some(&row.made_at)), row.rev.to_string(), row.rows.to_string(), row.bytes.to_string()]
}

fn details(reply: &Reply) -> String {
    match reply {
        Reply::Pool(row) => {
            pairs(POOL, pool(row), &[("id", row.id.clone()), ("created", moment(Some(&row.created_at)))])
        }
        Reply::Key(row) => pairs(KEY, key(row), &[]),
        Reply::NewKey(NewKey { key: secret, row }) => {
            let about = pairs(MADE, key(row), &[]);
            format!("{}\n\nThis is the key. It is shown this once.\n\n{about}", secret.expose())
        }
        Reply::Account(row) => pairs(ACCOUNT, account(row), &[]),
        Reply::Model(row) => pairs(MODEL, model(row), &[]),
        Reply::Request(row) => request_details(row),
        Reply::Backup(row) => pairs(BACKUP, backup(row), &[]),
        Reply::Warning(_) => String::new(),
    }
}

fn pairs(head: &[&str], cells: Vec<String>, more: &[(&str, String)]) -> String {
    let mut table = Table::plain();
    for (name, cell) in head.iter().zip(cells) {
        table.line([name.to_lowercase(), cell]);
    }
    for (name, cell) in more {
        table.line([(*name).to_owned(), cell.clone()]);
    }
    table.render()
}

fn request_details(row: &RequestRow) -> String {
    let usage = row.usage.map(|u| {
        let (input, cached, output, reasoning) = (u.input_tokens, u.cached_tokens, u.output_tokens, u.reasoning_tokens);
        format!("{input} input ({cached} cached), {output} output ({reasoning} reasoning), {} total", u.total_tokens)
    });
    let estimate = row.estimated_tokens.map(|(input, output)| format!("{input} input, {output} output"));
    let mut facts = Table::plain();
    for (name, value) in [
        ("request", row.request_id.clone()),
        ("time", row.at.clone()),
        ("state", row.state.clone()),
        ("route", text(row.route.as_ref())),
        ("pool", text(row.pool.as_ref())),
        ("key", text(row.key.as_ref())),
        ("model", text(row.model.as_ref())),
        ("served model", text(row.served_model.as_ref())),
        ("stream", row.stream.map_or_else(|| "-".to_owned(), |stream| if stream { "yes" } else { "no" }.to_owned())),
        ("effort", text(row.reasoning_effort.as_ref())),
        ("service tier", text(row.served_tier.as_ref().or(row.service_tier.as_ref()))),
        ("status", text(row.status.as_ref())),
        ("outcome", text(row.outcome.as_ref())),
        ("error", text(row.error_code.as_ref())),
        ("usage", usage.unwrap_or_else(|| row.usage_state.clone())),
        ("estimate", text(estimate.as_ref())),
        ("account", text(row.account.as_ref())),
        ("first byte ms", text(row.first_byte_ms.as_ref())),
        ("duration ms", text(row.duration_ms.as_ref())),
    ] {
        facts.line([name.to_owned(), value]);
    }
    if row.attempts.is_empty() {
        return facts.render();
    }
    let mut attempts = Table::new(&["TRY", "ACCOUNT", "RESULT", "STATUS", "ERROR", "MS"]);
    for attempt in &row.attempts {
        attempts.line([
            attempt.n.to_string(),
            attempt.account.clone(),
            attempt.result.clone(),
            text(attempt.upstream_status.as_ref()),
            text(attempt.error_code.as_ref()),
            attempt.latency_ms.to_string(),
        ]);
    }
    format!("{}\n{}", facts.render(), attempts.render())
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// To the second, as people read it.
fn moment(rfc3339: Option<&str>) -> String {
    rfc3339.map_or_else(|| "-".to_owned(), |text| text.chars().take(19).collect::<String>().replace('T', " "))
}
