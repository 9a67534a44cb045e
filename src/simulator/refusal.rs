//! Refusals in the two shapes of the backend: `{"detail"}` and `{"error"}`.

use serde_json::{Value, json};

use super::reply::Reply;

/// Why a request is refused. `reason` is a short code for the record, never sent.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) body: Value,
}

impl Refusal {
    /// `{"detail": text}`.
    pub(super) fn detail(status: u16, reason: &'static str, text: impl Into<String>) -> Refusal {
        Refusal { status, reason, body: json!({"detail": text.into()}) }
    }

    /// 400 `{"error": {...}}` of type `invalid_request_error`.
    pub(super) fn invalid(
        reason: &'static str,
        code: Option<&str>,
        param: impl Into<Option<String>>,
        message: impl Into<String>,
    ) -> Refusal {
        let param: Option<String> = param.into();
        let error = json!({
            "message": message.into(), "type": "invalid_request_error", "param": param, "code": code,
        });
        Refusal { status: 400, reason, body: json!({"error": error}) }
    }

    /// 400 for content that the account cannot read, or not any more.
    pub(super) fn unreadable(id: Option<&str>) -> Refusal {
        let id = id.unwrap_or("(no id)");
        let message = format!(
            "The encrypted content for item {id} could not be verified. Reason: Encrypted content could not be \
             decrypted or parsed."
        );
        Refusal::invalid("encrypted_content", Some("invalid_encrypted_content"), "input".to_owned(), message)
    }

    /// 401 for every bearer that is not good now.
    pub(super) fn unauthorized(reason: &'static str) -> Refusal {
        Refusal::detail(401, reason, "Unauthorized")
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        let mut reply = Reply::json(refusal.status, &refusal.body);
        reply.refused = Some(refusal.reason);
        reply
    }
}
