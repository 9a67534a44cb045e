//! Sums per key: every ended request once, in the hour and the day of its end, whatever became of the process in between.

use std::time::Duration;

use pooler_filter::{KeyId, RequestId, Timestamp};

use super::fixtures::{NOW, reserved, settlement, subject};
use super::{Bench, on_every_engine};
use crate::store::records::{LedgerEvent, Outcome, Settled, Span, Usage, UsageSums};
use crate::store::{Appended, LedgerStore};

on_every_engine!(
    an_ended_request_counts_once,
    unknown_usage_counts_as_a_request_without_tokens,
    a_request_for_which_no_account_was_asked_does_not_count,
    a_lost_request_counts_as_unknown,
    spans_begin_with_the_one_of_the_moment,
    keys_do_not_see_each_other,
    old_hours_are_pruned_and_days_stay,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

fn key() -> KeyId {
    subject().key.unwrap()
}

fn ended(id: RequestId, input: u64, at: Timestamp) -> Settled {
    Settled { subject: Some(subject()), at, ..settlement(id, input) }
}

async fn settle<B: Bench>(bench: &B, settled: Settled) -> Appended {
    bench.store().append(LedgerEvent::Settled(Box::new(settled))).wait().await.unwrap()
}

async fn hours<B: Bench>(bench: &B, since: Timestamp) -> UsageSums {
    bench.store().usage(&key(), Span::Hour, since).await.unwrap()
}

/// `n` requests of the fixtures, with this input in sum.
fn sums(requests: u64, input: u64) -> UsageSums {
    let n = requests;
    UsageSums { requests, unknown: 0, input, cached: n, cache_write: 0, output: 5 * n, reasoning: 2 * n }
}

async fn an_ended_request_counts_once<B: Bench>() {
    let bench = B::fresh();
    assert_eq!(hours(&bench, NOW).await, UsageSums::default());
    let id = RequestId::generate();
    bench.store().append(reserved(id, 1)).wait().await.unwrap();
    assert_eq!(hours(&bench, NOW).await, UsageSums::default(), "it is still open");
    let answers = [10, 20].map(|input| bench.store().append(LedgerEvent::Settled(Box::new(ended(id, input, NOW)))));
    assert_eq!(answers[0].wait().await, Ok(Appended::Recorded));
    assert_eq!(answers[1].wait().await, Ok(Appended::Repeated));
    assert_eq!(hours(&bench, NOW).await, sums(1, 10));
    let bench = bench.reboot();
    assert_eq!(settle(&bench, ended(id, 30, NOW)).await, Appended::Repeated);
    assert_eq!(hours(&bench, NOW).await, sums(1, 10));

    // Many in one group are summed up before they are written.
    let many: Vec<_> = (0..3000)
        .map(|_| bench.store().append(LedgerEvent::Settled(Box::new(ended(RequestId::generate(), 7, NOW)))))
        .collect();
    for durable in many {
        assert_eq!(durable.wait().await, Ok(Appended::Recorded));
    }
    assert_eq!(hours(&bench, NOW).await, sums(3001, 10 + 3000 * 7));
    assert_eq!(bench.store().usage(&key(), Span::Day, NOW).await.unwrap(), sums(3001, 10 + 3000 * 7));
    assert_eq!(hours(&bench, NOW).await.total(), 10 + 3000 * 7 + 5 * 3001);
}

async fn unknown_usage_counts_as_a_request_without_tokens<B: Bench>() {
    let bench = B::fresh();
    settle(&bench, ended(RequestId::generate(), 10, NOW)).await;
    settle(&bench, Settled { usage: Usage::Unknown, ..ended(RequestId::generate(), 10, NOW) }).await;
    assert_eq!(hours(&bench, NOW).await, UsageSums { requests: 2, unknown: 1, ..sums(1, 10) });
}

async fn a_request_for_which_no_account_was_asked_does_not_count<B: Bench>() {
    let bench = B::fresh();
    for outcome in [Outcome::Rejected, Outcome::Succeeded, Outcome::Cancelled] {
        let end = ended(RequestId::generate(), 10, NOW);
        settle(&bench, Settled { outcome, attempts: vec![], usage: Usage::Unknown, ..end }).await;
    }
    assert_eq!(hours(&bench, NOW).await, UsageSums::default());
}

async fn a_lost_request_counts_as_unknown<B: Bench>() {
    let bench = B::fresh();
    for _ in 0..700 {
        bench.store().append(reserved(RequestId::generate(), 1));
    }
    bench.store().flush().await.unwrap();
    let bench = bench.reboot();
    assert_eq!(bench.store().recover(NOW).await, Ok(700));
    assert_eq!(hours(&bench, NOW).await, UsageSums { requests: 700, unknown: 700, ..UsageSums::default() });
    assert_eq!(bench.store().recover(NOW).await, Ok(0));
    assert_eq!(hours(&bench, NOW).await.requests, 700);
}

async fn spans_begin_with_the_one_of_the_moment<B: Bench>() {
    let bench = B::fresh();
    let hour = Timestamp::from_secs(NOW.as_secs() / 3600 * 3600);
    let moments = [0, 3599, 3600, 2 * 3600, 30 * 3600].map(|after| hour.plus(Duration::from_secs(after)));
    for (n, at) in moments.into_iter().enumerate() {
        settle(&bench, ended(RequestId::generate(), 10_u64.pow(u32::try_from(n).unwrap()), at)).await;
    }
    for (since, input) in [
        (Timestamp::from_secs(0), 11_111),
        (hour, 11_111),
        (moments[1], 11_111),
        (moments[2], 11_100),
        (moments[3].plus(HOUR), 10_000),
        (moments[4].plus(HOUR), 0),
        (Timestamp::from_millis(u64::MAX), 0),
    ] {
        assert_eq!(hours(&bench, since).await.input, input, "{since:?}");
    }
    let all = bench.store().usage(&key(), Span::Day, Timestamp::from_secs(0)).await.unwrap();
    let last = bench.store().usage(&key(), Span::Day, moments[4]).await.unwrap();
    assert_eq!((all.input, last.input), (11_111, 10_000));
}

async fn keys_do_not_see_each_other<B: Bench>() {
    let bench = B::fresh();
    let keys = ["sk-cxp-0123456789ab", "sk-cxp-0123456789ac", "sk-cxp-0123456789a", ""].map(KeyId::new);
    for (n, key) in keys.iter().enumerate() {
        let end = ended(RequestId::generate(), 1 << n, NOW);
        let subject = crate::store::records::Subject { key: Some(key.clone()), ..subject() };
        settle(&bench, Settled { subject: Some(subject), ..end }).await;
    }
    for (n, key) in keys.iter().enumerate() {
        let all = bench.store().usage(key, Span::Hour, Timestamp::from_secs(0)).await.unwrap();
        assert_eq!(all, sums(1, 1 << n), "{key}");
    }
}

async fn old_hours_are_pruned_and_days_stay<B: Bench>() {
    let bench = B::fresh();
    // More than one step can take.
    for n in 0..1200 {
        settle(&bench, ended(RequestId::generate(), 1, Timestamp::from_secs(n * 3600))).await;
    }
    let at = |hours: u64| Timestamp::from_secs(hours * 3600);
    assert_eq!(bench.store().prune_usage(at(1100).plus(Duration::from_secs(1))).await, Ok(1100));
    assert_eq!(bench.store().prune_usage(at(1100)).await, Ok(0));
    assert_eq!(hours(&bench, at(0)).await.requests, 100);
    let days = async |since| bench.store().usage(&key(), Span::Day, since).await.unwrap().requests;
    // The cut is inside of day 45.
    for (since, requests) in [(0, 1200), (24, 1176), (1085, 120), (1104, 96), (1199, 24)] {
        assert_eq!(days(at(since)).await, requests, "{since}");
    }
    // One that comes for an hour that is gone already.
    settle(&bench, ended(RequestId::generate(), 1, at(3))).await;
    assert_eq!((days(at(0)).await, bench.store().prune_usage(at(1100)).await), (1201, Ok(1)));
    assert_eq!((days(at(0)).await, days(at(24)).await), (1201, 1176));
}
