//! What the demo needs in its store: one pool, one key, and the accounts of its upstream. Every step may be repeated.

use pooler_filter::{Clock as _, Secret, SystemClock};

use super::file::DemoFile;
use crate::admin::{Backend, Command, Reply, Who};
use crate::cli::Failure;
use crate::config::Origin;
use crate::server::Running;
use crate::simulator::{Account, SimulatorConfig, derive_accounts};
use crate::store::{Actor, ControlOp, ControlTx};

const POOL: &str = "demo";

/// A login to import.
pub(super) struct Login {
    label: String,
    account_id: String,
    auth_json: Secret,
}

impl Login {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            label: account.label().to_owned(),
            account_id: account.id().to_owned(),
            auth_json: Secret::new(account.auth_json().to_string()),
        }
    }
}

/// Accounts that nobody has, for an upstream that does not look.
pub(super) fn made_up(accounts: usize, seed: &[u8; 32]) -> Result<Vec<Login>, Failure> {
    let config = SimulatorConfig { accounts, seed: *seed, ..SimulatorConfig::default() };
    Ok(derive_accounts(&config).iter().map(Login::of).collect())
}

/// An upstream for made-up accounts: never the real one.
pub(super) fn demo_origin(origin: &Origin) -> Result<Origin, Failure> {
    let host = origin.as_str().split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(':').next().unwrap_or_default();
    let real = ["chatgpt.com", "openai.com"].iter().any(|real| host == *real || host.ends_with(&format!(".{real}")));
    if real {
        return Err(Failure::new(format!("the demo makes its accounts up and does not show them to {origin}")));
    }
    Ok(origin.clone())
}

/// Sees to pool, key and accounts, and gives the key.
pub(super) async fn prepare(
    running: &Running,
    logins: &[Login],
    origin: &str,
    file: &mut DemoFile,
) -> Result<Secret, Failure> {
    let backend = running.backend();
    let who = Who::this_process();
    let snapshot = running.state().stores().control.load().await.map_err(|e| Failure::new(e.to_string()))?;
    if snapshot.pools.iter().all(|pool| pool.slug != POOL) {
        execute(backend, Command::PoolCreate { slug: POOL.to_owned(), name: None }, &who).await?;
    }
    move_accounts(running, origin).await?;
    let simulated = origin.parse::<Origin>().is_ok_and(|origin| origin.is_loopback());
    for login in logins {
        if snapshot.accounts.iter().any(|known| known.chatgpt_account_id == login.account_id) {
            continue;
        }
        let import = Command::AccountImport {
            auth_json: login.auth_json.clone(),
            pool: POOL.to_owned(),
            label: Some(login.label.clone()),
            origin: Some(origin.to_owned()),
            issuer: Some(origin.to_owned()),
            simulated,
        };
        execute(backend, import, &who).await?;
    }
    if let Some(key) = &file.key {
        return Ok(key.clone());
    }
    let create = Command::KeyCreate { pool: POOL.to_owned(), name: "demo".to_owned(), expires_at: None, models: None };
    let replies = execute(backend, create, &who).await?;
    let key = replies.into_iter().find_map(|reply| if let Reply::NewKey(new) = reply { Some(new.key) } else { None });
    let key = key.ok_or_else(|| Failure::new("no key was made"))?;
    file.key = Some(key.clone());
    file.save()?;
    Ok(key)
}

/// The demo's upstream may stand elsewhere than the last time; these accounts are the demo's own.
async fn move_accounts(running: &Running, origin: &str) -> Result<(), Failure> {
    let control = &running.state().stores().control;
    let snapshot = control.load().await.map_err(|e| Failure::new(e.to_string()))?;
    let mut tx = ControlTx::new();
    let mut moved = false;
    for account in snapshot.accounts.into_iter().filter(|account| account.origin != origin) {
        moved = true;
        tx = tx.with(ControlOp::PutAccount(crate::store::records::AccountRecord {
            origin: origin.to_owned(),
            issuer: origin.to_owned(),
            ..account
        }));
    }
    if moved {
        let actor = Actor::new("demo", SystemClock.now());
        control.apply(tx, &actor).await.map_err(|e| Failure::new(e.to_string()))?;
        running.reload().await;
    }
    Ok(())
}

async fn execute(backend: &Backend, command: Command, who: &Who) -> Result<Vec<Reply>, Failure> {
    backend.execute(command, who).await.map_err(Failure::from)
}
