//! The control endpoint.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::super::{Simulator, SimulatorConfig};
use super::client::{Answer, Close, post, request, turn};
use super::{PATIENCE, simulator};

async fn order(simulator: &Simulator, method: &str, path: &str, body: &str) -> Answer {
    let url = simulator.control_url().unwrap();
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    request(address, method, path, &[], body.as_bytes()).await
}

#[tokio::test]
async fn sets_one_account_to_429_and_one_to_cut() {
    let simulator = simulator().await;
    let body = json!([{"account": "sim-0", "fault": "usage_limit_reached"},
                      {"account": 1, "fault": {"kind": "cut", "after_events": 3}, "times": 1}]);
    let answer = order(&simulator, "POST", "/faults", &body.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"ids": [1, 2]})));
    assert_eq!(post(&simulator, 0, &turn("hello")).await.status, 429);
    assert_eq!(post(&simulator, 1, &turn("hello")).await.close, Close::Cut);
    assert_eq!(post(&simulator, 2, &turn("hello")).await.status, 200);
    let state = order(&simulator, "GET", "/state", "").await.json();
    assert_eq!(state["faults"][0]["fault"], "usage_limit_reached");
    assert_eq!((&state["faults"][1]["left"], &state["faults"][1]["hits"]), (&json!(0), &json!(1)));
    assert_eq!(state["accounts"].as_array().unwrap().len(), 3);
    order(&simulator, "DELETE", "/faults/1", "").await;
    assert_eq!(post(&simulator, 0, &turn("hello")).await.status, 200);
    order(&simulator, "DELETE", "/faults", "").await;
    assert_eq!(order(&simulator, "GET", "/faults", "").await.json(), json!({"faults": []}));
}

