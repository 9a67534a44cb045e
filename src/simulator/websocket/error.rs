//! Error frames: an HTTP refusal as one message.

use bytes::Bytes;
use http::header;
use serde_json::{Map, Value, json};

use super::super::reply::Reply;

/// The error frame of a refusal with this body.
pub(super) fn frame(reply: &Reply, body: &Bytes) -> String {
    let status = reply.status.as_u16();
    let error = match serde_json::from_slice(body) {
        Ok(Value::Object(mut object)) => match (object.remove("error"), object.remove("detail")) {
            (Some(error), _) => error,
            (None, Some(detail)) => from_detail(status, &detail),
            (None, None) => Value::Object(object),
        },
        Ok(other) => from_detail(status, &other),
        Err(_) => from_detail(status, &Value::String(String::from_utf8_lossy(body).into_owned())),
    };
    let mut frame = json!({"type": "error", "status": status, "error": error});
    let headers = headers(reply);
    if !headers.is_empty() {
        frame["headers"] = Value::Object(headers);
    }
    frame.to_string()
}

/// The headers that say something about the refusal, not about its body.
fn headers(reply: &Reply) -> Map<String, Value> {
    let of_the_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::SERVER];
    let told = reply.headers.iter().filter(|(name, _)| !of_the_body.contains(name));
    told.filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?)))).collect()
}

/// A frame has always an `error` object, also where HTTP says `{"detail"}`.
fn from_detail(status: u16, detail: &Value) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let code = match detail.get("code") {
        Some(code) => code.clone(),
        None if status == 401 => json!("invalid_authentication"),
        None => Value::Null,
    };
    let message = detail.as_str().map_or_else(|| detail.to_string(), str::to_owned);
    json!({"type": kind, "code": code, "message": message, "param": null})
}
