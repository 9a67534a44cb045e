//! Each refusal of an `auth.json`, and what is read from a good one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const CANARY: &str = "canary-7f3a";

fn jwt(payload: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part("{\"alg\":\"none\"}"), part(&payload.to_string()), part(CANARY))
}

fn payload() -> Value {
    json!({
        "exp": 1_800_000_600,
        "email": "a@example.com",
        AUTH: {
            "chatgpt_account_id": "acc-claim",
            "user_id": "user-1",
            "chatgpt_plan_type": "plus",
            "chatgpt_compute_residency": "eu",
        },
    })
}

const AUTH: &str = "https://api.openai.com/auth";

fn auth_json() -> Value {
    json!({
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": jwt(&payload()),
            "access_token": jwt(&payload()),
            "refresh_token": format!("rt_{CANARY}"),
            "account_id": "acc-1",
        },
        "last_refresh": "2026-11-22T09:00:00.000000000Z",
    })
}

fn read(file: &Value) -> Result<Login, ImportError> {
    Login::from_auth_json(file.to_string().as_bytes(), NOW)
}

fn refusal(change: impl FnOnce(&mut Value)) -> &'static str {
    let mut file = auth_json();
    change(&mut file);
    let error = read(&file).unwrap_err();
    assert!(!error.to_string().contains(CANARY), "{error}");
    assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    error.code()
}

#[test]
fn reads_a_login() {
    let login = read(&auth_json()).unwrap();
    assert_eq!(login.chatgpt_account_id, "acc-1");
    assert_eq!(login.chatgpt_user_id.as_deref(), Some("user-1"));
    assert_eq!(login.email.as_deref(), Some("a@example.com"));
    assert_eq!(login.plan.as_deref(), Some("plus"));
    assert_eq!(login.residency.as_deref(), Some("eu"));
    assert_eq!(login.access_expires_at, Timestamp::from_secs(1_800_000_600));
    assert_eq!(login.refresh.expose(), format!("rt_{CANARY}"));
    assert_eq!((login.issuer, login.client_id.as_str()), (None, CODEX_CLIENT));
    assert!(!format!("{:?}", read(&auth_json()).unwrap()).contains(CANARY));
}

#[test]
fn takes_the_account_from_the_claims_when_the_file_does_not_name_it() {
    let mut file = auth_json();
    file["tokens"]["account_id"] = Value::Null;
    assert_eq!(read(&file).unwrap().chatgpt_account_id, "acc-claim");
}

#[test]
fn takes_issuer_and_client_from_the_provenance() {
    let mut file = auth_json();
    file["tokens"]["oauth_provenance"] = json!({"issuer": "http://127.0.0.1:9", "client_id": "app_x"});
    let login = read(&file).unwrap();
    assert_eq!(login.issuer.unwrap().as_str(), "http://127.0.0.1:9");
    assert_eq!(login.client_id, "app_x");
}

#[test]
fn takes_a_file_of_an_older_version_that_does_not_say_what_it_is() {
    let mut file = auth_json();
    file.as_object_mut().unwrap().remove("auth_mode");
    assert!(read(&file).is_ok());
}

#[test]
fn refuses_an_ended_access_token_as_expired_token() {
    let mut ended = payload();
    ended["exp"] = json!(1_800_000_000);
    assert_eq!(refusal(|f| f["tokens"]["access_token"] = json!(jwt(&ended))), "expired_token");
    ended["exp"] = json!(1_799_999_999.9);
    assert_eq!(refusal(|f| f["tokens"]["access_token"] = json!(jwt(&ended))), "expired_token");
}

