//! What the tokens of a login say about it. Nothing here is proof of anything: signatures are not checked.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use pooler_filter::{Secret, Timestamp};
use serde_json::{Map, Value};

const AUTH: &str = "https://api.openai.com/auth";
const PROFILE: &str = "https://api.openai.com/profile";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The payload of a token.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// None for what has not the form of a JWT: three parts in base64url, of which the second is a JSON object.
    pub(super) fn of(token: &Secret) -> Option<Self> {
        let parts: Vec<&str> = token.expose().split('.').collect();
        let [header, payload, signature] = parts.as_slice() else { return None };
        for part in [header, signature] {
            LENIENT.decode(part).ok()?;
        }
        serde_json::from_slice(&LENIENT.decode(payload).ok()?).ok().map(Self)
    }

    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        let seconds = self.0.get("exp")?;
        // Some issuers write a fraction; to lose it is to be early.
        let whole = seconds.as_u64().or_else(|| seconds.as_f64().map(|s| s as u64))?;
        Some(Timestamp::from_secs(whole))
    }

    pub(super) fn account_id(&self) -> Option<String> {
        self.auth(&["chatgpt_account_id"])
    }

    pub(super) fn user_id(&self) -> Option<String> {
        self.auth(&["chatgpt_user_id", "user_id", "chatgpt_account_user_id"])
    }

    pub(super) fn plan(&self) -> Option<String> {
        self.auth(&["chatgpt_plan_type"])
    }

    pub(super) fn residency(&self) -> Option<String> {
        self.auth(&["chatgpt_compute_residency"])
    }

    pub(super) fn email(&self) -> Option<String> {
        text(self.0.get("email")).or_else(|| text(self.0.get(PROFILE)?.get("email")))
    }

    fn auth(&self, keys: &[&str]) -> Option<String> {
        let auth = self.0.get(AUTH)?;
        keys.iter().find_map(|key| text(auth.get(key)))
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
