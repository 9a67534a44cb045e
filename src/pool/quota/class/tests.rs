//! The class of an account, for all that can be known of it.

use super::*;
use crate::pool::quota::book::Credits;
use crate::pool::quota::rows::{Source, Window};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
const HOURS: u64 = 300;
const WEEK: u64 = 10_080;
const MONTH: u64 = 43_200;
/// Told a moment ago, and told too long ago.
const NEW: u64 = 10;
const OLD: u64 = 1_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(NOW.as_secs().saturating_add_signed(secs))
}

/// Percent used, minutes, reset in so many seconds, told so many seconds ago.
type Told = (f64, u64, Option<i64>, u64);

fn rows(told: &[Told]) -> Vec<Row> {
    let row = |(used_percent, minutes, reset, age): &Told| {
        let window = Window { used_percent: *used_percent, minutes: *minutes, reset_at: reset.map(at) };
        Row::new(Source::Headers, window, at(-i64::try_from(*age).unwrap()))
    };
    told.iter().map(row).collect()
}

fn limit(id: &str, told: &[Told]) -> LimitRows {
    LimitRows { id: id.to_owned(), rows: rows(told), ..LimitRows::default() }
}

fn book(told: &[Told]) -> Book {
    Book { limits: vec![limit(ACCOUNT_LIMIT, told)], ..Book::default() }
}

fn with_credits(told: &[Told], age: u64) -> Book {
    let credits = Credits { has_credits: true, unlimited: false, balance: Some("5".to_owned()) };
    Book { credits: Some((credits, at(-i64::try_from(age).unwrap()))), ..book(told) }
}

fn judged(book: &Book) -> (Class, Why) {
    let verdict = Verdict::of(book, NOW);
    (verdict.class, verdict.why)
}

fn usable(class: QuotaClass, why: Why) -> (Class, Why) {
    (Class::Usable(class), why)
}

fn exhausted(reset: Option<i64>, why: Why) -> (Class, Why) {
    (Class::Exhausted(reset.map(at)), why)
}

