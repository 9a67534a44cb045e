use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn event(kind: &'static str) -> Frame {
    Frame::event(kind, format!(r#"{{"type":"{kind}"}}"#))
}

fn failed(code: &str) -> Frame {
    Frame::event(
        "response.failed",
        format!(r#"{{"type":"response.failed","response":{{"error":{{"code":"{code}"}}}}}}"#),
    )
}

fn hold(want: Want) -> Hold {
    Hold::new(want, &Settings::default())
}

#[tokio::test]
async fn a_stream_is_committed_by_its_first_output_and_by_nothing_before() {
    let mut hold = hold(Want::Stream);
    let comment = Frame::event("", "");
    assert!(matches!(hold.take(comment, NOW), Step::Hold) && hold.deadline().is_none());
    for quiet in
        ["codex.rate_limits", "response.created", "response.in_progress", "response.queued", "response.metadata"]
    {
        assert!(matches!(hold.take(event(quiet), NOW), Step::Hold), "{quiet}");
        assert!(hold.deadline().is_some());
    }
    assert!(matches!(hold.take(event("response.output_item.added"), NOW), Step::Commit));
}

#[tokio::test]
async fn a_failure_before_output_is_never_committed() {
    for want in [Want::Stream, Want::Whole] {
        let mut hold = hold(want);
        assert!(matches!(hold.take(event("response.created"), NOW), Step::Hold));
        assert!(
            matches!(hold.take(failed("server_is_overloaded"), NOW), Step::Fail(f) if f.has_code("server_is_overloaded"))
        );
    }
}

#[tokio::test]
async fn a_stream_is_committed_after_so_many_events_or_bytes() {
    let mut settings = Settings::default();
    settings.commit.held_events = 3;
    let mut hold = Hold::new(Want::Stream, &settings);
    assert!(matches!(hold.take(event("response.created"), NOW), Step::Hold));
    assert!(matches!(hold.take(event("response.in_progress"), NOW), Step::Hold));
    assert!(matches!(hold.take(event("response.in_progress"), NOW), Step::Commit));
    settings.commit.held_events = 64;
    settings.commit.held_bytes = 200;
    let mut hold = Hold::new(Want::Stream, &settings);
    assert!(matches!(hold.take(event("response.created"), NOW), Step::Hold));
    let large =
        Frame::event("codex.rate_limits", format!(r#"{{"type":"codex.rate_limits","x":"{}"}}"#, "x".repeat(200)));
    assert!(matches!(hold.take(large, NOW), Step::Commit));
}

#[tokio::test]
async fn a_whole_answer_is_held_to_its_end_and_bounded() {
    let mut settings = Settings::default();
    settings.upstream.max_response = 1000;
    let mut hold = Hold::new(Want::Whole, &settings);
    assert!(matches!(hold.take(event("response.output_text.delta"), NOW), Step::Hold));
    assert!(hold.deadline().is_none());
    let large = Frame::event("response.output_text.delta", format!(r#"{{"type":"x","d":"{}"}}"#, "x".repeat(1000)));
    assert!(matches!(hold.take(large, NOW), Step::TooLarge));
    let large =
        || Frame::event("response.completed", format!(r#"{{"type":"response.completed","d":"{}"}}"#, "x".repeat(1000)));
    assert!(matches!(Hold::new(Want::Whole, &settings).take(large(), NOW), Step::TooLarge));
    assert!(matches!(Hold::new(Want::Stream, &settings).take(large(), NOW), Step::End));
    let mut hold = self::hold(Want::Whole);
    assert!(matches!(hold.take(event("response.output_text.delta"), NOW), Step::Hold));
    assert!(matches!(hold.take(event("response.completed"), NOW), Step::End));
}

#[tokio::test]
async fn a_stream_without_any_response_in_it_is_told_apart_from_a_cut() {
    let mut hold = hold(Want::Whole);
    assert_eq!(hold.ended_early(), None);
    assert!(matches!(hold.take(event("response.output_text.delta"), NOW), Step::Hold));
    assert_eq!(hold.ended_early(), Some("upstream_response_missing"));
    assert!(matches!(hold.take(event("response.created"), NOW), Step::Hold));
    assert_eq!(hold.ended_early(), None);
}

#[tokio::test]
async fn an_event_whose_label_and_type_disagree_decides_nothing() {
    let mut hold = hold(Want::Stream);
    let liar = Frame::event("response.completed", r#"{"type":"response.failed"}"#);
    assert!(matches!(hold.take(liar, NOW), Step::Hold));
    let garbage = Frame::event("response.completed", "{nonsense");
    assert!(matches!(hold.take(garbage, NOW), Step::Hold));
}
