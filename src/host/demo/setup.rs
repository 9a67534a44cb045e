//! What the demo needs in its store: one pool, one key, and the accounts of its upstream. Every step may be repeated.

use pooler_filter::{Clock as _, Secret, SystemClock};

use super::file::DemoFile;
use crate::admin::{Backend, Command, Reply, Who};
use crate::cli::Failure;
use crate::config::Origin;
use crate::server::Running;
use crate::simulator::{Account, SimulatorConfig, derive_accounts};
use crate::store::records::AccountRecord;
use crate::store::{Actor, ControlOp, ControlTx};

const POOL: &str = "demo";

/// A login to import.
pub(super) struct Login {
    label: String,
    account_id: String,
    email: String,
    auth_json: Secret,
}

impl Login {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            label: account.label().to_owned(),
            account_id: account.id().to_owned(),
            email: account.email().to_owned(),
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
    let simulated = origin.parse::<Origin>().is_ok_and(|origin| origin.is_loopback());
    let place = Place { origin, simulated };
    move_accounts(running, logins, place).await?;
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

/// Where the demo's accounts belong.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    origin: &'a str,
    simulated: bool,
}

/// The demo's upstream may stand elsewhere than the last time; its own accounts follow it.
async fn move_accounts(running: &Running, logins: &[Login], place: Place<'_>) -> Result<(), Failure> {
    let control = &running.state().stores().control;
    let snapshot = control.load().await.map_err(|e| Failure::new(e.to_string()))?;
    let moved: Vec<AccountRecord> = snapshot.accounts.into_iter().filter_map(|a| moved(a, logins, place)).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let tx = moved.into_iter().fold(ControlTx::new(), |tx, account| tx.with(ControlOp::PutAccount(account)));
    let actor = Actor::new("demo", SystemClock.now());
    control.apply(tx, &actor).await.map_err(|e| Failure::new(e.to_string()))?;
    running.reload().await;
    Ok(())
}

/// The account at this place, when it is one that the demo made up and stands elsewhere. A login that somebody imported here keeps its
/// origin: its tokens go nowhere else (docs/decisions.md, R12).
fn moved(account: AccountRecord, logins: &[Login], place: Place<'_>) -> Option<AccountRecord> {
    let made_up = |login: &Login| {
        login.account_id == account.chatgpt_account_id
            && (account.simulated || account.email.as_deref() == Some(login.email.as_str()))
    };
    let there =
        account.origin == place.origin && account.issuer == place.origin && account.simulated == place.simulated;
    if there || !logins.iter().any(made_up) {
        return None;
    }
    let (origin, issuer) = (place.origin.to_owned(), place.origin.to_owned());
    Some(AccountRecord { origin, issuer, simulated: place.simulated, ..account })
}

async fn execute(backend: &Backend, command: Command, who: &Who) -> Result<Vec<Reply>, Failure> {
    backend.execute(command, who).await.map_err(Failure::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::fixtures;

    const HERE: Place<'_> = Place { origin: "http://127.0.0.1:7", simulated: true };
    const THERE: Place<'_> = Place { origin: "https://upstream.example", simulated: false };

    fn own(logins: &[Login]) -> AccountRecord {
        let (chatgpt_account_id, email) = (logins[0].account_id.clone(), Some(logins[0].email.clone()));
        AccountRecord { chatgpt_account_id, email, ..fixtures::account("sim-0") }
    }

    #[test]
    fn an_account_that_the_demo_did_not_make_keeps_its_origin() {
        let logins = made_up(2, &[7; 32]).unwrap();
        let imported = AccountRecord { simulated: false, ..fixtures::account("mine") };
        let simulated = AccountRecord { simulated: true, ..imported.clone() };
        let namesake = AccountRecord { chatgpt_account_id: logins[0].account_id.clone(), ..imported.clone() };
        for account in [imported, simulated, namesake] {
            assert_eq!(moved(account, &logins, HERE), None);
        }
    }

    #[test]
    fn an_account_of_the_demo_follows_its_upstream_and_is_marked_as_what_it_is_there() {
        let logins = made_up(2, &[7; 32]).unwrap();
        let mut account = own(&logins);
        for place in [THERE, HERE, Place { origin: "http://127.0.0.1:8", ..HERE }] {
            account = moved(account, &logins, place).unwrap();
            assert_eq!((account.origin.as_str(), account.issuer.as_str()), (place.origin, place.origin));
            assert_eq!(account.simulated, place.simulated);
            assert_eq!(moved(account.clone(), &logins, place), None, "it is there");
        }
    }
}
