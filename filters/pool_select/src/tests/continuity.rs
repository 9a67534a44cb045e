//! What binds a request to an account: files, earlier responses, items that only one account can read, and who has the model.

use pooler_filter::{FileFacts, FileStanding, Surface, TurnState};

use super::*;

fn replayed(text: &str) -> Replayed {
    Replayed { digest: Sha256::digest(text).into(), place: Some(0..1) }
}

fn file(ports: &FakePorts, id: &str, n: u8, standing: FileStanding) {
    ports.files.lock().insert(id.into(), FileFacts { account: account(n), standing });
}

fn with_files(ids: &[&str]) -> Ask {
    Ask::new().intent(|intent| intent.files = ids.iter().map(|&id| id.into()).collect())
}

fn continuing(id: &str) -> Ask {
    Ask::new().intent(|intent| intent.previous_response_id = Some(id.into()))
}

fn told(reject: &Reject) -> (u16, &str, &str) {
    (reject.status().as_u16(), reject.code_str(), reject.param.as_deref().unwrap_or("-"))
}

/// Lets the account answer with this frame, through the stage.
async fn answered_by(ports: &Arc<FakePorts>, n: u8, frame: Frame) {
    answered_to(ports, Ask::new(), n, frame).await;
}

/// The same for a request of its own.
async fn answered_to(ports: &Arc<FakePorts>, ask: Ask, n: u8, frame: Frame) {
    let (flow, mut cx, _) = ask.of(ports).await;
    assert!(flow.is_ok());
    write(&mut cx, Served { account: account(n), label: "".into(), attempt: 1 });
    let mut head = ResponseHead::new(http::StatusCode::OK, Carrier::Sse, Delivery::Stream);
    let mut stages = chain(ports).response(&mut head, &mut cx).unwrap();
    let mut out = Vec::new();
    stages.frame(frame, &mut out, &mut cx).unwrap();
    assert_eq!(out.len(), 1, "the frame goes on");
}

