"""`responses.create` that waits for the whole answer."""

import asyncio

from demo import MODEL


def test_a_string_is_answered_with_text(client):
    response = client.responses.create(model=MODEL, input="Say hello")
    assert response.status == "completed"
    assert response.model == MODEL
    assert response.output_text
    assert response.error is None


def test_usage_adds_up_and_grows_with_the_input(client):
    short = client.responses.create(model=MODEL, input="Say hello").usage
    long = client.responses.create(model=MODEL, input="Say hello to each of these: " + "somebody, " * 500).usage
    assert long.input_tokens > short.input_tokens > 0
    for usage in (short, long):
        assert usage.output_tokens > 0
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_instructions_and_messages_are_answered(client):
    response = client.responses.create(
        model=MODEL,
        instructions="You are terse.",
        input=[
            {"role": "developer", "content": "Answer in English."},
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello Ada."},
            {"role": "user", "content": [{"type": "input_text", "text": "What is my name?"}]},
        ],
    )
    assert response.output_text
    assert "You are terse." in response.instructions


def test_an_answer_can_be_sent_back_as_input(client):
    conversation = [{"role": "user", "content": "Tell me about Lisbon."}]
    first = client.responses.create(model=MODEL, input=conversation, reasoning={"effort": "low", "summary": "auto"})
    assert any(item.type == "reasoning" for item in first.output)
    conversation += first.output
    conversation += [{"role": "user", "content": "And Porto?"}]
    second = client.responses.create(model=MODEL, input=conversation)
    assert second.output_text
    assert second.usage.input_tokens > first.usage.input_tokens


def test_metadata_comes_back(client):
    response = client.responses.create(model=MODEL, input="Say hello", metadata={"trace": "a-1"})
    assert response.metadata == {"trace": "a-1"}


def test_twenty_at_the_same_time_are_all_answered(demo):
    async def streamed(client, number):
        stream = await client.responses.create(model=MODEL, input=f"Stream number {number}", stream=True)
        return [event async for event in stream][-1].response

    async def all_of_them():
        async with demo.async_client() as client:
            whole = [client.responses.create(model=MODEL, input=f"Number {number}") for number in range(10)]
            return await asyncio.gather(*whole, *(streamed(client, number) for number in range(10)))

    responses = asyncio.run(all_of_them())
    assert [response.status for response in responses] == ["completed"] * 20
    assert all(response.output_text for response in responses)
    assert len({response.id for response in responses}) == 20


def test_the_same_cache_key_stays_on_one_account_and_hits_its_cache(own_demo, own_client):
    text = "The same long beginning. " * 100
    usages = [
        own_client.responses.create(model=MODEL, input=text, prompt_cache_key="conversation-1").usage for _ in range(4)
    ]
    assert len({one["account"] for one in own_demo.asked()}) == 1
    assert usages[0].input_tokens_details.cached_tokens == 0
    assert all(usage.input_tokens_details.cached_tokens > 0 for usage in usages[1:])