#[test]
fn refuses_what_is_no_auth_json_as_invalid_auth_json() {
    for text in
        ["", "{", "[]", "null", "\"x\"", "{\"tokens\": \"canary-7f3a\"}", "{\"auth_mode\": {\"a\": \"canary-7f3a\"}}"]
    {
        let error = Login::from_auth_json(text.as_bytes(), NOW).unwrap_err();
        assert_eq!(error.code(), "invalid_auth_json", "{text}");
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
    assert_eq!(refusal(|f| f["tokens"]["access_token"] = json!([CANARY])), "invalid_auth_json");
    assert_eq!(refusal(|f| f["tokens"]["account_id"] = json!("a\r\nx-evil: 1")), "invalid_auth_json");
    assert_eq!(refusal(|f| f["tokens"]["account_id"] = json!("a".repeat(257))), "invalid_auth_json");
    for issuer in ["http://issuer.example", "https://issuer.example/path", "x"] {
        assert_eq!(refusal(|f| f["tokens"]["oauth_provenance"] = json!({ "issuer": issuer })), "invalid_auth_json");
    }
}

#[test]
fn refuses_a_file_over_64_kib_as_invalid_auth_json() {
    let mut text = auth_json().to_string();
    text.push_str(&" ".repeat(MAX_AUTH_JSON - text.len()));
    assert!(Login::from_auth_json(text.as_bytes(), NOW).is_ok());
    text.push(' ');
    assert_eq!(Login::from_auth_json(text.as_bytes(), NOW).unwrap_err().code(), "invalid_auth_json");
}

#[test]
fn refuses_what_is_no_token_as_invalid_token() {
    let no_end = jwt(&json!({ AUTH: { "chatgpt_account_id": "a" } }));
    for token in ["abc", "a.b", "a.b.c.d", "!!.e30.!!", "e30.W10.e30", "e30.bm90IGpzb24.e30", &no_end] {
        assert_eq!(refusal(|f| f["tokens"]["access_token"] = json!(token)), "invalid_token", "{token}");
    }
    assert_eq!(refusal(|f| f["tokens"]["id_token"] = json!("abc")), "invalid_token");
    assert_eq!(refusal(|f| f["tokens"]["refresh_token"] = json!("a\nb")), "invalid_token");
}

#[test]
fn refuses_a_login_of_nobody_as_missing_account_identifier() {
    let nobody = jwt(&json!({ "exp": 1_800_000_600 }));
    let code = refusal(|f| {
        f["tokens"] = json!({"id_token": nobody, "access_token": nobody, "refresh_token": "r"});
    });
    assert_eq!(code, "missing_account_identifier");
}

#[test]
fn refuses_a_missing_refresh_token_as_missing_refresh_token() {
    for absent in [Value::Null, json!(""), json!(" ")] {
        assert_eq!(refusal(|f| f["tokens"]["refresh_token"] = absent), "missing_refresh_token");
    }
}

#[test]
fn refuses_missing_access_and_id_tokens_as_missing_token() {
    for key in ["access_token", "id_token"] {
        assert_eq!(refusal(|f| f["tokens"][key] = Value::Null), "missing_token");
        assert_eq!(refusal(|f| f["tokens"][key] = json!("")), "missing_token");
    }
}

#[test]
fn refuses_a_file_without_tokens_as_missing_tokens() {
    assert_eq!(refusal(|f| f["tokens"] = Value::Null), "missing_tokens");
    assert_eq!(Login::from_auth_json(b"{}", NOW).unwrap_err().code(), "missing_tokens");
}

#[test]
fn refuses_other_kinds_of_login_as_unsupported_auth_json() {
    for mode in ["apikey", "agentIdentity", "personalAccessToken", "bedrock", ""] {
        assert_eq!(refusal(|f| f["auth_mode"] = json!(mode)), "unsupported_auth_json", "{mode}");
    }
    assert_eq!(refusal(|f| f["tokens"]["access_token"] = json!("at-canary-7f3a")), "unsupported_auth_json");
    let code = refusal(|f| {
        f["auth_mode"] = Value::Null;
        f["OPENAI_API_KEY"] = json!(CANARY);
    });
    assert_eq!(code, "unsupported_auth_json");
}
