//! `POST /backend-api/files` and `/backend-api/files/{id}/uploaded`: files of an account, uploaded to another origin.

mod store;
mod upload;

use http::{HeaderMap, header};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::check::{missing, unknown, wrong_type, wrong_value};
use super::faults::{Fault, Route};
use super::front;
use super::head_faults;
use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::Call;

pub use store::FileSeen;
pub(super) use store::Files;
pub(super) use upload::serve as upload;

/// Largest file, in bytes.
const CAP: u64 = 512 << 20;
/// How long an upload URL is good for, in seconds.
const URL_LIFETIME: u64 = 3_600;
/// Times that a file is not ready yet, unless a fault says otherwise.
const RETRIES: u32 = 1;
const NAME_LIMIT: usize = 1_024;

/// Promises a file: `{file_name, file_size, use_case: "codex"}`.
pub(super) async fn create(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Refusal> {
    let (account, object) = front::object(call, incoming).await?;
    let (name, size) = order(&object)?;
    let faults = call.faults(Some(account), Route::Other);
    head_faults::intercept(&faults, account.plan()).await.or(|| {
        let id = format!("file_{}", call.state.unique());
        call.state.files.add(account.index(), &id, name, size);
        Ok(Reply::json(200, &json!({"file_id": id, "upload_url": upload::url(call.state, &id)})))
    })
}

/// Says how far a file is.
pub(super) async fn uploaded(call: &Call<'_>, id: &str, incoming: Incoming) -> Result<Reply, Refusal> {
    let (account, object) = front::object(call, incoming).await?;
    if let Some(name) = object.keys().next() {
        return Err(unknown(name));
    }
    let file = call.state.files.get(id).filter(|file| file.seen.account == account.index());
    if file.is_none() {
        return Err(Refusal::detail(404, "file_unknown", "File not found"));
    }
    let faults = call.faults(Some(account), Route::Finalize);
    head_faults::intercept(&faults, account.plan()).await.or(|| Ok(Reply::json(200, &status(call, id, &faults))))
}

/// Name and size of the file that a request promises.
fn order(object: &Map<String, Value>) -> Result<(String, u64), Refusal> {
    if let Some(name) = object.keys().find(|name| !["file_name", "file_size", "use_case"].contains(&name.as_str())) {
        return Err(unknown(name));
    }
    let name = object.get("file_name").ok_or_else(|| missing("file_name"))?;
    let name = name.as_str().ok_or_else(|| wrong_type("file_name", "a string"))?;
    if name.is_empty() || name.len() > NAME_LIMIT {
        return Err(wrong_type("file_name", "a string of 1 to 1,024 bytes"));
    }
    let size = object.get("file_size").ok_or_else(|| missing("file_size"))?;
    let size = size.as_u64().ok_or_else(|| wrong_type("file_size", "a number of bytes"))?;
    if size > CAP {
        return Err(Refusal::detail(413, "file_too_large", "File is larger than 512 MiB"));
    }
    let use_case = object.get("use_case").ok_or_else(|| missing("use_case"))?;
    match use_case.as_str() {
        Some("codex") => Ok((name.to_owned(), size)),
        other => Err(wrong_value("use_case", other.unwrap_or("(no string)"), &["codex"])),
    }
}

fn status(call: &Call<'_>, id: &str, faults: &[Fault]) -> Value {
    let (mut retries, mut other) = (RETRIES, None);
    for fault in faults {
        if let Fault::FileRetries(polls) = fault {
            retries = *polls;
        } else if let Fault::FileStatus { status, message } = fault {
            other = Some(json!({"status": status, "error_message": message}));
        }
    }
    let polled = call.state.files.edit(id, |file| {
        file.polls = file.polls.saturating_add(1);
        file.ready |= file.uploaded.is_some() && other.is_none() && file.polls > retries;
    });
    match (other, polled) {
        (Some(other), _) => other,
        (None, Some(file)) if file.seen.ready => json!({
            "status": "success",
            "download_url": upload::url(call.state, id),
            "file_name": file.name,
            "mime_type": file.seen.mime_type,
            "error_message": null,
        }),
        (None, _) => json!({"status": "retry"}),
    }
}

/// The one value of a header; none when it is absent, there twice, or no text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let value = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(value)
}

/// The `content-type` of an upload, or what a file is without one.
fn mime_type(headers: &HeaderMap) -> String {
    single(headers, header::CONTENT_TYPE.as_str()).unwrap_or("application/octet-stream").to_owned()
}
