"""What the SDK sees when accounts fail. The clients retry nothing: what they get is the gateway's first answer."""

import openai
import pytest

from demo import MODEL

# Past two lifecycle events, the reasoning item and the head of the message, the text has begun.
IN_THE_TEXT = 12


def ask(client, text, streamed):
    if not streamed:
        return client.responses.create(model=MODEL, input=text)
    with client.responses.stream(model=MODEL, input=text) as stream:
        return stream.get_final_response()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_one_account_refuses_and_one_cuts_but_the_sdk_sees_only_success(own_demo, own_client, streamed):
    own_demo.fault(
        {"account": "sim-0", "fault": "rate_limited"},
        {"account": "sim-1", "fault": {"kind": "cut", "after_events": 2}},
    )
    for number in range(60):
        response = ask(own_client, f"Question {number}", streamed)
        assert response.status == "completed" and response.output_text
        if all(own_demo.hits()):
            break
    assert all(own_demo.hits()), "no request went to an account that fails"


FAILURES = {
    "usage limit": "usage_limit_reached",
    "overload": "server_is_overloaded",
    "overload inside a 200": "overloaded_in_stream",
    "server error": "server_error",
    "hang up": {"kind": "hang_up"},
    "reset": {"kind": "reset", "after_events": 2},
    "cut at once": {"kind": "cut", "after_events": 0},
    "HTML": "html",
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_before_the_first_output_is_never_seen(own_demo, own_client, failure):
    own_demo.fault({"fault": failure, "times": 2})
    assert ask(own_client, "Say hello", streamed=True).output_text
    assert own_demo.hits() == [2]
    assert len({one["account"] for one in own_demo.asked()}) == 3


def test_a_whole_answer_survives_a_cut_in_its_text(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "cut", "after_events": IN_THE_TEXT}, "times": 2})
    assert ask(own_client, "Say hello", streamed=False).output_text
    assert own_demo.hits() == [2]


def test_a_cut_after_the_first_output_is_an_api_error_and_what_came_before_is_kept(own_demo, own_client):
    own_demo.fault({"fault": {"kind": "cut", "after_events": IN_THE_TEXT}}, {"fault": {"kind": "events", "count": 50}})
    seen = []
    with pytest.raises(openai.APIError) as caught:
        for event in own_client.responses.create(model=MODEL, input="A long story", stream=True):
            seen.append(event.type)
    assert not isinstance(caught.value, openai.APIConnectionError)
    assert caught.value.code == "server_error"
    assert "response.output_text.delta" in seen
    assert "response.completed" not in seen
    assert len(own_demo.asked()) == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_overload_of_all_accounts_is_an_internal_server_error(own_demo, own_client, streamed):
    own_demo.fault({"fault": "server_is_overloaded"})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(own_client, "Say hello", streamed)
    assert (caught.value.status_code, caught.value.code) == (503, "server_is_overloaded")
    assert caught.value.type == "server_error"
    assert len({one["account"] for one in own_demo.asked()}) == 3


def test_a_503_of_all_accounts_without_a_code_is_an_upstream_error(own_demo, own_client):
    own_demo.fault({"fault": "unavailable"})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(own_client, "Say hello", streamed=False)
    assert (caught.value.status_code, caught.value.code) == (503, "upstream_error")


def test_a_rate_limit_of_all_accounts_is_a_rate_limit_error(own_demo, own_client):
    own_demo.fault({"fault": "rate_limited"})
    with pytest.raises(openai.RateLimitError) as caught:
        ask(own_client, "Say hello", streamed=False)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "rate_limit_error")


def test_a_refusal_of_the_request_itself_is_not_tried_on_other_accounts(own_demo, own_client):
    own_demo.fault({"fault": "context_length_exceeded"})
    with pytest.raises(openai.BadRequestError) as caught:
        ask(own_client, "Say hello", streamed=True)
    assert caught.value.code == "context_length_exceeded"
    assert len(own_demo.asked()) == 1


def test_expired_tokens_are_refreshed_once_without_the_client_knowing(own_demo, own_client):
    for account in ("sim-0", "sim-1", "sim-2"):
        own_demo.expire(account)
    assert ask(own_client, "Say hello", streamed=True).output_text
    assert len(own_demo.asked("/oauth/token")) == 1
    assert [one["status"] for one in own_demo.asked()] == [401, 200]
