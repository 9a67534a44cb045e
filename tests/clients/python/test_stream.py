"""Streams: what comes, in which order, and what it adds up to."""

import pytest

from demo import MODEL, wait_until


@pytest.fixture(scope="module")
def events(client):
    return list(client.responses.create(model=MODEL, input="Tell me about Lisbon", stream=True))


def of(events, kind):
    return [event for event in events if event.type == kind]


def test_a_stream_begins_with_created_and_ends_with_completed(events):
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert len(of(events, "response.created")) == len(of(events, "response.completed")) == 1


def test_sequence_numbers_increase(events):
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))


def test_deltas_add_up_to_the_final_text(events):
    deltas = [event.delta for event in of(events, "response.output_text.delta")]
    assert len(deltas) > 1
    text = "".join(deltas)
    assert text == of(events, "response.output_text.done")[0].text == events[-1].response.output_text


def test_each_item_is_added_then_done_then_part_of_the_answer(events):
    added = [event.item.id for event in of(events, "response.output_item.added")]
    done = [event.item.id for event in of(events, "response.output_item.done")]
    assert added == done == [item.id for item in events[-1].response.output]
    for event in of(events, "response.output_text.delta"):
        assert event.item_id in added


def test_the_response_keeps_its_id_and_model(events):
    responses = [event.response for event in events if hasattr(event, "response")]
    assert len({response.id for response in responses}) == 1
    assert {response.model for response in responses} == {MODEL}


def test_the_end_of_a_stream_has_the_usage(events):
    response = events[-1].response
    assert response.status == "completed"
    assert response.usage.output_tokens > 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_the_stream_helper_collects_the_answer(client):
    with client.responses.stream(model=MODEL, input="Tell me about Porto") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert final.status == "completed"
    assert final.output_text == "".join(deltas)


def test_reasoning_summaries_are_streamed(client):
    events = list(
        client.responses.create(
            model=MODEL, input="Think about it", reasoning={"effort": "high", "summary": "auto"}, stream=True
        )
    )
    summary = "".join(event.delta for event in of(events, "response.reasoning_summary_text.delta"))
    reasoning = next(item for item in events[-1].response.output if item.type == "reasoning")
    assert summary
    assert summary == "".join(part.text for part in reasoning.summary)


def test_events_come_while_the_answer_is_being_made(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "pace", "pause_ms": 50}}, {"fault": {"kind": "events", "count": 400}})
    with own_client.responses.create(model=MODEL, input="A long story", stream=True) as stream:
        assert next(event for event in stream if event.type == "response.output_text.delta").delta
        assert own_demo.in_flight_upstream() == 1


def test_a_client_that_leaves_in_mid_stream_ends_the_request_upstream(own_demo, own_client):
    # Left alone, the stream would take 20 s.
    own_demo.fault({"fault": {"kind": "pace", "pause_ms": 50}}, {"fault": {"kind": "events", "count": 400}})
    stream = own_client.responses.create(model=MODEL, input="A long story", stream=True)
    next(event for event in stream if event.type == "response.output_text.delta")
    assert own_demo.metrics()["codex_pooler_in_flight"] == 1
    stream.close()
    wait_until(lambda: own_demo.in_flight_upstream() == 0, "nothing is in flight upstream", timeout=5)
    wait_until(lambda: own_demo.metrics()["codex_pooler_in_flight"] == 0, "nothing is in flight", timeout=5)
    assert own_demo.asked()[-1]["ended"] == "client_gone"
    cancelled = {"route": "POST /v1/responses", "outcome": "cancelled"}
    wait_until(lambda: own_demo.requests_total(**cancelled) == 1, "it counts as cancelled", timeout=5)