#[tokio::test]
async fn understands_every_order_of_the_documentation() {
    let simulator = simulator().await;
    let page = include_str!("../../simulator.rs");
    let example: String = page
        .lines()
        .skip_while(|line| !line.starts_with("//! ```json"))
        .skip(1)
        .take_while(|line| !line.starts_with("//! ```"))
        .map(|line| line.trim_start_matches("//!"))
        .collect();
    let answer = order(&simulator, "POST", "/faults", &example).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let orders: Value = serde_json::from_str(&example).unwrap();
    assert_eq!(answer.json()["ids"].as_array().unwrap().len(), orders.as_array().unwrap().len());
    let bare = [
        "html",
        "empty_body",
        "invalid_json200",
        "no_terminal",
        "garbage_block",
        "no_output_in_completed",
        "missing_usage",
        "usage_without_total",
        "end_turn_false",
        "open_ai_model_mismatch",
        "one_byte_chunks",
        "cr_lf",
        "done_instead_of_completed",
        "rate_limits_event",
        "overloaded_in_stream",
        "refresh500",
        "refresh_cut",
        "encrypted_content_expired",
    ];
    for name in bare {
        let answer = order(&simulator, "POST", "/faults", &json!({"fault": name}).to_string()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn refuses_orders_it_does_not_understand() {
    let simulator = simulator().await;
    for body in [
        "",
        "{}",
        r#"{"fault":"no_such_fault"}"#,
        r#"{"fault":{"kind":"cut"}}"#,
        r#"{"fault":{"kind":"cut","after_events":1,"extra":1}}"#,
        r#"{"fault":"html","account":"nobody"}"#,
        r#"{"fault":"html","typo":1}"#,
        r#"{"fault":{"kind":"answer","with":{"call_of":{"tool":"exec_command"}}}}"#,
    ] {
        assert_eq!(order(&simulator, "POST", "/faults", body).await.status, 400, "{body}");
    }
    assert_eq!(order(&simulator, "GET", "/faults", "").await.json(), json!({"faults": []}));
    assert_eq!(order(&simulator, "POST", "/accounts/9/expire", "").await.status, 404);
    assert_eq!(order(&simulator, "GET", "/nothing", "").await.status, 404);
}

#[tokio::test]
async fn shows_requests_without_credentials_and_unknown_values() {
    let simulator = simulator().await;
    let account = &simulator.accounts()[2];
    let tokens = account.login();
    let bearer = format!("Bearer {}", tokens.access_token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("chatgpt-account-id", account.id()),
        ("content-type", "application/json"),
        ("cookie", "secret"),
        ("user-agent", "agent/1"),
    ];
    let body = turn("hello").to_string();
    request(simulator.address(), "POST", "/backend-api/codex/responses?x=1", &headers, body.as_bytes()).await;
    assert!(simulator.wait_for(|all| all.len() == 1 && all[0].ended.is_some(), PATIENCE).await);
    let text = order(&simulator, "GET", "/requests", "").await.text().to_owned();
    assert!(!text.contains(&tokens.access_token) && !text.contains("secret"));
    let shown: Value = serde_json::from_str(&text).unwrap();
    let one = &shown["requests"][0];
    assert_eq!((&one["account"], &one["status"], &one["ended"]), (&json!("sim-2"), &json!(200), &json!("served")));
    assert_eq!(one["headers"]["authorization"], "sim-2");
    assert_eq!(one["headers"]["cookie"], "[present]");
    assert_eq!(one["headers"]["user-agent"], "agent/1");
    assert_eq!((&one["body_bytes"], &one["query"]), (&json!(body.len()), &json!("x=1")));
    assert_eq!(one["body"]["model"], "gpt-5.5");
    simulator.record_bodies(false);
    post(&simulator, 0, &turn("private words")).await;
    assert!(!order(&simulator, "GET", "/requests", "").await.text().contains("private words"));
    order(&simulator, "DELETE", "/requests", "").await;
    assert!(simulator.requests().is_empty());
}

#[tokio::test]
async fn expires_revokes_logs_in_and_sets_quota() {
    let simulator = simulator().await;
    let before = simulator.accounts()[0].login().access_token;
    let bearer = format!("Bearer {before}");
    let headers = [("authorization", bearer.as_str()), ("chatgpt-account-id", simulator.accounts()[0].id())];
    let status = async || request(simulator.address(), "GET", "/backend-api/codex/models", &headers, b"").await.status;
    assert_eq!(status().await, 200);
    assert_eq!(order(&simulator, "POST", "/accounts/sim-0/expire", "").await.status, 200);
    assert_eq!(status().await, 401);
    let login = order(&simulator, "POST", "/accounts/0/login", "").await.json();
    assert_eq!(login["tokens"]["account_id"], simulator.accounts()[0].id());
    assert_eq!(order(&simulator, "POST", "/accounts/1/quota", r#"{"primary":100}"#).await.status, 200);
    assert_eq!(post(&simulator, 1, &turn("hello")).await.status, 429);
    assert_eq!(order(&simulator, "POST", "/accounts/2/revoke", "").await.status, 200);
}

#[tokio::test]
async fn keeps_browsers_and_other_machines_out() {
    let simulator = simulator().await;
    let address: SocketAddr = simulator.control_url().unwrap()[7..].parse().unwrap();
    let answer = request(address, "GET", "/state", &[("origin", "https://example.com")], b"").await;
    assert_eq!(answer.status, 403);
    let control = Some("0.0.0.0:0".parse().unwrap());
    let refused = Simulator::start(SimulatorConfig { control, ..SimulatorConfig::default() }).await;
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn takes_models_away_and_gives_them_back() {
    let simulator = simulator().await;
    for (body, status, answer) in [
        (r#"{"without":["gpt-5.5"]}"#, 200, 400),
        (r#"{"without":["gpt-9"]}"#, 400, 400),
        (r#"{"only":["gpt-5.5"]}"#, 400, 400),
        (r#"{"without":[]}"#, 200, 200),
    ] {
        assert_eq!(order(&simulator, "POST", "/accounts/sim-0/models", body).await.status, status, "{body}");
        assert_eq!(post(&simulator, 0, &turn("hello")).await.status, answer, "{body}");
    }
}
