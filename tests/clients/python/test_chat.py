"""Chat completions: whole, streamed, and with the helpers of the SDK."""

import asyncio
import json

import pytest
from pydantic import BaseModel

from demo import MODEL

HELLO = [{"role": "user", "content": "Say hello"}]


class Recipe(BaseModel):
    name: str
    minutes: list[int]


def adds_up(usage):
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens >= 0
    assert usage.completion_tokens_details.reasoning_tokens >= 0


def test_a_message_is_answered_with_a_message(client):
    completion = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert completion.id.startswith("chatcmpl-")
    assert (completion.object, completion.model) == ("chat.completion", MODEL)
    (choice,) = completion.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    assert (choice.message.role, choice.message.refusal, choice.message.annotations) == ("assistant", None, [])
    assert choice.message.content
    adds_up(completion.usage)


def test_parameters_that_ask_for_nothing_are_accepted(client):
    nothing = {"n": 1, "stop": None, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}}
    ignored = {"user": "u-1", "seed": 7, "temperature": 0.2, "top_p": 0.9, "max_tokens": 500, "store": True}
    completion = client.chat.completions.create(model=MODEL, messages=HELLO, **nothing, **ignored)
    assert completion.choices[0].message.content


def test_a_message_that_came_back_is_taken_as_input_unchanged(client):
    messages = [*HELLO]
    for _ in range(3):
        message = client.chat.completions.create(model=MODEL, messages=messages).choices[0].message
        messages += [message, {"role": "user", "content": "Go on"}]
    # As plain values too, with the nulls that the SDK leaves out.
    dumped = [message if isinstance(message, dict) else message.model_dump() for message in messages]
    assert client.chat.completions.create(model=MODEL, messages=dumped).choices[0].message.content


@pytest.fixture(scope="module")
def chunks(client):
    return list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))


def test_the_first_chunk_names_the_role_and_the_last_the_reason_of_the_end(chunks):
    assert (chunks[0].choices[0].delta.role, chunks[0].choices[0].delta.content) == ("assistant", "")
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert len(chunks) > 3


def test_all_chunks_have_one_id_one_model_and_no_usage(chunks):
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id.startswith("chatcmpl-")
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert all(chunk.object == "chat.completion.chunk" and chunk.usage is None for chunk in chunks)


def test_usage_comes_last_where_it_is_asked_for(client):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, **options))
    assert chunks[-1].choices == []
    adds_up(chunks[-1].usage)
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_parse_gives_the_pydantic_model(client):
    completion = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Recipe)
    assert isinstance(completion.choices[0].message.parsed, Recipe)


def test_json_object_gives_an_object(client):
    form = {"type": "json_object"}
    completion = client.chat.completions.create(model=MODEL, messages=HELLO, response_format=form)
    assert isinstance(json.loads(completion.choices[0].message.content), dict)


def test_the_stream_helper_collects_the_completion(client):
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "".join(deltas)
    assert completion.choices[0].finish_reason == "stop"


def test_the_stream_helper_parses_what_the_schema_describes(client):
    with client.chat.completions.stream(model=MODEL, messages=HELLO, response_format=Recipe) as stream:
        done = [event for event in stream if event.type == "content.done"]
    assert isinstance(done[0].parsed, Recipe)


def test_twenty_at_the_same_time_are_all_answered(demo):
    async def streamed(client, number):
        messages = [{"role": "user", "content": f"Stream number {number}"}]
        async with client.chat.completions.stream(model=MODEL, messages=messages) as stream:
            return await stream.get_final_completion()

    async def all_of_them():
        async with demo.async_client() as client:
            whole = [client.chat.completions.create(model=MODEL, messages=HELLO) for _ in range(10)]
            return await asyncio.gather(*whole, *(streamed(client, number) for number in range(10)))

    completions = asyncio.run(all_of_them())
    assert len({completion.id for completion in completions}) == 20
    assert all(completion.choices[0].message.content for completion in completions)
