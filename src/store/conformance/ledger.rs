//! The ledger: once per request and kind, found again, lost when its process died, pruned when it is old.

use std::time::Duration;

use pooler_filter::{AccountId, KeyId, PoolId, RequestId, Timestamp};

use super::fixtures::{NOW, id_at, reserved, settled, settlement, subject};
use super::{Bench, on_every_engine};
use crate::store::records::{LedgerEvent, Lost, Outcome, RequestState, Usage};
use crate::store::{Appended, LedgerStore, RequestFilter, StoreError};

on_every_engine!(
    settles_once,
    settles_what_was_never_reserved,
    a_reservation_that_comes_last_does_not_reopen,
    an_old_request_among_many_that_ended_is_found_after_a_crash,
    reservations_of_a_dead_boot_are_lost,
    lists_the_newest_first_and_filters,
    finds_rows_by_the_beginning_of_their_id,
    prunes_old_rows_in_steps_and_keeps_open_ones,
    long_texts_from_outside_are_cut,
    any_number_of_tasks_wait_for_one_event,
    a_flush_covers_everything_before_it,
);

async fn settles_once<B: Bench>() {
    let bench = B::fresh();
    let id = RequestId::generate();
    let appended =
        [reserved(id, 1), reserved(id, 2), settled(id, 10), settled(id, 20)].map(|e| bench.store().append(e));
    let mut results = Vec::new();
    for durable in &appended {
        results.push(durable.wait().await.unwrap());
    }
    use Appended::{Recorded, Repeated};
    assert_eq!(results, [Recorded, Repeated, Recorded, Repeated]);
    let bench = bench.reboot();
    assert_eq!(bench.store().append(settled(id, 30)).wait().await, Ok(Repeated));
    let row = bench.store().get(id).await.unwrap().unwrap();
    assert_eq!(row.state(), RequestState::Settled);
    assert_eq!(row.reserved.unwrap().estimated_input_tokens, 1);
    assert_eq!(row.settled.unwrap(), settlement(id, 10));
    assert_eq!(row.lost, None);
}

async fn settles_what_was_never_reserved<B: Bench>() {
    let bench = B::fresh();
    let mut refused = settlement(RequestId::generate(), 0);
    refused.outcome = Outcome::Rejected;
    refused.status = 429;
    refused.usage = Usage::Unknown;
    refused.subject = Some(subject());
    let id = refused.request_id;
    bench.store().append(LedgerEvent::Settled(Box::new(refused.clone()))).wait().await.unwrap();
    let row = bench.store().get(id).await.unwrap().unwrap();
    assert_eq!((row.state(), row.subject()), (RequestState::Settled, Some(&subject())));
    assert_eq!((row.settled, row.reserved), (Some(refused), None));
    let never = bench.store().append(LedgerEvent::Lost(Lost { request_id: RequestId::generate(), at: NOW }));
    assert_eq!(never.wait().await, Err(StoreError::NotFound));
}

async fn a_reservation_that_comes_last_does_not_reopen<B: Bench>() {
    let bench = B::fresh();
    let id = RequestId::generate();
    bench.store().append(settled(id, 10));
    assert_eq!(bench.store().append(reserved(id, 1)).wait().await, Ok(Appended::Recorded));
    let bench = bench.reboot();
    assert_eq!(bench.store().recover(NOW).await, Ok(0));
    let row = bench.store().get(id).await.unwrap().unwrap();
    assert_eq!((row.state(), row.reserved.is_some()), (RequestState::Settled, true));
}

