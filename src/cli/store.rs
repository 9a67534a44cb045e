//! `store verify|restore`: what only works on a store that no gateway has, and needs no root key.

use std::io;
use std::path::Path;

use pooler_filter::{Clock as _, SystemClock};
use serde_json::json;

use super::table::Table;
use super::{Failure, Io, args};
use crate::admin::time::rfc3339;
use crate::admin::{BackupRow, prepare_dir};
use crate::config::Settings;
use crate::store::{
    BackupError, BackupInfo, Report, Restored, SledOptions, StoreOpenError, refuse_if_gone, restore, verify,
};

pub(super) fn act(at: &args::Reach, action: StoreCare, io: &mut Io<'_>) -> Result<(), Failure> {
    let file = at.location.file()?;
    let settings = file.load()?.settings;
    match action {
        StoreCare::Verify(file) => verified(&settings, file.as_deref(), at.json, io),
        StoreCare::Restore { file, replace } => restored(&settings, file.as_deref(), replace, at.json, io),
    }
}

/// What is to be done.
pub(super) enum StoreCare {
    Verify(Option<std::path::PathBuf>),
    Restore { file: Option<std::path::PathBuf>, replace: bool },
}

fn verified(settings: &Settings, file: Option<&Path>, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let report = match file {
        Some(file) => BackupInfo::verify(file)?,
        None => {
            refuse_if_gone(&settings.data.store(), &settings.backups())?;
            verify(&SledOptions::new(settings.data.store()))?
        }
    };
    io.out.write_all(if json { as_json(&report) } else { as_table(&report) }.as_bytes())?;
    io.out.flush()?;
    let (damaged, orphans) = (report.damaged(), report.orphans());
    let what = format!("{damaged} rows are damaged, {orphans} refer to something that is not there");
    match (damaged, orphans) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::inconsistent(what)),
        _ => Err(Failure::new(what)),
    }
}

fn as_table(report: &Report) -> String {
    let mut tables = Table::new(&["TABLE", "ROWS", "DAMAGED", "ORPHANS"]);
    for (name, table) in &report.tables {
        tables.line([(*name).to_owned(), table.rows.to_string(), table.damaged.to_string(), table.orphans.to_string()]);
    }
    let mut text = tables.render();
    if !report.findings.is_empty() {
        let mut findings = Table::new(&["TABLE", "KIND", "WHAT"]);
        for finding in &report.findings {
            findings.line([finding.table.to_owned(), kind(finding.damaged).to_owned(), finding.what.clone()]);
        }
        text.push('\n');
        text.push_str(&findings.render());
    }
    text
}

fn as_json(report: &Report) -> String {
    let mut lines = Vec::new();
    for (name, table) in &report.tables {
        let (rows, damaged, orphans) = (table.rows, table.damaged, table.orphans);
        lines.push(json!({ "table": name, "rows": rows, "damaged": damaged, "orphans": orphans }));
    }
    for finding in &report.findings {
        lines.push(json!({ "finding": finding.what, "table": finding.table, "kind": kind(finding.damaged) }));
    }
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

const fn kind(damaged: bool) -> &'static str {
    if damaged { "damaged" } else { "orphan" }
}

fn restored(
    settings: &Settings,
    file: Option<&Path>,
    replace: bool,
    json: bool,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    prepare_dir(&settings.data.dir).map_err(|error| Failure::new(error.to_string()))?;
    let options = SledOptions::new(settings.data.store());
    let done = restore(&options, &settings.backups(), file, replace, SystemClock.now())?;
    if json {
        let backup = BackupRow::from(&done.backup);
        let moved_to = done.moved_to.as_ref().map(|path| path.display().to_string());
        writeln!(io.out, "{}", json!({ "backup": backup, "left_out": done.left_out, "moved_to": moved_to }))?;
    } else {
        told(&done, io)?;
    }
    Ok(io.out.flush()?)
}

fn told(done: &Restored, io: &mut Io<'_>) -> io::Result<()> {
    let backup = &done.backup;
    writeln!(io.out, "restored {} rows from {}, made {}", backup.rows, backup.path.display(), rfc3339(backup.made_at))?;
    if done.left_out > 0 {
        writeln!(io.out, "{} damaged rows were left out", done.left_out)?;
    }
    if let Some(path) = &done.moved_to {
        writeln!(io.out, "the store that was there is now {}", path.display())?;
    }
    writeln!(
        io.out,
        "What was stored after the backup was made is missing. A login that was refreshed since has to be imported again."
    )
}

impl From<StoreOpenError> for Failure {
    fn from(error: StoreOpenError) -> Self {
        let message = error.to_string();
        if matches!(error, StoreOpenError::Locked { .. }) { Self::locked(message) } else { Self::new(message) }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Open(error) => error.into(),
            BackupError::Store(_)
            | BackupError::Io { .. }
            | BackupError::Damaged { .. }
            | BackupError::None(_)
            | BackupError::Exists(_)
            | BackupError::Stopped => Self::new(error.to_string()),
        }
    }
}
