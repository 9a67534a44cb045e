//! What is told in each of the ways, and what comes of it.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use pooler_filter::QuotaClass;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn told(pairs: &[(&str, &str)]) -> Option<Evidence> {
    let quota = Quota::default();
    quota.note(account(1), &headers(pairs), NOW);
    quota.of(account(1), NOW)
}

fn window(used_percent: f64, minutes: u64, reset_at: Option<u64>) -> Option<Window> {
    Some(Window { used_percent, minutes, reset_at: reset_at.map(|after| Timestamp::from_secs(NOW.as_secs() + after)) })
}

#[test]
fn an_answer_tells_plan_windows_and_credits() {
    let evidence = told(&[
        ("x-codex-plan-type", "pro"),
        ("x-codex-primary-used-percent", "42.5"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-at", "1795000060"),
        ("x-codex-secondary-used-percent", "7"),
        ("x-codex-secondary-window-minutes", "10080"),
        ("x-codex-secondary-reset-at", "1795003600"),
        ("x-codex-credits-has-credits", "True"),
        ("x-codex-credits-balance", "12"),
    ]);
    let evidence = evidence.unwrap();
    assert_eq!(evidence.plan.as_deref(), Some("pro"));
    let limit = evidence.account_limit().unwrap();
    assert_eq!((limit.primary, limit.secondary), (window(42.5, 300, Some(60)), window(7.0, 10_080, Some(3600))));
    assert_eq!(evidence.credits, Some(Credits { has_credits: true, unlimited: false, balance: Some("12".into()) }));
}

#[test]
fn the_duration_of_a_window_says_what_it_is_and_not_its_slot() {
    let one = |minutes: &str| {
        let told = told(&[("x-codex-primary-used-percent", "5"), ("x-codex-primary-window-minutes", minutes)]);
        let limit = told.unwrap().limits.remove(0);
        (limit.primary.is_some(), limit.secondary.is_some())
    };
    assert_eq!((one("300"), one("1440"), one("43200")), ((true, false), (true, false), (true, false)));
    assert_eq!((one("10080"), one("1441")), ((false, true), (false, true)));
    // Without a word on it the slot is all there is.
    assert_eq!(one("0"), (true, false));
    let both = told(&[
        ("x-codex-primary-used-percent", "5"),
        ("x-codex-primary-window-minutes", "10080"),
        ("x-codex-secondary-used-percent", "9"),
    ]);
    assert_eq!(both.unwrap().limits[0].secondary, window(9.0, 10_080, None));
}

#[test]
fn a_slot_of_zeros_and_a_number_that_is_none_are_no_evidence() {
    for used in ["0", "NaN", "inf", "much", ""] {
        assert_eq!(told(&[("x-codex-primary-used-percent", used), ("x-codex-plan-type", "pro")]), None, "{used}");
    }
    assert!(told(&[("x-codex-primary-used-percent", "0"), ("x-codex-primary-window-minutes", "300")]).is_some());
}

#[test]
fn a_relative_reset_is_believed_of_short_windows_only() {
    let reset = |minutes| {
        let told = told(&[
            ("x-codex-primary-used-percent", "5"),
            ("x-codex-primary-window-minutes", minutes),
            ("x-codex-primary-reset-after-seconds", "60"),
        ]);
        let limit = told.unwrap().limits.remove(0);
        limit.primary.or(limit.secondary).unwrap().reset_at
    };
    assert_eq!((reset("300"), reset("10080")), (Some(NOW.plus(Duration::from_secs(60))), None));
}

#[test]
fn other_families_are_limits_of_their_own_and_bounded() {
    let evidence = told(&[
        ("x-codex-bengalfox-primary-used-percent", "3"),
        ("x-codex-bengalfox-limit-name", "gpt-5.2-codex-sonic"),
        ("x-codex-primary-used-percent", "1"),
    ]);
    let limits = evidence.unwrap().limits;
    let ids: Vec<_> = limits.iter().map(|limit| (limit.id.as_str(), limit.name.as_deref())).collect();
    assert_eq!(ids, [("codex", None), ("codex_bengalfox", Some("gpt-5.2-codex-sonic"))]);
    let names: Vec<String> = (0..100).map(|n| format!("x-limit{n}-primary-used-percent")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(told(&many).unwrap().limits.len(), 8);
}

#[test]
fn a_window_that_has_begun_anew_is_forgotten_and_silence_changes_nothing() {
    let quota = Quota::default();
    let now = headers(&[("x-codex-primary-used-percent", "5"), ("x-codex-primary-reset-at", "1795000060")]);
    quota.note(account(1), &now, NOW);
    quota.note(account(1), &HeaderMap::new(), NOW);
    assert!(quota.of(account(1), NOW).unwrap().limits[0].primary.is_some());
    let later = NOW.plus(Duration::from_secs(60));
    assert_eq!(quota.of(account(1), later).unwrap().limits[0].primary, None);
    assert_eq!(quota.of(account(2), NOW), None);
}

#[test]
fn the_table_is_bounded() {
    let quota = Quota::default();
    let told = headers(&[("x-codex-primary-used-percent", "5")]);
    for n in 0..=MOST_ACCOUNTS {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&u64::try_from(n).unwrap().to_be_bytes());
        quota.note(AccountId::from_bytes(id), &told, Timestamp::from_millis(u64::try_from(n).unwrap()));
    }
    assert_eq!(quota.books.lock().len(), MOST_ACCOUNTS);
    assert_eq!(quota.of(AccountId::from_bytes([0; 16]), NOW), None, "it was heard of longest ago");
}

fn event(data: &Value) -> Frame {
    Frame::event(data["type"].as_str().unwrap_or_default().to_owned(), data.to_string())
}

/// What one event tells.
fn heard(data: &Value) -> Option<Evidence> {
    let quota = Quota::default();
    quota.note_event(account(1), &event(data), NOW);
    quota.of(account(1), NOW)
}

fn class(quota: &Quota, model: &str, now: Timestamp) -> Class {
    quota.look().class(account(1), model, now)
}

fn after(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

/// The headers of the two usual windows.
fn usual(primary: &str, weekly: &str) -> HeaderMap {
    headers(&[
        ("x-codex-primary-used-percent", primary),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-at", "1795003600"),
        ("x-codex-secondary-used-percent", weekly),
        ("x-codex-secondary-window-minutes", "10080"),
        ("x-codex-secondary-reset-at", "1795360000"),
    ])
}

#[test]
fn a_rate_limits_event_tells_what_headers_tell() {
    let told = heard(&json!({"type": "codex.rate_limits", "plan_type": "pro", "rate_limits": {"allowed": true,
        "limit_reached": false, "primary": {"used_percent": 42, "window_minutes": 300, "reset_at": 1_795_000_060},
        "secondary": {"used_percent": 7.5, "window_minutes": 10080, "reset_at": 1_795_003_600}},
        "code_review_rate_limits": null, "credits": {"has_credits": true, "unlimited": true, "balance": null},
        "metered_limit_name": null, "limit_name": null, "promo": null}));
    let told = told.unwrap();
    assert_eq!(told.plan.as_deref(), Some("pro"));
    let limit = told.account_limit().unwrap();
    assert_eq!((limit.primary, limit.secondary), (window(42.0, 300, Some(60)), window(7.5, 10_080, Some(3600))));
    assert_eq!(told.credits, Some(Credits { has_credits: true, unlimited: true, balance: None }));
}

#[test]
fn an_event_of_another_limit_is_not_that_of_the_account() {
    for (metered, id) in [(json!("codex-bengalfox"), "codex_bengalfox"), (Value::Null, "gpt_5.2_codex_sonic")] {
        let told = heard(&json!({"type": "codex.rate_limits", "metered_limit_name": metered,
            "limit_name": "gpt-5.2-codex-sonic", "rate_limits": {"primary": {"used_percent": 3, "window_minutes": 300}}}));
        let limits = told.unwrap().limits;
        let ids: Vec<_> = limits.iter().map(|limit| (limit.id.as_str(), limit.name.as_deref())).collect();
        assert_eq!(ids, [(id, Some("gpt-5.2-codex-sonic"))]);
    }
}

#[test]
fn an_event_that_says_nothing_or_is_too_large_is_no_evidence() {
    let large = "x".repeat(MOST_TEXT);
    for event in [
        json!({"type": "codex.rate_limits", "plan_type": "pro"}),
        json!({"type": "codex.rate_limits", "rate_limits": {}}),
        json!({"type": "codex.rate_limits", "rate_limits": {"primary": {}, "secondary": null}}),
        json!({"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": "much"}}}),
        json!({"type": "codex.rate_limits", "x": large, "rate_limits": {"primary": {"used_percent": 5}}}),
        json!({"type": "codex.other", "rate_limits": {"primary": {"used_percent": 5}}}),
        json!({"type": "response.metadata", "headers": {"x-codex-primary-used-percent": []}}),
        json!({"type": "response.failed", "response": {"error": {"code": "usage_limit_reached", "resets_at": 1_795_000_060}}}),
    ] {
        assert_eq!(heard(&event), None, "{event}");
    }
    let quota = Quota::default();
    quota.note_event(account(1), &Frame::event("codex.rate_limits", "[1"), NOW);
    quota.note_refusal(account(1), b"", NOW);
    assert_eq!(quota.of(account(1), NOW), None);
}

