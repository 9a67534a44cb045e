use super::*;
use bytes::Bytes;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn answer(status: u16, body: &str) -> Failure {
    Failure::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes(), None, NOW)
}

fn event(text: &str) -> Option<Failure> {
    let json = Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    let kind = EventKind::of(&json.root().get("type").unwrap().as_str().unwrap());
    Failure::in_event(kind, json.root(), NOW)
}

#[test]
fn each_status_has_its_verdict_and_its_public_answer() {
    // status, body, verdict, public status, public code
    let table: &[(u16, &str, Verdict, u16, &str)] = &[
        (400, r#"{"detail":"Store must be set to false"}"#, Verdict::Final, 400, "upstream_error"),
        (400, r#"{"error":{"code":"context_length_exceeded"}}"#, Verdict::Final, 400, "context_length_exceeded"),
        (
            400,
            r#"{"detail":"The 'x' model is not supported when using Codex with a ChatGPT account."}"#,
            Verdict::NextCandidate,
            400,
            "model_not_found",
        ),
        (400, "<html>", Verdict::Final, 400, "upstream_status"),
        (401, r#"{"detail":"Unauthorized"}"#, Verdict::Refresh, 503, "no_eligible_backend"),
        (402, r#"{"detail":{"code":"deactivated_workspace"}}"#, Verdict::NextCandidate, 503, "no_eligible_backend"),
        (403, "<html>cloudflare</html>", Verdict::NextCandidate, 503, "no_eligible_backend"),
        (403, r#"{"error":{"code":"cyber_policy"}}"#, Verdict::Final, 403, "cyber_policy"),
        (
            403,
            r#"{"error":{"code":"misalignment_policy_violation"}}"#,
            Verdict::Final,
            403,
            "misalignment_policy_violation",
        ),
        (404, r#"{"detail":"Not Found"}"#, Verdict::Final, 502, "upstream_status"),
        (
            404,
            r#"{"error":{"type":"invalid_request_error","param":"model","message":"m"}}"#,
            Verdict::NextCandidate,
            502,
            "upstream_status",
        ),
        (404, r#"{"error":{"code":"model_not_found"}}"#, Verdict::NextCandidate, 502, "model_not_found"),
        (409, r#"{"error":{"code":"conflict"}}"#, Verdict::Final, 409, "conflict"),
        (429, r#"{"error":{"type":"usage_limit_reached"}}"#, Verdict::NextCandidate, 429, "usage_limit_reached"),
        (429, "", Verdict::NextCandidate, 429, "upstream_rate_limited"),
        (500, "oops", Verdict::NextCandidate, 500, "upstream_error"),
        (503, r#"{"error":{"code":"server_is_overloaded"}}"#, Verdict::NextCandidate, 503, "server_is_overloaded"),
        (529, r#"{"error":{"code":"bad code!"}}"#, Verdict::NextCandidate, 529, "upstream_error"),
    ];
    for (status, body, verdict, public_status, public_code) in table {
        let failure = answer(*status, body);
        assert_eq!(failure.verdict(), *verdict, "{status} {body}");
        let reject = failure.public_reject(false, None);
        assert_eq!((reject.status().as_u16(), reject.code_str()), (*public_status, *public_code), "{status} {body}");
        assert!(reject.param.is_none() && !reject.message.contains("Store"), "{reject}");
    }
}

#[test]
fn each_terminal_code_has_its_verdict_and_its_status() {
    let table = [
        ("rate_limit_exceeded", Verdict::NextCandidate, 429),
        ("slow_down", Verdict::NextCandidate, 429),
        ("usage_limit_reached", Verdict::NextCandidate, 429),
        ("insufficient_quota", Verdict::NextCandidate, 429),
        ("server_is_overloaded", Verdict::NextCandidate, 503),
        ("overloaded_error", Verdict::NextCandidate, 503),
        ("server_error", Verdict::NextCandidate, 502),
        ("stream_incomplete", Verdict::NextCandidate, 502),
        ("upstream_request_timeout", Verdict::NextCandidate, 502),
        ("websocket_connection_limit_reached", Verdict::NextCandidate, 502),
        ("model_not_found", Verdict::NextCandidate, 502),
        ("context_length_exceeded", Verdict::Final, 400),
        ("invalid_prompt", Verdict::Final, 400),
        ("content_policy_violation", Verdict::Final, 400),
        ("cyber_policy", Verdict::Final, 400),
        ("bio_policy", Verdict::Final, 400),
        ("misalignment_policy_violation", Verdict::Final, 400),
        ("invalid_image_format", Verdict::Final, 400),
        ("invalid_audio_data", Verdict::Final, 400),
        ("something_new", Verdict::Final, 502),
    ];
    for (code, verdict, status) in table {
        let failed = event(&format!(
            r#"{{"type":"response.failed","response":{{"error":{{"code":"{code}","message":"secret"}}}}}}"#
        ));
        let error = event(&format!(r#"{{"type":"error","error":{{"code":"{code}"}}}}"#));
        let flat = event(&format!(r#"{{"type":"error","code":"{code}","message":"secret"}}"#));
        for failure in [failed, error, flat] {
            let failure = failure.expect("a failure");
            assert_eq!(failure.verdict(), verdict, "{code}");
            let reject = failure.public_reject(false, None);
            assert_eq!((reject.status().as_u16(), reject.code_str()), (status, code));
            assert!(!reject.message.contains("secret"));
        }
    }
}

#[test]
fn a_refused_token_of_the_account_is_never_told_as_the_clients_own() {
    for code in TOKEN {
        let failure = event(&format!(r#"{{"type":"error","error":{{"code":"{code}"}}}}"#)).unwrap();
        assert_eq!(failure.verdict(), Verdict::Refresh, "{code}");
        let reject = failure.public_reject(false, None);
        assert_eq!((reject.status().as_u16(), reject.code_str()), (503, "no_eligible_backend"), "{code}");
    }
}

#[test]
fn a_fault_of_the_service_that_has_only_a_type_moves_on() {
    let failure = event(r#"{"type":"error","error":{"type":"server_error","code":null,"message":"sorry"}}"#).unwrap();
    assert_eq!((failure.verdict(), failure.has_code("server_error")), (Verdict::NextCandidate, true));
    let failure = event(r#"{"type":"error","error":{"type":"invalid_request_error","code":null}}"#).unwrap();
    assert_eq!((failure.verdict(), failure.code.is_none()), (Verdict::Final, true));
}

#[test]
fn a_lost_response_is_masked_on_streams() {
    let mut failure = event(r#"{"type":"error","status":400,"error":{"code":"previous_response_not_found"}}"#).unwrap();
    failure.mask_lost_response();
    let reject = failure.public_reject(false, None);
    assert_eq!((reject.status().as_u16(), reject.code_str()), (502, "stream_incomplete"));
}

#[test]
fn an_incomplete_response_is_a_failure_only_when_its_reason_is() {
    assert!(
        event(r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#)
            .is_none()
    );
    assert!(event(r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"},"error":null}}"#).is_none());
    let failure =
        event(r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"rate_limit_exceeded"}}}"#);
    assert!(failure.is_some_and(|f| f.has_code("rate_limit_exceeded")));
    for unknown in ["max_messages", "steered"] {
        let text =
            format!(r#"{{"type":"response.incomplete","response":{{"incomplete_details":{{"reason":"{unknown}"}}}}}}"#);
        assert!(event(&text).is_none(), "{unknown}");
    }
    let failure = event(r#"{"type":"response.incomplete","response":{"error":{"code":"server_error"}}}"#);
    assert!(failure.is_some_and(|f| f.has_code("server_error")));
    assert!(event(r#"{"type":"response.completed","response":{"error":null}}"#).is_none());
}

#[test]
fn resets_and_waits_are_read_from_every_place_that_has_them() {
    let absolute = answer(429, r#"{"error":{"type":"usage_limit_reached","resets_at":1795000090}}"#);
    assert_eq!(
        (absolute.resets_at, absolute.wait),
        (Some(Timestamp::from_secs(1_795_000_090)), Some(Duration::from_secs(90)))
    );
    assert!(absolute.is_usage_limit());
    let relative = answer(429, r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":30}}"#);
    assert_eq!(relative.resets_at, Some(NOW.plus(Duration::from_secs(30))));
    let header = Failure::of_answer(StatusCode::TOO_MANY_REQUESTS, b"{}", Some(Duration::from_secs(2)), NOW);
    assert_eq!(header.wait, Some(Duration::from_secs(2)));
    let spoken = answer(429, r#"{"error":{"code":"rate_limit_exceeded","message":"Please Try again in 1.3s."}}"#);
    assert_eq!(spoken.wait, Some(Duration::from_millis(1300)));
    let millis = answer(429, r#"{"error":{"code":"rate_limit_exceeded","message":"try again in 250ms"}}"#);
    assert_eq!(millis.wait, Some(Duration::from_millis(250)));
}

#[test]
fn a_missing_file_stays_a_404_that_names_the_upstream_status() {
    let reject = answer(404, "{}").public_reject(true, None);
    assert_eq!(
        (reject.status().as_u16(), reject.code_str(), reject.error_type()),
        (404, "upstream_status", "invalid_request_error")
    );
    assert_eq!(reject.extra, Some(Extra::UpstreamStatus(404)));
}
