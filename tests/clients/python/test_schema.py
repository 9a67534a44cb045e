"""With strict validation the SDK refuses whatever lacks a key of OpenAI's published schema, or has it in another type."""

import pytest

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


@each_request
def test_a_whole_answer_fits_the_schema(strict, options):
    assert strict.responses.create(model=MODEL, input="Say hello", **options).status == "completed"


@each_request
def test_every_event_of_a_stream_fits_the_schema(strict, options):
    events = list(strict.responses.create(model=MODEL, input="Say hello", stream=True, **options))
    assert events[-1].type == "response.completed"


def test_the_models_fit_the_schema(strict):
    assert list(strict.models.list())


def test_what_the_backend_leaves_out_is_filled_in(own_demo):
    strict = own_demo.client(max_retries=0, _strict_response_validation=True)
    own_demo.fault(
        {"fault": "no_output_in_completed"}, {"fault": "usage_without_total"}, {"fault": "done_instead_of_completed"}
    )
    events = list(strict.responses.create(model=MODEL, input="Say hello", stream=True))
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.total_tokens > 0
    assert strict.responses.create(model=MODEL, input="Say hello").output_text
