//! The usage routes of Codex CLI for whoever brings the login of an account instead of a key (docs/native.md, Usage).

use std::sync::Arc;

use pooler_filter::{LocalReply, Logins, NoUsage, Secret};

use super::codex_usage;
use crate::accounts::Accounts;
use crate::pool::Pool;

/// The logins that were imported.
#[derive(Debug)]
pub(crate) struct AccountLogins {
    pool: Arc<Pool>,
    accounts: Arc<Accounts>,
}

impl AccountLogins {
    pub(crate) fn new(pool: &Arc<Pool>, accounts: &Arc<Accounts>) -> Self {
        Self { pool: Arc::clone(pool), accounts: Arc::clone(accounts) }
    }
}

impl Logins for AccountLogins {
    fn usage(&self, account: &str, token: &Secret) -> Result<LocalReply, NoUsage> {
        // The token is compared with that of every account: who has none learns nothing of which accounts there are.
        let mut holds = self.pool.all_accounts();
        holds.retain(|known| self.accounts.is_access_token(known.id, token));
        if holds.is_empty() {
            return Err(NoUsage::UnknownLogin);
        }
        let named = holds.iter().find(|known| known.routes() && known.chatgpt_account_id == account);
        let named = named.ok_or(NoUsage::OtherAccount)?;
        codex_usage::of_account(&self.pool, named.id).ok_or(NoUsage::NothingKnown)
    }
}
