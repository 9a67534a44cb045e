//! `PUT /uploads/{id}`: the storage that the upload URLs point to, an origin of its own that knows signatures and nobody's login.

use http::{Method, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest, Sha256};

use super::super::clock;
use super::super::faults::Route;
use super::super::head_faults;
use super::super::refusal::Refusal;
use super::super::reply::{Payload, Reply};
use super::super::routes::Call;
use super::super::state::State;
use super::{URL_LIFETIME, mime_type, single};

const PREFIX: &str = "/uploads/";

/// Headers that belong to another origin. One that comes here has leaked.
const LEAKS: [&str; 6] = [
    "authorization",
    "cookie",
    "chatgpt-account-id",
    "x-codex-turn-state",
    "proxy-authorization",
    "x-openai-internal-codex-residency",
];

/// The signed URL of a file.
pub(super) fn url(state: &State, id: &str) -> String {
    let expires = clock::unix().saturating_add(URL_LIFETIME);
    format!("{}{PREFIX}{id}?se={expires}&sig={}", state.upload_origin, signature(state, id, expires))
}

fn signature(state: &State, id: &str, expires: u64) -> String {
    hex::encode(state.mint.mac("upload", &[id.as_bytes(), &expires.to_le_bytes()]))
}

/// Takes the bytes of one file.
pub(in crate::simulator) async fn serve(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Refusal> {
    call.state.recorder.edit(call.record, |recorded| {
        recorded.query = recorded.query.take().map(|_| super::super::record::HIDDEN.to_owned());
    });
    // All of it, whatever becomes of it: a refusal must not close the connection on a client that is still sending.
    let (length, digest) = digest(incoming).await?;
    call.received(usize::try_from(length).unwrap_or(usize::MAX));
    let id = call.parts.uri.path().strip_prefix(PREFIX).filter(|id| !id.contains('/'));
    let id = id.ok_or_else(|| Refusal::detail(404, "unknown_path", "Not Found"))?;
    if call.parts.method != Method::PUT {
        return Err(Refusal::detail(405, "method", "Method Not Allowed"));
    }
    check(call, id, length)?;
    let owner = call.state.files.get(id).and_then(|file| call.state.accounts.get(file.seen.account));
    let faults = call.faults(owner, Route::Other);
    let plan = owner.map_or("", super::super::Account::plan);
    head_faults::intercept(&faults, plan).await.or(|| {
        call.state.files.edit(id, |file| {
            file.uploaded = Some(length);
            file.sha256 = Some(digest);
            file.mime_type = Some(mime_type(&call.parts.headers));
        });
        Ok(Reply::new(201, Payload::Whole(bytes::Bytes::new())))
    })
}

async fn digest(mut incoming: Incoming) -> Result<(u64, String), Refusal> {
    let (mut hash, mut length) = (Sha256::new(), 0u64);
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Refusal::detail(400, "body_incomplete", "Incomplete request body"))?;
        if let Some(data) = frame.data_ref() {
            hash.update(data);
            length = length.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
    }
    Ok((length, hex::encode(hash.finalize())))
}

fn check(call: &Call<'_>, id: &str, length: u64) -> Result<(), Refusal> {
    let headers = &call.parts.headers;
    if let Some(leak) = LEAKS.iter().find(|name| headers.contains_key(**name)) {
        return Err(Refusal::detail(400, "leaked_header", format!("Header not allowed here: {leak}")));
    }
    if !signed(call, id) {
        return Err(Refusal::detail(403, "upload_signature", "Signature did not match"));
    }
    let Some(file) = call.state.files.get(id) else {
        return Err(Refusal::detail(404, "file_unknown", "The specified resource does not exist"));
    };
    if file.seen.ready {
        return Err(Refusal::detail(409, "file_ready", "The file is complete already"));
    }
    if single(headers, "x-ms-blob-type") != Some("BlockBlob") {
        return Err(Refusal::detail(400, "blob_type", "x-ms-blob-type must be BlockBlob"));
    }
    let Some(declared) = single(headers, header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok())
    else {
        return Err(Refusal::detail(411, "length_required", "Content-Length is required"));
    };
    if declared != file.seen.size || length != file.seen.size {
        return Err(Refusal::detail(400, "file_size", "The length is not the one that was promised"));
    }
    Ok(())
}

/// Whether the query is the one that was given out for this file, and still good.
fn signed(call: &Call<'_>, id: &str) -> bool {
    let Some((expires, sig)) = call.parts.uri.query().and_then(|query| query.strip_prefix("se=")?.split_once("&sig="))
    else {
        return false;
    };
    expires.parse().is_ok_and(|at: u64| at > clock::unix() && sig == signature(call.state, id, at))
}
