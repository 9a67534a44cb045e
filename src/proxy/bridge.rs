//! Files that a native client uploads itself: a file is promised by one of the accounts, and later finished by the same one
//! (docs/native.md, Files).

use bytes::Bytes;
use http::StatusCode;
use pooler_filter::{
    AttemptResult, Candidate, Exchange, KeyFacts, LocalReply, Operation, OutcomeKind, Principal, Reason, Reject,
    RejectKind,
};
use tokio::time::{Instant, sleep};

use super::body;
use super::dispatch::{Answer, Attempts, Committed, Walk};
use super::downstream::Downstream;
use super::path::Segments;
use super::route::Found;
use super::upload::{Created, POLL, Progress};
use super::{Ended, Gateway, Stop, reply};
use crate::store::records::{FileRecord, FileStatus};

/// What the record of a file says that it is for.
const PURPOSE: &str = "codex";

impl Gateway {
    /// Serves one of the two requests.
    pub(super) async fn bridge(
        &self,
        found: Found,
        down: &mut Downstream,
        cx: &mut Exchange,
        attempts: &Attempts,
    ) -> Result<Ended, Stop> {
        if body::is_form(&down.session.req_header().headers) {
            let message = "files are promised as JSON and uploaded to the address of the answer";
            return Err(Reject::new(RejectKind::Invalid, "unsupported_multipart_file_create", message).into());
        }
        let finishes = found.route.operation == Operation::FinishFile;
        let known = if finishes { Some(self.promised(cx).await?) } else { None };
        let mut room = self.budget.open();
        let Some((request, _place)) = self.prepare(found, down, cx, &mut room).await? else {
            return Ok(Ended { kind: OutcomeKind::Succeeded, code: None });
        };
        let size = request.body.json().and_then(|body| body.get("file_size")?.as_u64()).unwrap_or(0);
        let name = request.body.json().and_then(|body| body.get_str("file_name").map(std::borrow::Cow::into_owned));
        let mut walk = Walk::new(self, request, cx)?;
        if let Some(file) = &known {
            walk.only(self.holder(file)?);
        }
        let until = Instant::now() + self.settings.files.finalize_timeout;
        let body = loop {
            let Committed { served, answer: (answer, _), mark } = self.dispatch(&walk, down, cx, attempts).await??;
            let Answer::Json(body, room) = answer else { return Err(unusable("the answer is not JSON").into()) };
            self.pool.health().succeeded(&mark);
            let answer = Answer::Json(body.clone(), room);
            let stored = match &known {
                None => Some(self.record(&answer, served.account, name.clone(), size, cx)?),
                Some(file) => match Progress::read(&answer) {
                    Progress::Later if Instant::now() < until => {
                        attempts.end(self, AttemptResult::Served, None);
                        sleep(POLL).await;
                        continue;
                    }
                    Progress::Later => None,
                    Progress::Done => Some(FileRecord { status: FileStatus::Processed, ..file.clone() }),
                    Progress::Failed => Some(FileRecord { status: FileStatus::Failed, ..file.clone() }),
                },
            };
            if let Some(file) = stored {
                self.files.put(file).await.map_err(Reject::internal)?;
            }
            break body;
        };
        self.hand_over(body, down, cx).await?;
        attempts.end(self, AttemptResult::Served, None);
        Ok(Ended { kind: OutcomeKind::Succeeded, code: None })
    }

    async fn hand_over(&self, body: Bytes, down: &mut Downstream, cx: &Exchange) -> Result<(), Stop> {
        reply::counted(cx).await?;
        Ok(reply::local(down, LocalReply::json(body)).await?)
    }

    /// The file that the path names, if this key has it and it can still be finished.
    async fn promised(&self, cx: &Exchange) -> Result<FileRecord, Reject> {
        let segments = Segments::decode(&cx.head().path)?;
        let id = segments.as_slice().get(2).map_or("", AsRef::as_ref);
        let file = self.files.ever(key(cx)?, id).await?;
        let gone = |status, code, message| Reject::new(RejectKind::Upstream(status), code, message).at("file_id");
        if file.expires_at <= self.files.now() {
            return Err(gone(StatusCode::GONE, "file_expired", "file has expired"));
        }
        if file.status == FileStatus::Failed {
            return Err(gone(StatusCode::CONFLICT, "file_not_uploadable", "file cannot be uploaded any more"));
        }
        Ok(file)
    }

    /// The account that has the file: no other can finish it.
    fn holder(&self, file: &FileRecord) -> Result<Candidate, Reject> {
        let account = self.pool.account(file.account).filter(|account| account.routes());
        let account = account.ok_or_else(|| {
            let code = "no_eligible_backend";
            Reject::new(RejectKind::Unavailable, code, pooler_filter::codex::sentence(code, Default::default()))
        })?;
        Ok(Candidate { account: account.id, label: account.label.clone(), reason: Reason::Pinned })
    }

    fn record(
        &self,
        answer: &Answer,
        account: pooler_filter::AccountId,
        name: Option<String>,
        bytes: u64,
        cx: &Exchange,
    ) -> Result<FileRecord, Reject> {
        let made = Created::read(answer, &self.settings.files.upload_origins).map_err(unusable)?;
        let (key, created_at) = (key(cx)?, self.files.now());
        Ok(FileRecord {
            id: made.id,
            pool: key.pool.id,
            key: key.id.clone(),
            account,
            bytes,
            filename: name.unwrap_or_default(),
            purpose: PURPOSE.to_owned(),
            status: FileStatus::Pending,
            created_at,
            expires_at: created_at.plus(self.settings.files.ttl),
        })
    }
}

fn key(cx: &Exchange) -> Result<&KeyFacts, Reject> {
    Ok(&cx.require::<Principal>()?.0)
}

fn unusable(why: &'static str) -> Reject {
    let message = "upstream file create answered with something unusable";
    Reject::new(RejectKind::BadGateway, "upstream_file_bridge_invalid_response", message).because(why)
}
