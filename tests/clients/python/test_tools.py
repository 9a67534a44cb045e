"""Tools: a call in the first turn, its output and the final text in the second one."""

import json

import pytest
from pydantic import BaseModel, ConfigDict

from demo import MODEL

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}
SHELL = {"type": "custom", "name": "shell_line", "description": "Runs one line of shell"}
QUESTION = [{"role": "user", "content": "What is the weather in Lisbon?"}]


class WeatherArguments(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    city: str
    unit: str


def ask(client, streamed, **options):
    """The answer, and the events where it was streamed."""
    if not streamed:
        return client.responses.create(model=MODEL, **options), []
    events = list(client.responses.create(model=MODEL, stream=True, **options))
    return events[-1].response, events


def the_call(response, kind):
    calls = [item for item in response.output if item.type == kind]
    assert len(calls) == 1
    assert not response.output_text
    return calls[0]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_function_is_called_and_its_output_is_answered(client, streamed):
    response, events = ask(client, streamed, input=QUESTION, tools=[WEATHER], tool_choice="required")
    call = the_call(response, "function_call")
    assert call.name == "get_weather"
    assert WeatherArguments.model_validate_json(call.arguments).unit in ("c", "f")
    if streamed:
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert "".join(deltas) == call.arguments
        done = next(event for event in events if event.type == "response.function_call_arguments.done")
        assert (done.arguments, done.item_id) == (call.arguments, call.id)

    output = {"type": "function_call_output", "call_id": call.call_id, "output": json.dumps({"degrees": 21})}
    final, _ = ask(client, streamed, input=[*QUESTION, *response.output, output], tools=[WEATHER])
    assert final.output_text
    assert all(item.type != "function_call" for item in final.output)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_custom_tool_is_called_and_its_output_is_answered(client, streamed):
    choice = {"type": "custom", "name": "shell_line"}
    response, events = ask(client, streamed, input=QUESTION, tools=[SHELL, WEATHER], tool_choice=choice)
    call = the_call(response, "custom_tool_call")
    assert call.name == "shell_line"
    assert call.input
    if streamed:
        deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
        assert "".join(deltas) == call.input

    output = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "done"}
    final, _ = ask(client, streamed, input=[*QUESTION, *response.output, output], tools=[SHELL, WEATHER])
    assert final.output_text


def test_a_forced_function_is_the_one_that_is_called(client):
    other = {**WEATHER, "name": "get_tides"}
    choice = {"type": "function", "name": "get_tides"}
    response, _ = ask(client, False, input=QUESTION, tools=[WEATHER, other], tool_choice=choice)
    assert the_call(response, "function_call").name == "get_tides"


def test_no_tool_is_called_when_the_choice_is_none(client):
    said = "Use the tool get_weather"
    response, _ = ask(client, False, input=said, tools=[WEATHER], tool_choice="none")
    assert response.output_text
    assert [item.type for item in response.output if item.type != "reasoning"] == ["message"]
