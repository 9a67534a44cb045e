//! `GET /backend-api/wham/usage`.

use serde_json::{Value, json};

use super::accounts::Account;
use super::state::State;

pub(super) fn render(state: &State, account: &Account) -> Value {
    let rate_limit = state.meters.get(account.index()).map_or(Value::Null, |meter| meter.lock().usage());
    let reached = rate_limit.get("limit_reached") == Some(&Value::Bool(true));
    json!({
        "user_id": account.user_id(),
        "account_id": account.id(),
        "email": account.email(),
        "plan_type": account.plan(),
        "rate_limit": rate_limit,
        "code_review_rate_limit": null,
        "additional_rate_limits": [],
        "credits": {"has_credits": false, "unlimited": false, "balance": null},
        "spend_control": {"reached": false},
        "rate_limit_reached_type": reached.then(|| json!({"type": "rate_limit_reached"})),
        "rate_limit_reset_credits": {"available_count": 0},
        "promo": null,
    })
}
