//! Which account a request is bound to: the one that has its files, gave the response that it continues, or made the compaction that its
//! conversation begins with (docs/routing.md, Continuity).

use pooler_filter::{
    AccountId, AccountView, Affinity, FileStanding, Files, Intent, KeyFacts, Reject, RejectKind, Standing,
};

use crate::seed;

/// What a request is bound by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    File,
    Response,
}

/// The account that a request is bound to, and by what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pin {
    account: AccountId,
    bond: Bond,
}

impl Pin {
    /// Looks up what the request refers to. None: any account may serve it.
    ///
    /// # Errors
    /// A file that is unknown, not ready, or on another account than the rest, a compaction among it; a compaction of another account than
    /// the response.
    pub(crate) async fn of(
        intent: &Intent,
        key: &KeyFacts,
        files: &dyn Files,
        affinity: &dyn Affinity,
    ) -> Result<Option<Self>, Reject> {
        let mut pin = None;
        if let Some(id) = &intent.previous_response_id {
            let account = affinity.get(&seed::response(key, id));
            pin = account.map(|account| Self { account, bond: Bond::Response });
        }
        for id in &intent.files {
            let facts = files.file(key.pool.id, &key.id, id).await.map_err(Reject::internal)?;
            let facts = facts.ok_or_else(file_not_found)?;
            match facts.standing {
                FileStanding::Ready => {}
                FileStanding::Pending | FileStanding::Failed => return Err(file_not_ready()),
            }
            if pin.is_some_and(|pin| pin.account != facts.account) {
                return Err(file_conflict());
            }
            pin.get_or_insert(Self { account: facts.account, bond: Bond::File });
        }
        // What cannot be left out has no place: a compaction. The last one stands for those before it.
        let compaction = intent.replayed.iter().rfind(|item| item.place.is_none());
        if let Some(account) = compaction.and_then(|item| affinity.get(&seed::issuer(key, &item.digest))) {
            match pin.filter(|pin| pin.account != account).map(|pin| pin.bond) {
                Some(Bond::File) => return Err(file_conflict()),
                // Neither account can read what the other one has; without the response the one with the compaction can begin anew.
                Some(Bond::Response) => return Err(Reject::lost_continuation("pinned_continuation_unavailable")),
                None => {}
            }
            pin.get_or_insert(Self { account, bond: Bond::Response });
        }
        Ok(pin)
    }

    /// The one account that may serve the request. A response is continued whatever its account tells of its models; a file is of no use where
    /// the model is not.
    ///
    /// # Errors
    /// It cannot now: no other account would do.
    pub(crate) fn among<'a>(&self, accounts: &'a [AccountView], intent: &Intent) -> Result<&'a AccountView, Reject> {
        let view = accounts.iter().find(|view| view.account == self.account);
        let has_model = intent.sources.as_ref().is_none_or(|sources| sources.contains(&self.account));
        match (view, self.bond) {
            (Some(_), Bond::File) if !has_model => Err(file_conflict()),
            (Some(view), _) if view.standing == Standing::Ready => Ok(view),
            (None, Bond::File) => Err(file_conflict()),
            (Some(view), _) if view.standing == Standing::LoginLost => {
                Err(Reject::lost_continuation("pinned_continuation_reauth_required"))
            }
            (Some(_), _) | (None, Bond::Response) => Err(Reject::lost_continuation("pinned_continuation_unavailable")),
        }
    }
}

fn file_not_found() -> Reject {
    Reject::new(RejectKind::NotFound, "file_not_found", "file was not found").at("file_id")
}

fn file_not_ready() -> Reject {
    let message = "file is not ready: its upload has not been finished";
    Reject::new(RejectKind::Conflict, "file_not_ready", message).at("file_id")
}

fn file_conflict() -> Reject {
    let message = "referenced file cannot be used with this model routing assignment";
    Reject::new(RejectKind::Conflict, "file_assignment_conflict", message).at("file_id")
}