#[test]
fn headers_that_an_event_repeats_are_headers() {
    for kind in ["response.metadata", "codex.response.metadata", "error"] {
        let repeated = json!({"X-Codex-Primary-Used-Percent": "5", "x-codex-primary-window-minutes": 300, "y": "7"});
        let told = heard(&json!({"type": kind, "headers": repeated})).unwrap();
        assert_eq!(told.account_limit().unwrap().primary, window(5.0, 300, None), "{kind}");
    }
}

#[test]
fn only_events_whose_label_may_tell_something_are_looked_at() {
    for name in ["codex.rate_limits", "response.metadata", "codex.response.metadata", "response.failed", "error"] {
        assert!(may_tell(&Frame::event(name, "{}")), "{name}");
    }
    assert!(may_tell(&Frame::unnamed(r#"{"type":"codex.rate_limits"}"#)));
    for name in ["response.output_text.delta", "response.created", "response.completed", "codex.rate_limits.more"] {
        assert!(!may_tell(&Frame::event(name, r#"{"type":"codex.rate_limits"}"#)), "{name}");
    }
    assert!(!may_tell(&Frame::unnamed(r#"{"type":"response.output_text.delta"}"#)));
}

#[test]
fn a_refusal_tells_of_a_window_only_with_its_length_and_its_end() {
    let told = |error: Value| {
        let quota = Quota::default();
        quota.note_refusal(account(1), json!({"error": error}).to_string().as_bytes(), NOW);
        quota.of(account(1), NOW).map(|told| (told.limits[0].primary, told.limits[0].secondary))
    };
    let full = json!({"type": "usage_limit_reached", "resets_at": 1_795_000_060, "window_minutes": 300});
    assert_eq!(told(full), Some((window(100.0, 300, Some(60)), None)));
    let relative = json!({"type": "usage_limit_reached", "resets_in_seconds": 60, "window_minutes": 300});
    assert_eq!(told(relative), Some((window(100.0, 300, Some(60)), None)));
    assert_eq!(told(json!({"type": "usage_limit_reached", "resets_at": 1_795_000_060})), None);
    assert_eq!(told(json!({"type": "usage_limit_reached", "window_minutes": 300})), None);
    // What is told relative to now is not believed of a week.
    assert_eq!(told(json!({"resets_in_seconds": 60, "window_minutes": 10080})), None);
}

#[test]
fn the_usage_page_tells_of_all_limits() {
    let quota = Quota::default();
    let slot = |used, secs| json!({"used_percent": used, "limit_window_seconds": secs, "reset_at": 1_795_000_060});
    let page = json!({"plan_type": "team", "rate_limit": {"allowed": true, "limit_reached": false,
            "primary_window": slot(1, 17_970), "secondary_window": slot(2, 604_800)},
        "additional_rate_limits": [{"limit_name": "GPT-5.3-Codex-Spark", "metered_feature": "codex-spark",
            "rate_limit": {"allowed": true, "primary_window": slot(100, 18_000)}}, {"rate_limit": 7}],
        "credits": {"has_credits": true, "unlimited": false, "balance": "9.5"}});
    assert!(quota.note_usage(account(1), page.to_string().as_bytes(), NOW));
    let told = quota.of(account(1), NOW).unwrap();
    assert_eq!(told.plan.as_deref(), Some("team"));
    assert_eq!(told.limits[0].primary, window(1.0, 300, Some(60)), "minutes are rounded up");
    assert_eq!(told.limits[0].secondary, window(2.0, 10_080, Some(60)));
    assert_eq!(told.limits[1].id, "codex_spark");
    assert_eq!(told.credits, Some(Credits { has_credits: true, unlimited: false, balance: Some("9.5".into()) }));
    assert_eq!(class(&quota, "gpt-5.5", NOW), Class::Usable(QuotaClass::Precise));
    assert_eq!(class(&quota, "gpt-5.3-codex-spark", NOW), Class::Exhausted(Some(after(60))));
    for nothing in ["", "[]", "{}", r#"{"plan_type":"team"}"#] {
        assert!(!quota.note_usage(account(2), nothing.as_bytes(), NOW), "{nothing}");
    }
}

#[test]
fn a_verdict_stands_until_it_may_change_and_is_then_made_anew() {
    let quota = Quota::default();
    assert_eq!(class(&quota, "gpt-5.5", NOW), Class::Usable(QuotaClass::Unknown));
    quota.note(account(1), &usual("100", "5"), NOW);
    let first = quota.look().verdict(account(1), NOW);
    let (class_then, why) = (first.class, first.why.as_str());
    assert_eq!((class_then, why, first.until), (Class::Exhausted(Some(after(3600))), "primary_exhausted", after(900)));
    assert_eq!(class(&quota, "gpt-5.5", after(899)), Class::Exhausted(Some(after(3600))));
    // Too old to keep an account out.
    assert_eq!(class(&quota, "gpt-5.5", after(900)), Class::Usable(QuotaClass::Unknown));
    assert_eq!(quota.look().verdict(account(1), after(900)).why.as_str(), "not_fresh");
    assert_eq!(class(&quota, "gpt-5.5", after(3600)), Class::Usable(QuotaClass::Unknown));
    assert_eq!(quota.look().verdict(account(1), after(3600)).why.as_str(), "reset_passed");
}

#[test]
fn the_table_is_replaced_only_by_what_requests_would_notice() {
    let quota = Quota::default();
    quota.note(account(1), &usual("5", "5"), NOW);
    let table = quota.verdicts.load_full();
    quota.note(account(1), &usual("6", "5"), after(1));
    quota.note(account(1), &usual("7", "5"), after(59));
    assert!(Arc::ptr_eq(&table, &quota.verdicts.load_full()));
    quota.note(account(1), &usual("8", "5"), after(60));
    assert!(!Arc::ptr_eq(&table, &quota.verdicts.load_full()), "it is to be believed for a minute longer");
    quota.note(account(1), &usual("100", "5"), after(61));
    assert_eq!(class(&quota, "gpt-5.5", after(61)), Class::Exhausted(Some(after(3600))));
}

#[test]
fn what_is_known_of_a_limit_stays_until_something_else_is_told_of_it() {
    let quota = Quota::default();
    quota.note(account(1), &usual("5", "6"), NOW);
    quota.note(account(1), &headers(&[("x-codex-bengalfox-primary-used-percent", "3")]), after(1));
    let told = quota.of(account(1), after(1)).unwrap();
    assert_eq!((told.limits.len(), told.account_limit().unwrap().used_percent()), (2, Some(6.0)));
    // Later limits push the oldest out, but never that of the account.
    for n in 0..20 {
        let name = format!("x-limit{n}-primary-used-percent");
        quota.note(account(1), &headers(&[(name.as_str(), "1")]), after(2 + n));
    }
    let told = quota.of(account(1), after(30)).unwrap();
    assert_eq!((told.limits.len(), told.limits[0].id.as_str()), (MOST_LIMITS, "codex"));
    assert!(told.limits.iter().any(|limit| limit.id == "limit19"));
}

#[test]
fn windows_that_are_not_told_any_more_are_gone_once_they_are_over() {
    let quota = Quota::default();
    quota.note(account(1), &usual("5", "6"), NOW);
    let allowed = event(&json!({"type": "codex.rate_limits", "rate_limits": {"allowed": true}}));
    quota.note_event(account(1), &allowed, after(3600));
    assert_eq!(class(&quota, "gpt-5.5", after(3600)), Class::Usable(QuotaClass::WeeklyOnly));
    quota.note_event(account(1), &allowed, after(360_000));
    assert_eq!(class(&quota, "gpt-5.5", after(360_000)), Class::Usable(QuotaClass::Unmetered));
    quota.note(
        account(1),
        &headers(&[("x-codex-primary-used-percent", "1"), ("x-codex-primary-reset-at", "1795400000")]),
        after(360_001),
    );
    assert_eq!(class(&quota, "gpt-5.5", after(360_001)), Class::Usable(QuotaClass::Precise));
}

#[test]
fn garbage_never_breaks_the_reader() {
    let quota = Quota::default();
    let seeds = [
        json!({"type": "codex.rate_limits", "rate_limits": {"allowed": true, "primary": {"used_percent": 42}}}),
        json!({"type": "error", "error": {"window_minutes": 300, "resets_at": 1}, "headers": {"x-a": "b"}}),
    ];
    for seed in seeds.map(|seed| seed.to_string().into_bytes()) {
        for at in 0..seed.len() {
            for byte in [b'"', b'{', b'}', b'9', b'-', 0xff, 0] {
                let mut data = seed.clone();
                data[at] = byte;
                quota.note_event(account(1), &Frame::unnamed(data.clone()), NOW);
                json::refusal(&data, NOW);
                json::usage(&data, NOW);
            }
        }
    }
}
