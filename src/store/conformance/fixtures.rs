//! Records to test with.

use pooler_filter::{AccountId, KeyId, PoolId, RequestId, Timestamp};

use crate::store::records::{
    AccountRecord, AccountStatus, AssignmentRecord, AttemptRecord, KeyDigest, KeyPolicy, KeyRecord, KeyStatus,
    LedgerEvent, Outcome, PoolRecord, PoolSettings, PoolStatus, Reserved, SealedTokens, Settled, Subject, Usage,
    Version,
};
use crate::store::{Actor, ControlOp, ControlStore, ControlTx};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn actor() -> Actor {
    Actor::new("test", NOW)
}

pub(crate) fn pool(slug: &str) -> PoolRecord {
    PoolRecord {
        id: PoolId::generate(),
        slug: slug.to_owned(),
        name: format!("Pool {slug}"),
        status: PoolStatus::Active,
        settings: PoolSettings::default(),
        created_at: NOW,
        version: 0,
    }
}

pub(crate) fn key(pool: PoolId, digits: &str) -> KeyRecord {
    KeyRecord {
        id: KeyId::new(&format!("sk-cxp-{digits}")),
        pool,
        name: "key".to_owned(),
        status: KeyStatus::Active,
        expires_at: Some(NOW),
        created_at: NOW,
        digest: KeyDigest([7; 32]),
        pepper_id: "local".to_owned(),
        epoch: 0,
        policy: KeyPolicy { allowed_models: Some(vec!["gpt-5.5".to_owned()]) },
        version: 0,
    }
}

pub(crate) fn account(label: &str) -> AccountRecord {
    AccountRecord {
        id: AccountId::generate(),
        label: label.to_owned(),
        chatgpt_account_id: format!("acc-{label}"),
        chatgpt_user_id: None,
        email: Some(format!("{label}@example.com")),
        plan: Some("pro".to_owned()),
        origin: "https://chatgpt.example".to_owned(),
        issuer: "https://auth.example".to_owned(),
        client_id: "app_test".to_owned(),
        residency: None,
        simulated: true,
        status: AccountStatus::Active,
        created_at: NOW,
        version: 0,
    }
}

pub(crate) fn assignment(pool: PoolId, account: AccountId) -> AssignmentRecord {
    AssignmentRecord { pool, account, status: AccountStatus::Active, created_at: NOW, version: 0 }
}

pub(crate) fn tokens(mark: u8) -> SealedTokens {
    SealedTokens { refresh: vec![mark; 40], access: vec![mark, 1], access_expires_at: Some(NOW) }
}

/// Stores an account with its first tokens.
pub(crate) async fn imported(store: &impl ControlStore, label: &str) -> AccountId {
    let account = account(label);
    let id = account.id;
    let import = ControlOp::ImportTokens { account: id, parent: Version(0), tokens: tokens(1) };
    store.apply(ControlTx::new().with(ControlOp::PutAccount(account)).with(import), &actor()).await.unwrap();
    id
}

pub(crate) fn subject() -> Subject {
    Subject {
        pool: Some(PoolId::from_bytes([1; 16])),
        key: Some(KeyId::new("sk-cxp-0123456789ab")),
        route: "/v1/responses".to_owned(),
        transport: "http".to_owned(),
        model: Some("gpt-5.5".to_owned()),
        stream: true,
    }
}

/// `mark` tells one reservation of a request from another.
pub(crate) fn reserved(id: RequestId, mark: u64) -> LedgerEvent {
    LedgerEvent::Reserved(Box::new(Reserved {
        request_id: id,
        subject: subject(),
        account: None,
        estimated_input_tokens: mark,
        estimated_output_tokens: 512,
        reasoning_effort: Some("high".to_owned()),
        service_tier: None,
        at: NOW,
    }))
}

pub(crate) fn settlement(id: RequestId, mark: u64) -> Settled {
    let account = AccountId::from_bytes([9; 16]);
    Settled {
        request_id: id,
        subject: None,
        status: 200,
        outcome: Outcome::Succeeded,
        usage: Usage::Known { input: mark, cached: 1, cache_write: 0, output: 5, reasoning: 2, total: mark + 5 },
        account: Some(account),
        account_label: Some("a".to_owned()),
        attempts: vec![AttemptRecord {
            n: 1,
            account,
            account_label: "a".to_owned(),
            result: "ok".to_owned(),
            upstream_status: Some(200),
            error_code: None,
            latency_ms: 12,
        }],
        served_model: Some("gpt-5.5".to_owned()),
        served_tier: None,
        error_code: None,
        first_byte_ms: Some(10),
        duration_ms: 20,
        at: NOW,
    }
}

/// `mark` tells one settlement of a request from another.
pub(crate) fn settled(id: RequestId, mark: u64) -> LedgerEvent {
    LedgerEvent::Settled(Box::new(settlement(id, mark)))
}

/// An id that was made at this moment.
pub(crate) fn id_at(moment: Timestamp, salt: u8) -> RequestId {
    let mut bytes = [salt; 16];
    bytes[..6].copy_from_slice(&moment.as_millis().to_be_bytes()[2..]);
    RequestId::from_bytes(bytes)
}
