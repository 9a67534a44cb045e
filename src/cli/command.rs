//! Arguments as admin commands.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use pooler_filter::{Clock, Secret, SystemClock};
use zeroize::Zeroizing;

use super::Failure;
use super::args::{AccountAction, KeyAction, PoolAction, PoolSet, RequestsAction};
use crate::accounts::import::MAX_AUTH_JSON;
use crate::admin::{Command, PoolChange};

pub(super) fn pool(action: PoolAction) -> Command {
    match action {
        PoolAction::Create { slug, name } => Command::PoolCreate { slug, name },
        PoolAction::List => Command::PoolList {},
        PoolAction::Show { pool } => Command::PoolShow { pool },
        PoolAction::Set { pool, change } => {
            let PoolSet { name, status, v1_compatibility, images, ring_size, prompt_cache_affinity } = change;
            let change = PoolChange { name, status, v1_compatibility, images, ring_size, prompt_cache_affinity };
            Command::PoolSet { pool, change }
        }
    }
}

pub(super) fn key(action: KeyAction) -> Command {
    match action {
        KeyAction::Create { pool, name, expires, models } => {
            Command::KeyCreate { pool, name, expires_at: expires.map(|e| e.from(SystemClock.now())), models }
        }
        KeyAction::List { pool } => Command::KeyList { pool },
        KeyAction::Revoke { key } => Command::KeyRevoke { key },
    }
}

pub(super) fn account(action: AccountAction, input: &mut dyn Read) -> Result<Command, Failure> {
    Ok(match action {
        AccountAction::Import { file, pool, label, origin, issuer, simulated } => Command::AccountImport {
            auth_json: auth_json(&file, input)?,
            pool,
            label,
            origin: origin.map(|o| o.to_string()),
            issuer: issuer.map(|i| i.to_string()),
            simulated,
        },
        AccountAction::List { pool } => Command::AccountList { pool },
        AccountAction::Pause { account } => Command::AccountPause { account },
        AccountAction::Resume { account } => Command::AccountResume { account },
        AccountAction::Remove { account } => Command::AccountRemove { account },
    })
}

pub(super) fn requests(action: RequestsAction) -> Command {
    match action {
        RequestsAction::List { limit } => Command::RequestList { limit: usize::from(limit) },
        RequestsAction::Show { id } => Command::RequestShow { id },
    }
}

/// One byte more than is allowed, so that the refusal comes from where all others do.
fn auth_json(path: &Path, input: &mut dyn Read) -> Result<Secret, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_AUTH_JSON + 64));
    let read = |from: &mut dyn Read, bytes: &mut Vec<u8>| -> io::Result<usize> {
        from.take(MAX_AUTH_JSON as u64 + 1).read_to_end(bytes)
    };
    let done = if path == Path::new("-") {
        read(input, &mut bytes)
    } else {
        File::open(path).and_then(|mut file| read(&mut file, &mut bytes))
    };
    done.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let text = std::str::from_utf8(&bytes);
    Ok(Secret::new(text.map_err(|_| Failure::new("invalid_auth_json: the file is not text"))?))
}