async fn an_old_request_among_many_that_ended_is_found_after_a_crash<B: Bench>() {
    let made = |seconds: u64| {
        let mut bytes = *RequestId::generate().as_bytes();
        bytes[..6].copy_from_slice(&(NOW.as_millis() + seconds * 1000).to_be_bytes()[2..]);
        RequestId::from_bytes(bytes)
    };
    let bench = B::fresh();
    assert_eq!(bench.store().recover(NOW).await, Ok(0));
    let (old, young) = (made(100), made(1000));
    bench.store().append(reserved(old, 1)).wait().await.unwrap();
    for seconds in (200..900).step_by(100) {
        let id = made(seconds);
        bench.store().append(reserved(id, 1)).wait().await.unwrap();
        bench.store().append(settled(id, 1)).wait().await.unwrap();
    }
    bench.store().append(reserved(young, 1)).wait().await.unwrap();
    let bench = bench.reboot();
    // The clock was set back meanwhile.
    let back = made(0);
    bench.store().append(reserved(back, 1)).wait().await.unwrap();
    assert_eq!(bench.store().recover(NOW).await, Ok(2));
    for id in [old, young] {
        assert_eq!(bench.store().get(id).await.unwrap().unwrap().state(), RequestState::Lost);
    }
    bench.store().append(reserved(made(2000), 1)).wait().await.unwrap();
    let bench = bench.reboot();
    assert_eq!(bench.store().recover(NOW).await, Ok(2));
}

async fn reservations_of_a_dead_boot_are_lost<B: Bench>() {
    let bench = B::fresh();
    // More than one step of the recovery can take.
    let dead: Vec<RequestId> = (0..1200).map(|_| RequestId::generate()).collect();
    for id in &dead {
        bench.store().append(reserved(*id, 1));
    }
    bench.store().append(settled(dead[0], 1)).wait().await.unwrap();
    assert_eq!(bench.store().recover(NOW).await, Ok(0), "its own boot lives");

    let bench = bench.reboot();
    let mine = RequestId::generate();
    bench.store().append(reserved(mine, 1)).wait().await.unwrap();
    let later = NOW.plus(Duration::from_secs(5));
    assert_eq!(bench.store().recover(later).await, Ok(1199));
    assert_eq!(bench.store().recover(later).await, Ok(0));
    let row = bench.store().get(dead[1199]).await.unwrap().unwrap();
    assert_eq!((row.state(), row.lost.unwrap().at), (RequestState::Lost, later));
    assert_eq!(bench.store().append(settled(dead[5], 1)).wait().await, Ok(Appended::Repeated));
    assert_eq!(bench.store().get(dead[5]).await.unwrap().unwrap().state(), RequestState::Lost);
    assert_eq!(bench.store().get(mine).await.unwrap().unwrap().state(), RequestState::Open);
}

async fn lists_the_newest_first_and_filters<B: Bench>() {
    let bench = B::fresh();
    let ids: Vec<RequestId> =
        (0..10).map(|n| id_at(NOW.plus(Duration::from_millis(n)), u8::try_from(n).unwrap())).collect();
    for (n, id) in ids.iter().enumerate().rev() {
        bench.store().append(reserved(*id, 1));
        let mut end = settlement(*id, 1);
        end.outcome = if n < 2 { Outcome::Failed } else { Outcome::Succeeded };
        end.account = Some(AccountId::from_bytes([u8::from(n == 4); 16]));
        if n != 7 {
            bench.store().append(LedgerEvent::Settled(Box::new(end)));
        }
    }
    bench.store().flush().await.unwrap();
    let list = async |limit, filter| -> Vec<RequestId> {
        bench.store().recent(limit, filter).await.unwrap().iter().map(|row| row.request_id).collect()
    };
    let all = RequestFilter::default();
    assert_eq!(list(3, all.clone()).await, [ids[9], ids[8], ids[7]]);
    assert_eq!(list(100, all.clone()).await.len(), 10);
    assert!(list(0, all.clone()).await.is_empty());
    assert_eq!(list(5, RequestFilter { outcome: Some(Outcome::Failed), ..all.clone() }).await, [ids[1], ids[0]]);
    assert_eq!(list(5, RequestFilter { state: Some(RequestState::Open), ..all.clone() }).await, [ids[7]]);
    let account = Some(AccountId::from_bytes([1; 16]));
    assert_eq!(list(5, RequestFilter { account, ..all.clone() }).await, [ids[4]]);
    let pool = subject().pool;
    assert_eq!(list(99, RequestFilter { pool, ..all.clone() }).await.len(), 10);
    let pool = Some(PoolId::generate());
    assert!(list(99, RequestFilter { pool, ..all.clone() }).await.is_empty());
    let key = Some(KeyId::new("sk-cxp-ffffffffffff"));
    assert!(list(99, RequestFilter { key, ..all }).await.is_empty());
}

