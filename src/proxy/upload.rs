//! `POST /v1/files`: a file is made at one of the accounts, its bytes go to where the upstream wants them, and the upstream finishes it
//! (docs/v1.md, Files).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pooler_filter::json::{Json, JsonObject};
use pooler_filter::{
    AttemptResult, Body, Code, Exchange, Expects, LocalReply, OutcomeKind, Principal, Reject, RejectKind, Served,
    Upload, UpstreamRequest,
};
use tokio::time::{sleep, timeout};

use super::dispatch::{Answer, Attempts, Committed, Walk};
use super::downstream::Downstream;
use super::route::Found;
use super::{Ended, Gateway, Stop, reply};
use crate::client::NetError;
use crate::config::Origin;
use crate::files::{FileObject, NotUploaded, Target, put};
use crate::store::StoreError;
use crate::store::records::{FileRecord, FileStatus};

/// How often the upstream is asked whether it has finished a file.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// Longest id of a file, in bytes.
const ID: usize = 200;

/// An upload that came to nothing, and how the attempt ended with it.
struct Failed {
    reject: Reject,
    result: AttemptResult,
}

/// What the upstream says of a file that it has made.
pub(super) struct Created {
    pub(super) id: String,
    target: Target,
}

/// What the upstream says of a file that it has got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    Later,
    Failed,
}

/// The steps after the file was made.
struct Work<'a> {
    gateway: &'a Gateway,
    walk: &'a Walk<'a>,
    cx: &'a Exchange,
    headers: HeaderMap,
    upload: &'a Upload,
}

impl Gateway {
    /// Serves an upload.
    pub(super) async fn upload(
        &self,
        found: Found,
        down: &mut Downstream,
        cx: &mut Exchange,
        attempts: &Attempts,
    ) -> Result<Ended, Stop> {
        let mut room = self.budget.open();
        let Some((request, _place)) = self.prepare(found, down, cx, &mut room).await? else {
            return Ok(Ended { kind: OutcomeKind::Succeeded, code: None });
        };
        let (headers, upload) = (request.headers.clone(), cx.require::<Upload>()?.clone());
        let walk = Walk::new(self, request, cx)?;
        let won = self.dispatch(&walk, down, cx, attempts).await?;
        let Committed { served, answer: (answer, _), mark } = won.map_err(|reject| not_created(reject, attempts))?;
        cx.put(served.clone())?;
        let work = Work { gateway: self, walk: &walk, cx, headers, upload: &upload };
        let done = tokio::select! {
            biased;
            done = work.run(answer, &served) => done,
            gone = down.gone() => return Err(gone.into()),
        };
        let (sent, result) = match done {
            Ok(file) => {
                self.pool.health().succeeded(&mark);
                (self.tell(&file, down, cx).await, AttemptResult::Served)
            }
            Err(Failed { reject, result }) => (Err(reject.into()), result),
        };
        attempts.end(self, result, None);
        sent.map(|()| Ended { kind: OutcomeKind::Succeeded, code: None })
    }

    async fn tell(&self, file: &FileRecord, down: &mut Downstream, cx: &Exchange) -> Result<(), Stop> {
        reply::counted(cx).await?;
        Ok(reply::local(down, LocalReply::json(FileObject::from(file).to_json())).await?)
    }
}