#[test]
fn every_state_of_the_windows_has_its_class() {
    use QuotaClass::{Precise, Unknown, Unmetered, WeeklyOnly};
    let (soon, later) = (Some(600), Some(6_000));
    let table: &[(&[Told], (Class, Why))] = &[
        (&[(5.0, HOURS, soon, NEW), (5.0, WEEK, later, NEW)], usable(Precise, Why::Fresh)),
        (&[(99.9, HOURS, soon, NEW)], usable(Precise, Why::Fresh)),
        (&[(5.0, MONTH, later, NEW)], usable(Precise, Why::Fresh)),
        (&[(5.0, HOURS, soon, NEW), (5.0, WEEK, None, NEW)], usable(Precise, Why::Fresh)),
        // Something is full.
        (&[(100.0, HOURS, soon, NEW), (5.0, WEEK, later, NEW)], exhausted(soon, Why::PrimaryExhausted)),
        (&[(5.0, HOURS, soon, NEW), (100.0, WEEK, later, NEW)], exhausted(later, Why::WeeklyExhausted)),
        (&[(100.0, HOURS, soon, NEW), (100.0, WEEK, later, NEW)], exhausted(later, Why::PrimaryExhausted)),
        (&[(100.0, HOURS, soon, NEW), (100.0, WEEK, None, NEW)], exhausted(None, Why::PrimaryExhausted)),
        (&[(100.0, WEEK, later, NEW)], exhausted(later, Why::WeeklyExhausted)),
        (&[(100.0, MONTH, later, NEW)], exhausted(later, Why::PrimaryExhausted)),
        (&[(100.0, HOURS, None, NEW)], exhausted(None, Why::PrimaryExhausted)),
        // It was full, but that is too long ago, or the window has begun anew.
        (&[(100.0, HOURS, soon, OLD)], usable(Unknown, Why::NotFresh)),
        (&[(100.0, HOURS, Some(0), NEW)], usable(Unknown, Why::ResetPassed)),
        (&[(100.0, WEEK, later, OLD)], usable(Unknown, Why::NotFresh)),
        (&[(100.0, WEEK, Some(-1), OLD)], usable(Unknown, Why::ResetPassed)),
        (&[(5.0, HOURS, soon, NEW), (100.0, WEEK, later, OLD)], usable(Precise, Why::Fresh)),
        // It is too old to be counted on.
        (&[(5.0, HOURS, soon, OLD), (5.0, WEEK, later, OLD)], usable(Unknown, Why::NotFresh)),
        (&[(5.0, HOURS, Some(-1), NEW), (5.0, WEEK, later, NEW)], usable(Unknown, Why::ResetPassed)),
        // The week alone: believed until its end.
        (&[(5.0, WEEK, later, NEW)], usable(WeeklyOnly, Why::PrimaryMissing)),
        (&[(5.0, WEEK, later, OLD)], usable(WeeklyOnly, Why::PrimaryMissing)),
        (&[(5.0, WEEK, Some(0), OLD)], usable(Unknown, Why::ResetPassed)),
        (&[(5.0, HOURS, None, NEW), (5.0, WEEK, later, NEW)], usable(WeeklyOnly, Why::PrimaryMissing)),
        // The hours are not told of any more.
        (&[(5.0, HOURS, soon, OLD), (5.0, WEEK, later, NEW)], usable(WeeklyOnly, Why::PrimaryMissing)),
        // No end in sight.
        (&[(5.0, HOURS, None, NEW)], usable(Unmetered, Why::ResetMissing)),
        (&[(5.0, WEEK, None, NEW)], usable(Unmetered, Why::ResetMissing)),
        (&[], usable(Unmetered, Why::ResetMissing)),
    ];
    for (told, expected) in table {
        assert_eq!(judged(&book(told)), *expected, "{told:?}");
    }
    assert_eq!(judged(&Book::default()), usable(Unknown, Why::EvidenceMissing));
}

#[test]
fn credits_help_against_a_full_week_or_month_and_nothing_else() {
    use QuotaClass::{CreditBacked, Precise};
    let (soon, later) = (Some(600), Some(6_000));
    let hours: Told = (5.0, HOURS, soon, NEW);
    let week: Told = (100.0, WEEK, later, NEW);
    for (told, age, expected) in [
        (vec![hours, week], NEW, usable(CreditBacked, Why::CreditsLeft)),
        (vec![week], NEW, usable(CreditBacked, Why::CreditsLeft)),
        (vec![hours, week], OLD, exhausted(later, Why::WeeklyExhausted)),
        (vec![(100.0, HOURS, soon, NEW), week], NEW, exhausted(later, Why::PrimaryExhausted)),
        (vec![(100.0, HOURS, soon, NEW)], NEW, exhausted(soon, Why::PrimaryExhausted)),
        (vec![(100.0, MONTH, later, NEW)], NEW, usable(Precise, Why::CreditsLeft)),
        (vec![(100.0, MONTH, later, NEW), week], NEW, usable(CreditBacked, Why::CreditsLeft)),
        (vec![(100.0, MONTH, later, NEW)], OLD, exhausted(later, Why::PrimaryExhausted)),
    ] {
        assert_eq!(judged(&with_credits(&told, age)), expected, "{told:?} {age}");
    }
}

#[test]
fn credits_are_positive_when_something_is_left_or_nothing_says_otherwise() {
    for (has_credits, unlimited, balance, expected) in [
        (true, false, Some("0.01"), true),
        (true, false, Some("0"), false),
        (true, false, Some("-3"), false),
        (true, false, Some("much"), false),
        (true, false, None, true),
        (false, false, Some("7"), false),
        (false, true, None, true),
    ] {
        let credits = Credits { has_credits, unlimited, balance: balance.map(str::to_owned) };
        let book = Book { credits: Some((credits.clone(), NOW)), ..Book::default() };
        assert_eq!(book.has_credits(NOW), expected, "{credits:?}");
    }
}

