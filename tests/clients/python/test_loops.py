"""Tool loops over several turns, by hand and with the runner of the SDK."""

import asyncio

import openai
import pytest
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner
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
TOOLS = [{"type": "function", **tool["function"]} for tool in TOOLS]


def calls_of(response):
    return [item for item in response.output if item.type == "function_call"]


def outputs(calls):
    return [{"type": "function_call_output", "call_id": call.call_id, "output": "21"} for call in calls]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_three_functions_are_called_in_three_turns_then_answered_with_text(client, streamed):
    def ask(messages):
        if not streamed:
            return client.responses.parse(model=MODEL, input=messages, tools=TOOLS)
        with client.responses.stream(model=MODEL, input=messages, tools=TOOLS) as stream:
            return stream.get_final_response()

    conversation = [THREE]
    for name in NAMES:
        response = ask(conversation)
        (call,) = calls_of(response)
        assert call.name == name
        Query.model_validate_json(call.arguments)
        conversation += [*response.output, *outputs([call])]
    assert ask(conversation).output_text


def test_functions_that_are_called_at_the_same_time_are_answered_together(client):
    response = client.responses.create(model=MODEL, input=[PARALLEL], tools=TOOLS, parallel_tool_calls=True)
    calls = calls_of(response)
    assert [call.name for call in calls] == NAMES
    assert len({call.call_id for call in calls}) == 3
    final = client.responses.create(model=MODEL, input=[PARALLEL, *response.output, *outputs(calls)], tools=TOOLS)
    assert final.output_text


def test_five_conversations_with_tools_go_on_at_the_same_time(demo):
    async def talk(client):
        conversation = [THREE]
        for _ in NAMES:
            response = await client.responses.create(model=MODEL, input=conversation, tools=TOOLS)
            conversation += [*response.output, *outputs(calls_of(response))]
        async with client.responses.stream(model=MODEL, input=conversation, tools=TOOLS) as stream:
            return (await stream.get_final_response()).output_text

    async def all_of_them():
        async with demo.async_client() as client:
            return await asyncio.gather(*(talk(client) for _ in range(5)))

    assert all(asyncio.run(all_of_them()))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_tool_runner_of_the_sdk_runs_all_tools_to_the_end(client, streamed):
    asked = []
    functions = [
        RegisteredFunction(tool, lambda arguments, name=tool["name"]: asked.append((name, arguments)) or "21")
        for tool in TOOLS
    ]
    runner = ResponsesToolRunner(functions=functions)
    final = runner.run(client, {"model": MODEL, "input": [THREE]}, max_steps=5, stream=streamed)
    assert final.output_text
    assert [name for name, _ in asked] == NAMES
    assert all(Query.model_validate(arguments) for _, arguments in asked)
