"""What the SDK does on its own: retries, time limits; and what it makes of a gateway that is not there."""

import asyncio

import openai
import pytest

from demo import MODEL, wait_until

ROUTE = {"route": "POST /v1/responses"}


def test_retries_get_through_what_all_accounts_refused_once(own_demo):
    own_demo.fault({"fault": "server_is_overloaded", "times": 3})
    assert own_demo.client(max_retries=2).responses.create(model=MODEL, input="Say hello").output_text
    assert own_demo.requests_total(**ROUTE) == 2


def test_a_pool_without_quota_is_not_asked_again(own_demo):
    own_demo.fault({"fault": {"kind": "usage_limit", "resets_in_ms": 3_600_000}})
    with pytest.raises(openai.RateLimitError) as caught:
        own_demo.client(max_retries=2).responses.create(model=MODEL, input="Say hello")
    assert (caught.value.code, caught.value.type) == ("quota_exhausted", "usage_limit_reached")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.body["resets_in_seconds"] > 3_000
    assert own_demo.requests_total(**ROUTE) == 1


def test_accounts_that_are_not_let_in_are_a_server_error(own_demo, own_client):
    own_demo.fault({"fault": "payment_required"})
    with pytest.raises(openai.InternalServerError) as caught:
        own_client.responses.create(model=MODEL, input="Say hello")
    assert (caught.value.status_code, caught.value.code) == (503, "no_eligible_backend")


def test_an_account_that_says_nothing_is_a_timeout_and_leaves_nothing_behind(own_demo):
    own_demo.fault({"fault": {"kind": "slow_first_byte", "delay_ms": 20_000}})
    with pytest.raises(openai.APITimeoutError):
        own_demo.client(max_retries=0, timeout=1.0).responses.create(model=MODEL, input="Say hello")
    wait_until(lambda: own_demo.in_flight_upstream() == 0, "nothing is in flight upstream", timeout=5)
    wait_until(lambda: own_demo.requests_total(**ROUTE, outcome="cancelled") == 1, "it counts as cancelled", timeout=5)


def test_nobody_at_the_address_is_a_connection_error(demo):
    with pytest.raises(openai.APIConnectionError):
        demo.client(base_url="http://127.0.0.1:9/v1", max_retries=0).responses.create(model=MODEL, input="Say hello")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("in_stream", [False, True], ids=["refused", "told in a stream"])
def test_too_long_an_input_is_told_in_the_words_that_clients_look_for(own_demo, own_client, in_stream, streamed):
    code = "context_length_exceeded"
    told = {"kind": "terminal_in_stream", "terminal": "failed", "code": code, "after_events": 2}
    own_demo.fault({"fault": told if in_stream else code})
    with pytest.raises(openai.BadRequestError) as caught:
        own_client.responses.create(model=MODEL, input="Say hello", stream=streamed)
    assert caught.value.code == code
    assert "Your input exceeds the context window of this model." in caught.value.message
    assert len(own_demo.asked()) == 1


def test_a_task_that_is_cancelled_ends_its_request_and_the_next_one_is_served(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "pace", "pause_ms": 50}}, {"fault": {"kind": "events", "count": 400}})

    async def leave():
        async with own_demo.async_client() as client:
            async with client.responses.stream(model=MODEL, input="A long story") as stream:
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())
    wait_until(lambda: own_demo.in_flight_upstream() == 0, "nothing is in flight upstream", timeout=5)
    wait_until(lambda: own_demo.requests_total(**ROUTE, outcome="cancelled") == 1, "it counts as cancelled", timeout=5)
    own_demo.heal()
    assert own_client.responses.create(model=MODEL, input="Say hello").output_text