async fn finds_rows_by_the_beginning_of_their_id<B: Bench>() {
    let bench = B::fresh();
    let ids = [[0x11; 16], [0x12; 16], [0xff; 16]].map(RequestId::from_bytes);
    for id in ids {
        bench.store().append(settled(id, 1));
    }
    bench.store().flush().await.unwrap();
    let find = async |prefix: &str| -> Vec<RequestId> {
        bench.store().find(prefix, 10).await.unwrap().iter().map(|row| row.request_id).collect()
    };
    assert_eq!(find("1").await, [ids[1], ids[0]]);
    assert_eq!(find("12").await, [ids[1]]);
    assert_eq!(find("11111111-1").await, [ids[0]]);
    assert_eq!(find(&ids[2].to_string()).await, [ids[2]]);
    assert_eq!(find("FFFF").await, [ids[2]]);
    for nothing in ["", "-", "13", "xyz", "é", &"1".repeat(33)] {
        assert!(find(nothing).await.is_empty(), "{nothing}");
    }
    assert_eq!(bench.store().find("1", 1).await.unwrap().len(), 1);
    assert_eq!(bench.store().get(RequestId::generate()).await, Ok(None));
}

async fn prunes_old_rows_in_steps_and_keeps_open_ones<B: Bench>() {
    let bench = B::fresh();
    let id = |millis: u64| id_at(Timestamp::from_millis(1_000_000 + millis), 0);
    for millis in 0..1300 {
        bench.store().append(settled(id(millis), 1));
    }
    bench.store().append(reserved(id(2000), 1)).wait().await.unwrap();
    assert_eq!(bench.store().prune(Timestamp::from_millis(1_000_000)).await, Ok(0));
    assert_eq!(bench.store().prune(Timestamp::from_millis(1_001_200)).await, Ok(1200));
    assert_eq!(bench.store().recent(9999, RequestFilter::default()).await.unwrap().len(), 101);
    assert_eq!(bench.store().prune(Timestamp::from_millis(u64::MAX)).await, Ok(100));
    let left = bench.store().recent(9999, RequestFilter::default()).await.unwrap();
    assert_eq!(left.iter().map(|row| row.request_id).collect::<Vec<_>>(), [id(2000)]);
}

async fn long_texts_from_outside_are_cut<B: Bench>() {
    let bench = B::fresh();
    let mut end = settlement(RequestId::generate(), 1);
    end.error_code = Some("é".repeat(100_000));
    end.attempts = vec![end.attempts[0].clone(); 5000];
    let id = end.request_id;
    bench.store().append(LedgerEvent::Settled(Box::new(end))).wait().await.unwrap();
    let stored = bench.store().get(id).await.unwrap().unwrap().settled.unwrap();
    assert_eq!((stored.error_code.unwrap().len(), stored.attempts.len()), (256, 64));
}

async fn any_number_of_tasks_wait_for_one_event<B: Bench>() {
    let bench = B::fresh();
    let durable = bench.store().append(settled(RequestId::generate(), 1));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let durable = durable.clone();
            tokio::spawn(async move { durable.wait().await })
        })
        .collect();
    for task in waiting {
        assert_eq!(task.await.unwrap(), Ok(Appended::Recorded));
    }
    assert!(durable.is_done());
    assert_eq!(durable.peek(), Some(Ok(Appended::Recorded)));
}

async fn a_flush_covers_everything_before_it<B: Bench>() {
    let bench = B::fresh();
    let events: Vec<_> = (0..3000).map(|_| bench.store().append(settled(RequestId::generate(), 1))).collect();
    bench.store().flush().await.unwrap();
    assert!(events.iter().all(|durable| durable.peek() == Some(Ok(Appended::Recorded))));
    let stats = bench.store().commit_stats();
    assert!(stats.commits > 0 && stats.operations >= 3000 && stats.queued == 0);
}