impl Work<'_> {
    /// A file that fails on its way is known as failed; one whose client leaves stays pending until it expires.
    async fn run(&self, answer: Answer, served: &Served) -> Result<FileRecord, Failed> {
        let trusted = &self.gateway.settings.files.upload_origins;
        let Created { id, target } = Created::read(&answer, trusted).map_err(|why| {
            let message = "upstream file create answered with something unusable";
            failed(AttemptResult::Invalid, "upstream_file_bridge_invalid_response", message, why)
        })?;
        let mut file = self.record(id, served)?;
        self.store(&file).await?;
        let carried = self.carry(&file, &target, served).await;
        file.status = if carried.is_ok() { FileStatus::Processed } else { FileStatus::Failed };
        self.store(&file).await?;
        carried.map(|()| file)
    }

    fn record(&self, id: String, served: &Served) -> Result<FileRecord, Failed> {
        let key = &self.cx.require::<Principal>().map_err(Failed::ours)?.0;
        let created_at = self.gateway.files.now();
        Ok(FileRecord {
            id,
            pool: key.pool.id,
            key: key.id.clone(),
            account: served.account,
            bytes: u64::try_from(self.upload.data.len()).unwrap_or(u64::MAX),
            filename: self.upload.filename.clone(),
            purpose: self.upload.purpose.to_owned(),
            status: FileStatus::Pending,
            created_at,
            expires_at: created_at.plus(self.gateway.settings.files.ttl),
        })
    }

    async fn store(&self, file: &FileRecord) -> Result<(), Failed> {
        let stored = self.gateway.files.put(file.clone()).await;
        stored.map_err(|error: StoreError| Failed::ours(Reject::internal(error)))
    }

    async fn carry(&self, file: &FileRecord, target: &Target, served: &Served) -> Result<(), Failed> {
        let files = &self.gateway.settings.files;
        let sent = timeout(files.upload_timeout, put(&self.gateway.client, target, self.upload)).await;
        sent.unwrap_or(Err(NotUploaded::Net(NetError::TimedOut(files.upload_timeout)))).map_err(|error| {
            let result = match &error {
                NotUploaded::Net(NetError::TimedOut(_)) => AttemptResult::TimedOut,
                NotUploaded::Net(_) => AttemptResult::Network,
                NotUploaded::Refused(_) => AttemptResult::Refused,
            };
            failed(result, "upstream_file_upload_failed", "upstream file upload failed", error)
        })?;
        let incomplete = |result, why: String| {
            failed(result, "upstream_file_finalize_incomplete", "upstream did not finish the file", why)
        };
        let patience = files.finalize_timeout;
        match timeout(patience, self.finalize(&file.id, served)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(incomplete(AttemptResult::Refused, "the upstream says that it failed".to_owned())),
            Ok(Err(reject)) => Err(incomplete(AttemptResult::Refused, told(&reject))),
            Err(_) => Err(incomplete(AttemptResult::TimedOut, format!("not within {patience:?}"))),
        }
    }

    /// Asks the account that has the file until it says whether the file is finished.
    async fn finalize(&self, id: &str, served: &Served) -> Result<bool, Reject> {
        let request = UpstreamRequest {
            method: Method::POST,
            path: format!("/backend-api/files/{id}/uploaded"),
            headers: self.headers.clone(),
            body: Body::Json(JsonObject::parse(Bytes::from_static(b"{}")).map_err(Reject::internal)?),
            expects: Expects::Json,
        };
        let walk = self.walk.alone(served.account, request, self.cx);
        loop {
            // Its tries are part of the attempt that made the file.
            let (answer, _) = walk.run(&mut walk.over_http(), &Attempts::default()).await?.answer;
            match Progress::read(&answer) {
                Progress::Done => return Ok(true),
                Progress::Failed => return Ok(false),
                Progress::Later => sleep(POLL).await,
            }
        }
    }
}

impl Failed {
    fn ours(reject: Reject) -> Self {
        Self { reject, result: AttemptResult::Cancelled }
    }
}

fn failed(
    result: AttemptResult,
    code: &'static str,
    message: &'static str,
    why: impl Into<pooler_filter::Source>,
) -> Failed {
    Failed { reject: Reject::new(RejectKind::BadGateway, code, message).because(why), result }
}

/// A refusal for the log, with its cause.
fn told(reject: &Reject) -> String {
    reject.source.as_ref().map_or_else(|| reject.to_string(), |source| format!("{reject} ({source})"))
}

