"""With strict validation the SDK refuses whatever lacks a key of OpenAI's published schema, or has it in another type."""

import json

import pytest
from openai import APIResponseValidationError

from demo import MODEL
from test_structured import CITY
from test_tools import SHELL, WEATHER

CITY_FORMAT = {"format": {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}}
REQUESTS = {
    "text": {},
    "reasoning": {"reasoning": {"effort": "high", "summary": "auto"}},
    "structured": {"text": CITY_FORMAT},
    "function": {"tools": [WEATHER], "tool_choice": "required"},
    "custom tool": {"tools": [SHELL], "tool_choice": "required"},
}
each_request = pytest.mark.parametrize("options", REQUESTS.values(), ids=REQUESTS.keys())


@pytest.fixture(scope="module")
def strict(demo):
    return demo.client(max_retries=0, _strict_response_validation=True)


def fits(call):
    """What `call()` gives; where the SDK refuses it, the test fails with what is wrong."""
    try:
        return call()
    except APIResponseValidationError as error:
        wrong = error.__cause__.errors()
        # Events are tried as each type in turn: only the one that it says it is matters.
        others = {one["loc"][0] for one in wrong if one["loc"][1:] == ("type",)}
        lines = [f"{one['loc']}: {one['msg']}" for one in wrong if one["loc"][0] not in others]
        said = "\n".join([*lines[:20], json.dumps(error.body)[:2000]])
    pytest.fail(said, pytrace=False)


def streamed(client, **options):
    return fits(lambda: list(client.responses.create(model=MODEL, input="Say hello", stream=True, **options)))


def whole(client, **options):
    return fits(lambda: client.responses.create(model=MODEL, input="Say hello", **options))


@each_request
def test_a_whole_answer_fits_the_schema(strict, options):
    assert whole(strict, **options).status == "completed"


@each_request
def test_every_event_of_a_stream_fits_the_schema(strict, options):
    assert streamed(strict, **options)[-1].type == "response.completed"


def test_the_models_fit_the_schema(strict):
    assert fits(lambda: list(strict.models.list()))


@pytest.mark.parametrize(
    "fault", ["no_output_in_completed", "usage_without_total", "missing_usage", "done_instead_of_completed"]
)
def test_what_the_backend_leaves_out_is_filled_in(own_demo, fault):
    strict = own_demo.client(max_retries=0, _strict_response_validation=True)
    own_demo.fault({"fault": fault})
    end = streamed(strict)[-1]
    assert (end.type, end.response.status) == ("response.completed", "completed")
    assert whole(strict).output_text
