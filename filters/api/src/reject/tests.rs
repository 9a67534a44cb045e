use super::*;

fn parsed(reject: &Reject) -> serde_json::Value {
    serde_json::from_slice(&reject.envelope()).expect("the envelope is JSON")
}

#[test]
fn envelope_always_has_its_four_keys() {
    let mut reject = Reject::invalid("no \"quotes\" lost");
    reject.code = None;
    assert_eq!(
        parsed(&reject),
        serde_json::json!({"error":{"message":"no \"quotes\" lost","type":"invalid_request_error","code":null,"param":null}})
    );
}

#[test]
fn type_follows_from_status_and_code() {
    let kind = |status: u16| RejectKind::Upstream(StatusCode::from_u16(status).unwrap());
    let table = [
        (kind(400), "x", "invalid_request_error"),
        (kind(404), "x", "invalid_request_error"),
        (kind(429), "slow_down", "rate_limit_error"),
        (kind(429), "usage_limit_reached", "usage_limit_reached"),
        (kind(429), "insufficient_quota", "usage_limit_reached"),
        (kind(500), "x", "server_error"),
        (kind(529), "x", "server_error"),
        (RejectKind::RateLimited, "api_key_limit_exceeded", "rate_limit_error"),
        (RejectKind::UsageLimit, "quota_exhausted", "usage_limit_reached"),
        (RejectKind::Overloaded, "server_is_overloaded", "server_error"),
        (RejectKind::Unauthorized, "api_key_missing", "invalid_request_error"),
    ];
    for (kind, code, expected) in table {
        assert_eq!(Reject::new(kind, code, "m").error_type(), expected, "{kind:?} {code}");
    }
}

#[test]
fn extra_members_stand_beside_the_four() {
    let reset = Extra::QuotaReset { at: Timestamp::from_secs(1_795_329_905), in_seconds: 77 };
    let body = parsed(&Reject::new(RejectKind::UsageLimit, "quota_exhausted", "m").with_extra(reset));
    assert_eq!(body["error"]["resets_at"], 1_795_329_905_u64);
    assert_eq!(body["error"]["resets_in_seconds"], 77);
    let body =
        parsed(&Reject::new(RejectKind::NotFound, "upstream_status", "m").with_extra(Extra::UpstreamStatus(404)));
    assert_eq!(body["error"]["upstream_status"], 404);
}

#[test]
fn should_retry_false_stands_on_the_listed_errors_and_on_no_other() {
    let secs = Duration::from_secs;
    let make = |kind, code| Reject::new(kind, code, "m");
    let yes = [
        make(RejectKind::RateLimited, "api_key_limit_exceeded"),
        make(RejectKind::UsageLimit, "quota_exhausted").retry_after(secs(61)),
        make(RejectKind::Conflict, "duplicate_turn"),
        make(RejectKind::Unavailable, "pinned_continuation_unavailable"),
        make(RejectKind::Unavailable, "no_compatible_backend"),
        make(RejectKind::BadGateway, "invalid_upstream_response"),
        make(RejectKind::BadGateway, "upstream_response_too_large"),
        make(RejectKind::Internal, "gateway_accounting_failed"),
    ];
    let no = [
        make(RejectKind::RateLimited, "api_key_limit_exceeded").retry_after(secs(60)),
        make(RejectKind::Conflict, "file_not_ready"),
        make(RejectKind::Unavailable, "no_eligible_backend"),
        make(RejectKind::Overloaded, "server_is_overloaded"),
        make(RejectKind::BadGateway, "upstream_request_failed"),
        make(RejectKind::Internal, "internal_error"),
        make(RejectKind::Invalid, "invalid_request"),
        make(RejectKind::Unauthorized, "invalid_api_key"),
    ];
    assert!(yes.iter().all(Reject::forbids_retry));
    assert!(!no.iter().any(Reject::forbids_retry));
}

#[test]
fn retry_after_stands_on_our_own_limits_only_and_is_rounded_up() {
    let wait = Duration::from_millis(1500);
    let ours = Reject::new(RejectKind::Overloaded, "server_is_overloaded", "m").retry_after(wait);
    assert_eq!(ours.retry_after_seconds(), Some(2));
    let theirs = Reject::new(RejectKind::Unavailable, "server_is_overloaded", "m").retry_after(wait);
    assert_eq!(theirs.retry_after_seconds(), None);
}

#[test]
fn upstream_codes_are_kept_only_when_safe() {
    assert_eq!(Code::from_upstream(" a.b-C_9 ").unwrap().as_str(), "a.b-C_9");
    for bad in ["", "  ", "a b", "a\"b", "é", &"x".repeat(81)] {
        assert!(Code::from_upstream(bad).is_none(), "{bad}");
    }
    assert!(Code::from_upstream(&"x".repeat(80)).is_some());
}

#[test]
fn a_lost_continuation_tells_how_to_begin_anew() {
    let reject = Reject::lost_continuation("pinned_continuation_reauth_required");
    assert!(reject.forbids_retry());
    assert_eq!((reject.status().as_u16(), reject.error_type()), (503, "server_error"));
    assert_eq!(reject.headers["x-codex-recovery-kind"], "restart_with_full_context");
    let body: serde_json::Value = serde_json::from_slice(&reject.envelope()).unwrap();
    let error = &body["error"];
    assert_eq!((&error["retryable"], &error["requires_new_upstream_session"]), (&false.into(), &true.into()));
    assert_eq!(error["recovery_kind"], error["recovery"]["kind"]);
    assert_eq!(error["recovery"]["anchor_removal"]["body"][0], "previous_response_id");
    assert_eq!(error["recovery"]["anchor_removal"]["headers"].as_array().unwrap().len(), 9);
    assert_eq!(error["recovery"]["notes"].as_array().unwrap().len(), 2);
}
