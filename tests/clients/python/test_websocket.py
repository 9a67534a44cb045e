"""`responses.connect`: turns over one websocket, from the SDK for Python."""

import asyncio
import json

import pytest
from websockets.exceptions import InvalidStatus

from demo import MODEL
from test_tools import QUESTION, WEATHER

NOBODY = "sk-cxp-000000000000-" + "A" * 43
# Past the lifecycle events, the reasoning item and the head of the message.
IN_THE_TEXT = 12


def said(connection, **options):
    """The events of one turn, up to the one that ends it."""
    connection.response.create(model=MODEL, **options)
    return until_its_end(connection)


def until_its_end(connection):
    events = []
    while not events or events[-1].type not in ENDS:
        events.append(connection.recv())
    return events


ENDS = {"response.completed", "response.failed", "response.incomplete", "error"}


def text_of(events):
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def handshakes(demo):
    return [one for one in demo.asked() if one["method"] == "GET"]


def turns(demo):
    return [one for one in demo.asked() if one["method"] == "WS"]


def test_a_conversation_takes_one_socket_and_sends_only_what_is_new(own_demo, own_client):
    with own_client.responses.connect() as connection:
        first = said(connection, input="Say hello")
        again = said(connection, input="And again", previous_response_id=first[-1].response.id)
    assert [first[0].type, first[-1].type, again[-1].type] == ["response.created", *["response.completed"] * 2]
    for events in (first, again):
        assert text_of(events) == events[-1].response.output_text
        assert [event.sequence_number for event in events] == list(range(len(events)))
    assert again[-1].response.previous_response_id == first[-1].response.id
    assert again[-1].response.usage.input_tokens > first[-1].response.usage.total_tokens
    assert (len(handshakes(own_demo)), len(turns(own_demo))) == (1, 2)
    assert turns(own_demo)[0]["account"] == turns(own_demo)[1]["account"]


def test_the_asynchronous_client_has_it_too(demo):
    async def converse():
        async with demo.async_client() as client, client.responses.connect() as connection:
            await connection.response.create(model=MODEL, input="Say hello")
            return [event async for event in ends_with_the_turn(connection)]

    async def ends_with_the_turn(connection):
        async for event in connection:
            yield event
            if event.type in ENDS:
                return

    events = asyncio.run(converse())
    assert text_of(events) == events[-1].response.output_text != ""


def test_a_warm_up_can_be_gone_on_from(own_demo, own_client):
    with own_client.responses.connect() as connection:
        warm = said(connection, input="You are a parrot", generate=False)
        turn = said(connection, input="Say hello", previous_response_id=warm[-1].response.id)
    assert (warm[-1].type, warm[-1].response.output) == ("response.completed", [])
    assert text_of(turn)
    assert len(handshakes(own_demo)) == 1


def test_a_function_is_called_and_only_its_output_is_sent(client):
    with client.responses.connect() as connection:
        asked = said(connection, input=QUESTION, tools=[WEATHER], tool_choice="required")
        [call] = [item for item in asked[-1].response.output if item.type == "function_call"]
        assert json.loads(call.arguments).keys() == {"city", "unit"}
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "21"}
        previous = {"previous_response_id": asked[-1].response.id}
        answered = said(connection, input=[output], tools=[WEATHER], **previous)
    assert answered[-1].response.output_text


def test_turns_are_answered_in_their_order_and_under_their_names(client):
    with client.responses.connect() as connection:
        for name in ("one", "two", "three"):
            connection.response.create(model=MODEL, input="Say hello", stream_id=name)
        answers = [until_its_end(connection) for _ in range(3)]
    assert [{event.stream_id for event in events} for events in answers] == [{"one"}, {"two"}, {"three"}]


def test_handlers_get_the_events(client):
    seen = []
    manager = client.responses.connect()
    manager.on("response.output_text.delta", lambda event: seen.append(event.delta))
    with manager as connection:
        connection.on("response.completed", lambda event: (seen.append(event.response.output_text), connection.close()))
        connection.response.create(model=MODEL, input="Say hello")
        connection.dispatch_events()
    assert "".join(seen[:-1]) == seen[-1] != ""


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"input": []}, "invalid_request", "input"),
        ({"input": "x", "background": True}, "unsupported_parameter", "background"),
        ({"input": "x", "model": "gpt-2"}, "invalid_model", "model"),
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_not_found", "previous_response_id"),
        ({"input": "x", "stream_id": "no blanks"}, "invalid_request", "stream_id"),
    ],
)
def test_a_refused_turn_is_an_error_and_the_socket_stays(client, options, code, param):
    with client.responses.connect() as connection:
        connection.response.create(**{"model": MODEL, **options})
        [error] = until_its_end(connection)
        assert (error.type, error.status, error.error.code, error.error.param) == ("error", 400, code, param)
        assert error.error.message and error.error.type == "invalid_request_error"
        assert text_of(said(connection, input="Say hello"))


def test_what_is_sent_beside_turns_is_refused_by_name(client):
    with client.responses.connect() as connection:
        connection.response.steer(previous_response_id="resp_1", input=[])
        [error] = until_its_end(connection)
        assert (error.error.code, error.error.param) == ("invalid_request", "type")


@pytest.mark.parametrize("key", [NOBODY, "sk-something-else"], ids=["unknown", "malformed"])
def test_a_wrong_key_gets_no_socket(demo, key):
    with pytest.raises(InvalidStatus) as refused, demo.client(api_key=key).responses.connect():
        pass
    answer = refused.value.response
    assert (answer.status_code, json.loads(answer.body)["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("fault", ["usage_limit_reached", "server_is_overloaded", {"kind": "hang_up"}], ids=str)
def test_accounts_that_fail_are_not_seen(own_demo, own_client, fault):
    own_demo.fault({"fault": fault, "times": 2})
    with own_client.responses.connect() as connection:
        assert text_of(said(connection, input="Say hello"))
    assert own_demo.hits() == [2]
    # A line that broke is tried once more before its account is given up.
    assert len({one["account"] for one in turns(own_demo)}) == (2 if isinstance(fault, dict) else 3)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("usage_limit_reached", 429, "quota_exhausted"), ("server_is_overloaded", 503, "server_is_overloaded")],
)
def test_when_all_accounts_fail_the_turn_is_an_error(own_demo, own_client, fault, status, code):
    own_demo.fault({"fault": fault})
    with own_client.responses.connect() as connection:
        [error] = said(connection, input="Say hello")
    assert (error.type, error.status, error.error.code) == ("error", status, code)


def test_a_turn_that_breaks_off_fails_and_the_next_one_is_served(own_demo, own_client):
    own_demo.fault(
        {"fault": {"kind": "cut", "after_events": IN_THE_TEXT}, "times": 1},
        {"fault": {"kind": "events", "count": 50}, "times": 1},
    )
    with own_client.responses.connect() as connection:
        broken = said(connection, input="Say hello")
        assert (broken[-1].type, broken[-1].response.id) == ("response.failed", broken[0].response.id)
        assert text_of(said(connection, input="Say hello"))
    assert len(turns(own_demo)) == 2


def test_a_large_turn_goes_through_whole(own_demo, own_client):
    with own_client.responses.connect() as connection:
        assert text_of(said(connection, input="word " * 800_000))
    assert turns(own_demo)[0]["body_bytes"] > 4_000_000
