use http::{HeaderName, HeaderValue};

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
    assert_eq!(evidence.credits, Some(Credits { has_credits: true, balance: Some("12".into()) }));
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
    assert_eq!((reset("300"), reset("10080")), (Some(NOW.plus(std::time::Duration::from_secs(60))), None));
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
    let later = NOW.plus(std::time::Duration::from_secs(60));
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
    assert_eq!(quota.0.lock().len(), MOST_ACCOUNTS);
    assert_eq!(quota.of(AccountId::from_bytes([0; 16]), NOW), None, "it was heard of longest ago");
}
