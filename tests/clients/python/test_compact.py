"""Conversations that are compacted."""

import openai
import pytest

from demo import MODEL

INPUT = [
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Hello Ada."},
    {"role": "user", "content": "I live in Lisbon."},
]
NEXT = {"role": "user", "content": "Where do I live?"}
TRIGGER = {"type": "compaction_trigger"}


def goes_on(client, output):
    assert client.responses.create(model=MODEL, input=[*output, NEXT]).status == "completed"


def test_a_conversation_is_compacted_and_goes_on_from_what_came_back(client):
    compacted = client.responses.compact(model=MODEL, input=INPUT, instructions="Be terse.")
    assert compacted.object == "response.compaction"
    assert any(item.type == "compaction" and item.encrypted_content for item in compacted.output)
    assert compacted.usage.total_tokens == compacted.usage.input_tokens + compacted.usage.output_tokens
    goes_on(client, compacted.output)


def test_a_trigger_at_the_end_of_the_input_compacts_too(client):
    response = client.responses.create(model=MODEL, input=[*INPUT, TRIGGER])
    assert [item.type for item in response.output] == ["compaction"]
    goes_on(client, response.output)


def test_a_trigger_is_answered_in_a_stream(client):
    events = list(client.responses.create(model=MODEL, input=[*INPUT, TRIGGER], stream=True))
    done, completed = events[-2:]
    assert [done.type, completed.type] == ["response.output_item.done", "response.completed"]
    goes_on(client, [done.item])
    goes_on(client, completed.response.output)


def test_a_trigger_that_is_not_the_end_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=[TRIGGER, *INPUT])
    assert (caught.value.code, caught.value.param) == ("invalid_request", "input")


def test_an_unknown_parameter_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.compact(model=MODEL, input=INPUT, extra_body={"frobnicate": 1})
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "frobnicate")


def test_a_failure_is_told_and_no_other_account_is_asked(own_demo, own_client):
    path = "/backend-api/codex/responses/compact"
    own_demo.fault({"fault": "server_is_overloaded", "path": path})
    with pytest.raises(openai.InternalServerError):
        own_client.responses.compact(model=MODEL, input=INPUT)
    assert len(own_demo.asked(path)) == 1