fn created(id: &str) -> Frame {
    Frame::event("response.created", format!(r#"{{"type":"response.created","response":{{"id":"{id}"}}}}"#))
}

#[tokio::test]
async fn a_file_binds_the_request_to_the_account_that_has_it() {
    let ports = with_accounts(4);
    for n in 1..=4 {
        file(&ports, &format!("file_{n}"), n, FileStanding::Ready);
        assert_eq!(with_files(&[&format!("file_{n}")]).plan(&ports).await, [(account(n), Reason::Pinned)]);
    }
    let conflict = with_files(&["file_1", "file_2"]).refused(&ports).await;
    assert_eq!(told(&conflict), (409, "file_assignment_conflict", "file_id"));
    assert_eq!(told(&with_files(&["file_9"]).refused(&ports).await), (404, "file_not_found", "file_id"));
    for standing in [FileStanding::Pending, FileStanding::Failed] {
        file(&ports, "file_5", 1, standing);
        assert_eq!(told(&with_files(&["file_5"]).refused(&ports).await), (409, "file_not_ready", "file_id"));
    }
    file(&ports, "file_6", 6, FileStanding::Ready);
    let left = with_files(&["file_6"]).refused(&ports).await;
    assert_eq!(left.code_str(), "file_assignment_conflict", "its account left the pool");
    let elsewhere = with_files(&["file_1"]).intent(|intent| intent.sources = Some([account(2)].into()));
    assert_eq!(elsewhere.refused(&ports).await.code_str(), "file_assignment_conflict", "its account lacks the model");
}

#[tokio::test]
async fn a_response_is_continued_by_the_account_that_gave_it_or_by_nobody() {
    let ports = with_accounts(3);
    answered_by(&ports, 2, created("resp_1")).await;
    assert_eq!(continuing("resp_1").plan(&ports).await, [(account(2), Reason::Pinned)]);
    set(&ports, 2, |view| view.demoted = true);
    assert_eq!(continuing("resp_1").plan(&ports).await.len(), 1, "a demotion does not lift the pin");
    for (standing, code) in [
        (Standing::Exhausted(None), "pinned_continuation_unavailable"),
        (Standing::Unready, "pinned_continuation_unavailable"),
        (Standing::LoginLost, "pinned_continuation_reauth_required"),
    ] {
        set(&ports, 2, |view| view.standing = standing);
        let reject = continuing("resp_1").refused(&ports).await;
        assert_eq!((told(&reject), reject.extra.clone()), ((503, code, "model"), Some(Extra::Recovery)));
    }
    ports.accounts.lock().remove(1);
    assert_eq!(continuing("resp_1").refused(&ports).await.code_str(), "pinned_continuation_unavailable");
    assert_eq!(continuing("resp_unknown").plan(&ports).await.len(), 2, "who gave it is not known: anybody may try");
}

#[tokio::test]
async fn a_file_and_a_response_of_different_accounts_do_not_go_together() {
    let ports = with_accounts(2);
    answered_by(&ports, 1, created("resp_1")).await;
    file(&ports, "file_2", 2, FileStanding::Ready);
    let ask = continuing("resp_1").intent(|intent| intent.files = vec!["file_2".into()]);
    assert_eq!(ask.refused(&ports).await.code_str(), "file_assignment_conflict");
}

#[tokio::test]
async fn reasoning_goes_to_the_account_that_issued_it_and_its_issuer_is_told() {
    let ports = with_accounts(3);
    let item = r#"{"item":{"type":"reasoning","id":"rs_1","encrypted_content":"seal\u002d1"}}"#;
    answered_by(&ports, 3, Frame::event("response.output_item.done", item)).await;
    let ask = || Ask::new().intent(|intent| intent.replayed = vec![replayed("unknown"), replayed("seal-1")]);
    let plan = ask().plan(&ports).await;
    assert_eq!((plan[0], plan.len()), ((account(3), Reason::Issuer), 3), "others may serve it too, without the item");
    let (_, cx, _) = ask().of(&ports).await;
    assert_eq!(cx.get::<Issuers>().unwrap().0, [None, Some(account(3))]);
    set(&ports, 3, |view| view.demoted = true);
    assert_eq!(ask().plan(&ports).await[2], (account(3), Reason::Demoted));
}

#[tokio::test]
async fn a_whole_json_answer_is_remembered_like_its_events() {
    let ports = with_accounts(2);
    let body = r#"{"id":"resp_7","output":[{"type":"compaction","encrypted_content":"c"}]}"#;
    answered_by(&ports, 2, Frame::json(body)).await;
    assert_eq!(continuing("resp_7").plan(&ports).await, [(account(2), Reason::Pinned)]);
    assert_eq!(with_compaction("c").plan(&ports).await, [(account(2), Reason::Pinned)]);
}

fn with_compaction(content: &str) -> Ask {
    Ask::new()
        .intent(|intent| intent.replayed = vec![replayed("thought"), Replayed { place: None, ..replayed(content) }])
}

#[tokio::test]
async fn a_compaction_binds_to_the_account_that_made_it_while_that_is_known() {
    let ports = with_accounts(3);
    for (n, content) in [(2, "old"), (3, "new")] {
        let item = format!(r#"{{"output":[{{"type":"compaction","encrypted_content":"{content}"}}]}}"#);
        answered_by(&ports, n, Frame::json(item)).await;
    }
    assert_eq!(with_compaction("unknown").plan(&ports).await.len(), 3);
    assert_eq!(with_compaction("old").plan(&ports).await, [(account(2), Reason::Pinned)]);
    let compaction = |content| Replayed { place: None, ..replayed(content) };
    let both = Ask::new().intent(|intent| intent.replayed = vec![compaction("old"), compaction("new")]);
    assert_eq!(both.plan(&ports).await, [(account(3), Reason::Pinned)], "the last one counts");
    file(&ports, "file_1", 1, FileStanding::Ready);
    let apart = with_compaction("new").intent(|intent| intent.files = vec!["file_1".into()]);
    assert_eq!(told(&apart.refused(&ports).await), (409, "file_assignment_conflict", "file_id"));
    answered_by(&ports, 2, Frame::json(r#"{"id":"resp_2","output":[]}"#)).await;
    answered_by(&ports, 3, Frame::json(r#"{"id":"resp_3","output":[]}"#)).await;
    let after =
        |id: &'static str| with_compaction("new").intent(move |intent| intent.previous_response_id = Some(id.into()));
    assert_eq!(after("resp_3").plan(&ports).await, [(account(3), Reason::Pinned)]);
    assert_eq!(told(&after("resp_2").refused(&ports).await), (503, "pinned_continuation_unavailable", "model"));
    set(&ports, 3, |view| view.demoted = true);
    assert_eq!(with_compaction("new").plan(&ports).await.len(), 1);
    set(&ports, 3, |view| view.standing = Standing::Exhausted(None));
    assert_eq!(told(&with_compaction("new").refused(&ports).await), (503, "pinned_continuation_unavailable", "model"));
}

#[tokio::test]
async fn the_only_account_of_a_pool_has_issued_everything() {
    let ports = with_accounts(1);
    let ask = Ask::new().intent(|intent| intent.replayed = vec![replayed("from before a restart")]);
    let (_, cx, _) = ask.of(&ports).await;
    assert_eq!(cx.get::<Issuers>().unwrap().0, [Some(account(1))]);
}

#[tokio::test]
async fn what_one_key_was_given_says_nothing_about_another_keys_requests() {
    let ports = with_accounts(3);
    answered_by(&ports, 2, created("resp_1")).await;
    let other = KeyFacts { id: pooler_filter::KeyId::new("sk-cxp-ffffffffffff"), ..key_facts() };
    assert!(ports.bindings.lock().contains_key(&seed::response(&key_facts(), "resp_1")));
    assert!(!ports.bindings.lock().contains_key(&seed::response(&other, "resp_1")));
}

#[tokio::test]
async fn only_accounts_that_have_the_model_are_candidates() {
    let ports = with_accounts(3);
    let having = |accounts: &[u8]| {
        let sources: Vec<AccountId> = accounts.iter().map(|&n| account(n)).collect();
        Ask::new().intent(|intent| intent.sources = Some(sources.into()))
    };
    assert_eq!(having(&[2]).plan(&ports).await.iter().map(|c| c.0).collect::<Vec<_>>(), [account(2)]);
    assert_eq!(having(&[]).refused(&ports).await.code_str(), "no_eligible_backend");
    set(&ports, 2, |view| view.standing = Standing::Exhausted(None));
    assert_eq!(having(&[2]).refused(&ports).await.code_str(), "quota_exhausted", "what others have left does not help");
}

#[tokio::test]
async fn a_request_for_one_account_has_one_candidate() {
    let ports = with_accounts(3);
    assert_eq!(Ask::new().intent(|intent| intent.one_account = true).plan(&ports).await.len(), 1);
}

#[tokio::test]
async fn items_that_only_the_last_event_tells_are_remembered() {
    let ports = with_accounts(3);
    let data = r#"{"type":"response.completed","response":{"id":"resp_1","output":[{"type":"compaction","encrypted_content":"o"}]}}"#;
    answered_by(&ports, 2, Frame::event("response.completed", data)).await;
    let ask = Ask::new().intent(|intent| intent.replayed = vec![replayed("o")]);
    assert_eq!(ask.plan(&ports).await[0], (account(2), Reason::Issuer));
}

#[tokio::test]
async fn events_without_a_label_are_remembered_like_others() {
    let ports = with_accounts(3);
    for data in [
        r#"{"type":"response.created","response":{"id":"resp_8"}}"#,
        r#"{"type":"response.output_item.done","item":{"type":"reasoning","encrypted_content":"u"}}"#,
        "[DONE]",
        "",
    ] {
        answered_by(&ports, 3, Frame::unnamed(data)).await;
    }
    assert_eq!(continuing("resp_8").plan(&ports).await, [(account(3), Reason::Pinned)]);
    let ask = Ask::new().intent(|intent| intent.replayed = vec![replayed("u")]);
    assert_eq!(ask.plan(&ports).await[0], (account(3), Reason::Issuer));
    let session = || Ask::new().header("session-id", "s");
    answered_to(&ports, session(), 2, Frame::unnamed(r#"{"type":"response.completed","response":{"id":"resp_9"}}"#))
        .await;
    assert_eq!(session().plan(&ports).await[0], (account(2), Reason::Session));
}

#[tokio::test]
async fn a_turn_goes_on_where_its_state_is_from_and_only_there_the_state_is_shown() {
    let ports = with_accounts(3);
    let ask = |state: &str| Ask::new().header("x-codex-turn-state", state);
    let route = Route { name: "x", operation: Operation::Responses, surface: Surface::Native, images: false };
    let native = Ask::new();
    let (_, mut cx, _) = Ask { builder: native.builder.route(route), ..native }.of(&ports).await;
    write(&mut cx, Served { account: account(3), label: "".into(), attempt: 1 });
    let headers = [("x-codex-turn-state", "ts-1")].map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    write(&mut cx, UpstreamHeaders(headers.into_iter().collect()));
    let mut head = ResponseHead::new(http::StatusCode::OK, Carrier::Sse, Delivery::Stream);
    chain(&ports).response(&mut head, &mut cx).unwrap();
    let plan = ask("ts-1").plan(&ports).await;
    assert_eq!((plan[0], plan.len()), ((account(3), Reason::Turn), 3), "others may serve it too, without the state");
    let owner = async |ask: Ask| ask.of(&ports).await.1.get::<TurnOwner>().unwrap().0;
    assert_eq!((owner(ask("ts-1")).await, owner(ask("other")).await), (Some(account(3)), None));
    assert_eq!(owner(Ask::new()).await, None);
    ports.accounts.lock().truncate(1);
    assert_eq!(owner(ask("other")).await, Some(account(1)), "there is nobody else who could have given it");
    let ours = "8c0f8f0e-6a58-4f3c-9d4e-0a1b2c3d4e5f";
    assert_eq!(owner(ask(ours)).await, None, "but for the gateway itself");
}

#[tokio::test]
async fn a_header_that_names_the_response_before_leads_to_its_account_but_binds_to_nobody() {
    let ports = with_accounts(3);
    answered_by(&ports, 2, created("resp_1")).await;
    let ask = || Ask::new().header("x-codex-previous-response-id", "resp_1");
    assert_eq!(ask().plan(&ports).await[0], (account(2), Reason::Turn));
    set(&ports, 2, |view| view.standing = Standing::Unready);
    assert_eq!(ask().plan(&ports).await.len(), 2);
}

#[tokio::test]
async fn a_turn_state_in_an_event_is_remembered_and_one_in_a_message_leads_back() {
    let ports = with_accounts(3);
    let event = r#"{"type":"response.metadata","headers":{"X-Codex-Turn-State":" ts-2 ","openai-model":"m"}}"#;
    let state = || TurnState { value: "ts-2".into(), place: 0..0 };
    let ask = || Ask::new().intent(|intent| intent.turn_state = Some(state()));
    let owner = async |ask: Ask| ask.of(&ports).await.1.get::<TurnOwner>().unwrap().0;
    answered_by(&ports, 3, Frame::event("response.metadata", event)).await;
    assert_eq!(owner(ask()).await, None, "a public client does not get to see it");
    let route = Route { name: "x", operation: Operation::Responses, surface: Surface::Native, images: false };
    let native = Ask::new();
    let native = Ask { builder: native.builder.route(route), ..native };
    answered_to(&ports, native, 3, Frame::event("response.metadata", event)).await;
    assert_eq!(owner(ask()).await, Some(account(3)));
    assert_eq!(ask().plan(&ports).await[0], (account(3), Reason::Turn));
    let both = ask().header("x-codex-turn-state", "ts-1");
    assert_eq!(owner(both).await, Some(account(3)), "the message says it later than the handshake");
}
