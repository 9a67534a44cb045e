//! Requests.

use pooler_filter::{AccountId, KeyId, PoolId, RequestId};

use super::*;
use crate::admin::reply::{AttemptRow, RequestRow, UsageRow};
use crate::store::records::{AttemptRecord, LedgerEvent, Lost, Outcome, Reserved, Settled, Subject, Usage};

fn subject(pool: PoolId) -> Subject {
    Subject {
        pool: Some(pool),
        key: Some(KeyId::new("sk-cxp-0123456789ab")),
        route: "/v1/responses".to_owned(),
        transport: "http".to_owned(),
        model: Some("gpt-5.5".to_owned()),
        stream: true,
    }
}

fn reserved(request_id: RequestId, pool: PoolId) -> LedgerEvent {
    LedgerEvent::Reserved(Box::new(Reserved {
        request_id,
        subject: subject(pool),
        account: None,
        estimated_input_tokens: 10,
        estimated_output_tokens: 20,
        reasoning_effort: Some("high".to_owned()),
        service_tier: None,
        at: START,
    }))
}

fn settled(request_id: RequestId, usage: Usage) -> LedgerEvent {
    let account = AccountId::from_bytes([7; 16]);
    let attempt = AttemptRecord {
        n: 1,
        account,
        account_label: "first".to_owned(),
        result: "rate_limited".to_owned(),
        upstream_status: Some(429),
        error_code: Some("usage_limit_reached".to_owned()),
        latency_ms: 3,
    };
    LedgerEvent::Settled(Box::new(Settled {
        request_id,
        subject: None,
        status: 200,
        outcome: Outcome::Succeeded,
        usage,
        account: Some(account),
        account_label: Some("second".to_owned()),
        attempts: vec![attempt],
        served_model: Some("gpt-5.5-x".to_owned()),
        served_tier: Some("default".to_owned()),
        error_code: None,
        first_byte_ms: Some(4),
        duration_ms: 9,
        at: START,
    }))
}

const USAGE: Usage = Usage::Known { input: 5, cached: 1, cache_write: 2, output: 3, reasoning: 1, total: 8 };

fn rows(replies: Vec<Reply>) -> Vec<RequestRow> {
    let row = |reply| if let Reply::Request(row) = reply { *row } else { panic!("{reply:?}") };
    replies.into_iter().map(row).collect()
}

/// A request id of that millisecond, with these last digits.
fn id(millis: u64, last: u8) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[15] = last;
    RequestId::from_bytes(bytes)
}

#[tokio::test]
async fn a_settled_request_is_shown_with_all_that_is_known() {
    let bench = Bench::with_pool().await;
    let (pool, request) = (bench.snapshot().await.pools[0].id, id(1, 1));
    bench.backend.parts.stores.ledger.append(reserved(request, pool));
    bench.backend.parts.stores.ledger.append(settled(request, USAGE));
    let shown = rows(bench.run(Command::RequestShow { id: request.to_string() }).await.unwrap()).remove(0);
    assert_eq!(
        (shown.state.as_str(), shown.status, shown.outcome.as_deref()),
        ("settled", Some(200), Some("succeeded"))
    );
    assert_eq!((shown.pool.as_deref(), shown.key.as_deref()), (Some("team"), Some("sk-cxp-0123456789ab")));
    assert_eq!((shown.route.as_deref(), shown.model.as_deref()), (Some("/v1/responses"), Some("gpt-5.5")));
    assert_eq!((shown.account.as_deref(), shown.duration_ms, shown.first_byte_ms), (Some("second"), Some(9), Some(4)));
    assert_eq!(shown.estimated_tokens, Some((10, 20)));
    let usage = UsageRow {
        input_tokens: 5,
        cached_tokens: 1,
        cache_write_tokens: 2,
        output_tokens: 3,
        reasoning_tokens: 1,
        total_tokens: 8,
    };
    assert_eq!((shown.usage_state.as_str(), shown.usage), ("known", Some(usage)));
    let [AttemptRow { n: 1, account, result, upstream_status: Some(429), latency_ms: 3, .. }] =
        shown.attempts.as_slice()
    else {
        panic!("{:?}", shown.attempts)
    };
    assert_eq!((account.as_str(), result.as_str()), ("first", "rate_limited"));
}

#[tokio::test]
async fn unknown_usage_is_neither_zero_nor_pending() {
    let bench = Bench::with_pool().await;
    let pool = bench.snapshot().await.pools[0].id;
    let ledger = &bench.backend.parts.stores.ledger;
    let (open, unknown, lost) = (id(1, 1), id(2, 2), id(3, 3));
    for request in [open, unknown, lost] {
        ledger.append(reserved(request, pool));
    }
    ledger.append(settled(unknown, Usage::Unknown));
    ledger.append(LedgerEvent::Lost(Lost { request_id: lost, at: START }));
    let listed = rows(bench.run(Command::RequestList { limit: 10 }).await.unwrap());
    let states: Vec<_> = listed.iter().map(|r| (r.state.as_str(), r.usage_state.as_str(), r.usage)).collect();
    assert_eq!(states, [("lost", "unknown", None), ("settled", "unknown", None), ("open", "pending", None)]);
}

#[tokio::test]
async fn requests_are_listed_newest_first_up_to_the_limit() {
    let bench = Bench::with_pool().await;
    let pool = bench.snapshot().await.pools[0].id;
    for n in 1..=5 {
        bench.backend.parts.stores.ledger.append(reserved(id(u64::from(n), n), pool));
    }
    let listed = rows(bench.run(Command::RequestList { limit: 2 }).await.unwrap());
    let ids: Vec<_> = listed.iter().map(|r| r.request_id.clone()).collect();
    assert_eq!(ids, [id(5, 5).to_string(), id(4, 4).to_string()]);
}

#[tokio::test]
async fn a_request_is_found_by_the_beginning_of_its_id() {
    let bench = Bench::with_pool().await;
    let pool = bench.snapshot().await.pools[0].id;
    let (one, two) = (id(0xaaaa_0000_0001, 1), id(0xaaaa_0000_0002, 2));
    for request in [one, two] {
        bench.backend.parts.stores.ledger.append(reserved(request, pool));
    }
    let show = |id: &str| bench.run(Command::RequestShow { id: id.to_owned() });
    let whole = one.to_string();
    assert_eq!(rows(show(&whole[..13]).await.unwrap())[0].request_id, whole);
    assert_eq!(show("aaaa").await.unwrap_err().code, "ambiguous");
    assert_eq!(show("aaa").await.unwrap_err().code, "invalid");
    assert_eq!(show("bbbb").await.unwrap_err().code, "not_found");
    assert_eq!(show(&id(9, 9).to_string()).await.unwrap_err().code, "not_found");
}
