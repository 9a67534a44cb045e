"""Tools in chat completions."""

import openai
import pytest
from pydantic import BaseModel

from demo import MODEL

NAMES = ["get_weather", "get_tides", "get_wind"]
# The simulator calls what is named, one in each turn, or all at once.
THREE = {"role": "user", "content": "Ask get_weather, then get_tides, then get_wind."}
PARALLEL = {"role": "user", "content": "Ask get_weather, get_tides and get_wind in parallel."}


class Query(BaseModel):
    city: str
    days: int


TOOLS = [openai.pydantic_function_tool(Query, name=name) for name in NAMES]
SHELL = {"type": "custom", "custom": {"name": "shell_line", "description": "Runs one line of shell"}}


def ask(client, streamed, messages, **options):
    request = {"model": MODEL, "messages": messages, "tools": TOOLS, **options}
    if not streamed:
        return client.chat.completions.parse(**request).choices[0]
    with client.chat.completions.stream(**request) as stream:
        return stream.get_final_completion().choices[0]


def outputs(calls):
    return [{"role": "tool", "tool_call_id": call.id, "content": "21"} for call in calls]


each_form = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@each_form
def test_three_functions_are_called_in_three_turns_then_answered_with_text(client, streamed):
    messages = [THREE]
    for name in NAMES:
        choice = ask(client, streamed, messages)
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content == ("" if streamed else None)
        (call,) = choice.message.tool_calls
        assert call.function.name == name
        assert isinstance(call.function.parsed_arguments, Query)
        messages += [choice.message, *outputs([call])]
    final = ask(client, streamed, messages)
    assert final.finish_reason == "stop" and final.message.content


@each_form
def test_functions_that_are_called_at_the_same_time_are_answered_together(client, streamed):
    message = ask(client, streamed, [PARALLEL]).message
    assert [call.function.name for call in message.tool_calls] == NAMES
    assert ask(client, streamed, [PARALLEL, message, *outputs(message.tool_calls)]).message.content


def test_calls_of_a_stream_are_counted_from_zero_and_their_arguments_add_up(client):
    chunks = list(client.chat.completions.create(model=MODEL, messages=[PARALLEL], tools=TOOLS, stream=True))
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or []]
    assert sorted({delta.index for delta in deltas}) == [0, 1, 2]
    for index, name in enumerate(NAMES):
        own = [delta for delta in deltas if delta.index == index]
        assert own[0].id and (own[0].type, own[0].function.name) == ("function", name)
        Query.model_validate_json("".join(delta.function.arguments or "" for delta in own))


def test_a_custom_tool_is_called_and_its_output_is_answered(client):
    question = {"role": "user", "content": "Run something"}
    choice = {"type": "custom", "custom": {"name": "shell_line"}}
    create = client.chat.completions.create
    message = create(model=MODEL, messages=[question], tools=[SHELL], tool_choice=choice).choices[0].message
    (call,) = message.tool_calls
    assert (call.type, call.custom.name) == ("custom", "shell_line")
    assert call.custom.input
    final = create(model=MODEL, messages=[question, message, *outputs([call])], tools=[SHELL])
    assert final.choices[0].message.content