#[test]
fn the_upstreams_own_word_counts_while_it_is_fresh() {
    let told = |allowed, age: i64| {
        let mut book = book(&[(5.0, HOURS, Some(600), NEW)]);
        book.limits[0].allowed = Some((allowed, at(-age)));
        judged(&book)
    };
    assert_eq!(told(true, 10), usable(QuotaClass::Precise, Why::Fresh));
    assert_eq!(told(false, 10), exhausted(None, Why::NotAllowed));
    assert_eq!(told(false, 900), usable(QuotaClass::Precise, Why::Fresh));
}

#[test]
fn an_account_that_tells_of_credits_only_has_no_windows() {
    let book = Book { credits: Some((Credits::default(), NOW)), ..Book::default() };
    assert_eq!(judged(&book), usable(QuotaClass::Unmetered, Why::ResetMissing));
}

#[test]
fn the_limit_of_a_model_counts_for_that_model_alone() {
    let mut book = book(&[(5.0, HOURS, Some(600), NEW)]);
    book.limits.extend([
        LimitRows { name: Some("GPT-Fast".to_owned()), ..limit("codex_bengalfox", &[(100.0, WEEK, Some(60), NEW)]) },
        limit("codex_spark", &[(100.0, HOURS, None, NEW)]),
        limit("code_review", &[(100.0, HOURS, Some(60), NEW)]),
        LimitRows { name: Some("gpt-slow".to_owned()), ..limit("codex_slow", &[(99.0, HOURS, Some(60), NEW)]) },
        LimitRows { name: Some("gpt-old".to_owned()), ..limit("codex_old", &[(100.0, HOURS, Some(60), OLD)]) },
    ]);
    let verdict = Verdict::of(&book, NOW);
    for (model, expected) in [
        ("gpt-5.5", Class::Usable(QuotaClass::Precise)),
        ("gpt-fast", Class::Exhausted(Some(at(60)))),
        ("gpt-5.3-codex-spark", Class::Exhausted(None)),
        ("gpt-slow", Class::Usable(QuotaClass::Precise)),
        ("gpt-old", Class::Usable(QuotaClass::Precise)),
        ("code_review", Class::Usable(QuotaClass::Precise)),
        ("*", Class::Usable(QuotaClass::Precise)),
    ] {
        assert_eq!(verdict.for_model(model), expected, "{model}");
    }
}

#[test]
fn a_verdict_holds_exactly_until_time_alone_could_change_it() {
    let (hours, week): (Told, Told) = ((5.0, HOURS, Some(600), NEW), (100.0, WEEK, Some(6_000), 100));
    let mut book = with_credits(&[hours, week], 50);
    book.limits[0].allowed = Some((true, at(-20)));
    let mut now = NOW;
    let mut steps = Vec::new();
    while now.as_millis() < u64::MAX {
        let verdict = Verdict::of(&book, now);
        assert!(verdict.until > now);
        // Nothing changes in between.
        let last = Timestamp::from_millis(verdict.until.as_millis() - 1);
        let same = Verdict::of(&book, if verdict.until.as_millis() == u64::MAX { now } else { last });
        assert_eq!((same.class, same.why), (verdict.class, verdict.why));
        steps.push((now.since(NOW).as_secs(), verdict.why));
        now = verdict.until;
    }
    steps.dedup_by_key(|(_, why)| *why);
    assert_eq!(steps, [(0, Why::CreditsLeft), (800, Why::ResetPassed)]);
}

#[test]
fn classes_are_in_the_order_in_which_accounts_are_asked() {
    use QuotaClass::{CreditBacked, Precise, Unknown, Unmetered, WeeklyOnly};
    let mut classes = [Unmetered, WeeklyOnly, Unknown, CreditBacked, Precise];
    classes.sort_unstable();
    assert_eq!(classes, [Precise, CreditBacked, Unknown, WeeklyOnly, Unmetered]);
}