/// What the upstream said when it was to make a file passes with its status, under a code of its own; whatever was decided here stays.
fn not_created(mut reject: Reject, attempts: &Attempts) -> Reject {
    let answered = attempts.reports().last().is_some_and(|report| report.upstream_status.is_some());
    if answered && !matches!(reject.code_str(), "no_eligible_backend" | "quota_exhausted") {
        reject.code = Some(Code::new("upstream_file_bridge_failed"));
        reject.message = "upstream file create failed".into();
    }
    reject
}

impl Created {
    pub(super) fn read(answer: &Answer, trusted: &[Origin]) -> Result<Self, &'static str> {
        let json = object(answer).ok_or("the answer is not a JSON object")?;
        let text = |name: &str| json.root().get(name).and_then(|value| value.as_str());
        let id = text("file_id").ok_or("the answer has no file_id")?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(1..=ID).contains(&id.len()) || !id.bytes().all(letter) || matches!(id.as_ref(), "." | "..") {
            return Err("the file_id is not usable");
        }
        let target = Target::read(&text("upload_url").ok_or("the answer has no upload_url")?, trusted)?;
        Ok(Self { id: id.into_owned(), target })
    }
}

impl Progress {
    pub(super) fn read(answer: &Answer) -> Self {
        let Some(json) = object(answer) else { return Self::Failed };
        let text = |name: &str| json.root().get(name).and_then(|value| value.as_str());
        let linked = text("download_url").is_some_and(|url| !url.is_empty());
        match text("status").as_deref() {
            Some("retry") => Self::Later,
            Some("success" | "uploaded" | "completed") if linked => Self::Done,
            Some(_) | None => Self::Failed,
        }
    }
}

fn object(answer: &Answer) -> Option<Json> {
    match answer {
        Answer::Json(body, _) => Json::parse(body.clone()).ok(),
        Answer::Events { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &'static str) -> Answer {
        Answer::Json(Bytes::from_static(text.as_bytes()), None)
    }

    #[test]
    fn a_made_file_has_an_id_that_fits_a_path_and_an_address_to_upload_to() {
        let made = Created::read(&json(r#"{"file_id":"file_1","upload_url":"https://blob.example/x?sig=1"}"#), &[]);
        assert_eq!(made.ok().map(|made| made.id).as_deref(), Some("file_1"));
        for (text, why) in [
            (r#"{"upload_url":"https://blob.example/x"}"#, "the answer has no file_id"),
            (r#"{"file_id":7,"upload_url":"https://blob.example/x"}"#, "the answer has no file_id"),
            (r#"{"file_id":"","upload_url":"https://blob.example/x"}"#, "the file_id is not usable"),
            (r#"{"file_id":"..","upload_url":"https://blob.example/x"}"#, "the file_id is not usable"),
            (r#"{"file_id":"a/b","upload_url":"https://blob.example/x"}"#, "the file_id is not usable"),
            (r#"{"file_id":"a"}"#, "the answer has no upload_url"),
            (r#"{"file_id":"a","upload_url":"http://blob.example/x"}"#, "it is not https"),
        ] {
            assert_eq!(Created::read(&json(text), &[]).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn a_file_is_finished_when_it_can_be_downloaded() {
        for status in ["success", "uploaded", "completed"] {
            let answer = |rest: &str| Answer::Json(format!("{{\"status\":\"{status}\"{rest}}}").into(), None);
            assert_eq!(Progress::read(&answer(",\"download_url\":\"https://x\"")), Progress::Done);
            assert_eq!(Progress::read(&answer("")), Progress::Failed);
            assert_eq!(Progress::read(&answer(",\"download_url\":\"\"")), Progress::Failed);
        }
        assert_eq!(Progress::read(&json(r#"{"status":"retry"}"#)), Progress::Later);
        for text in [r#"{"status":"error","download_url":"https://x"}"#, "{}", r#"{"status":1}"#] {
            assert_eq!(Progress::read(&json(text)), Progress::Failed, "{text}");
        }
    }
}
