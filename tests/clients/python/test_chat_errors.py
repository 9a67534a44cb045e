"""Chat completions that are refused, fail or are left alone."""

import openai
import pytest

from demo import MODEL, wait_until

# Past two lifecycle events, the reasoning item and the head of the message, the text has begun.
IN_THE_TEXT = 12
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}]}
each_form = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

REFUSED = {
    "an unknown parameter": ({"extra_body": {"frobnicate": 1}}, "unsupported_parameter", "frobnicate"),
    "two choices": ({"n": 2}, "unsupported_parameter", "n"),
    "words to stop at": ({"stop": ["x"]}, "unsupported_parameter", "stop"),
    "a penalty": ({"presence_penalty": 0.5}, "unsupported_parameter", "presence_penalty"),
    "old functions": ({"functions": [{"name": "f"}]}, "invalid_request", "functions"),
    "no messages": ({"messages": []}, "invalid_request", "messages"),
    "an unknown model": ({"model": "gpt-2"}, "invalid_model", "model"),
}


@each_form
@pytest.mark.parametrize("options, code, param", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_by_name(client, options, code, param, streamed):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**HELLO, **options}, stream=streamed)
    assert (caught.value.code, caught.value.param) == (code, param)


FAILURES = {
    "overload": ("server_is_overloaded", openai.InternalServerError, 503, "server_is_overloaded"),
    "rate limit": ("rate_limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
    "quota": ("usage_limit_reached", openai.RateLimitError, 429, "quota_exhausted"),
    "too long": ("context_length_exceeded", openai.BadRequestError, 400, "context_length_exceeded"),
}


@each_form
@pytest.mark.parametrize("fault, kind, status, code", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_of_all_accounts_is_its_error(own_demo, own_client, fault, kind, status, code, streamed):
    own_demo.fault({"fault": fault})
    with pytest.raises(kind) as caught:
        own_client.chat.completions.create(**HELLO, stream=streamed)
    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_a_cut_after_the_first_output_is_an_api_error_and_what_came_before_is_kept(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "cut", "after_events": IN_THE_TEXT}}, {"fault": {"kind": "events", "count": 50}})
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in own_client.chat.completions.create(**HELLO, stream=True):
            chunks.append(chunk)
    assert not isinstance(caught.value, openai.APIConnectionError)
    assert caught.value.code == "server_error"
    assert any(chunk.choices[0].delta.content for chunk in chunks)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_a_cut_ends_the_stream_helper_with_an_error(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "cut", "after_events": IN_THE_TEXT}}, {"fault": {"kind": "events", "count": 50}})
    with pytest.raises(openai.APIError), own_client.chat.completions.stream(**HELLO) as stream:
        stream.get_final_completion()


def test_a_client_that_leaves_in_mid_stream_ends_the_request_upstream(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "pace", "pause_ms": 50}}, {"fault": {"kind": "events", "count": 400}})
    stream = own_client.chat.completions.create(**HELLO, stream=True)
    next(chunk for chunk in stream if chunk.choices[0].delta.content)
    stream.close()
    wait_until(lambda: own_demo.in_flight_upstream() == 0, "nothing is in flight upstream", timeout=5)
    cancelled = {"route": "POST /v1/chat/completions", "outcome": "cancelled"}
    wait_until(lambda: own_demo.requests_total(**cancelled) == 1, "it counts as cancelled", timeout=5)
    own_demo.heal()
    assert own_client.chat.completions.create(**HELLO).choices[0].message.content
