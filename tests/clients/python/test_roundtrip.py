"""Whatever comes back is taken as input, unchanged."""

import pytest

from demo import MODEL
from test_schema import REQUESTS

QUESTION = {"role": "user", "content": "Tell me about Lisbon"}
NEXT = {"role": "user", "content": "And Porto?"}


def outputs(items):
    calls = [item for item in items if item.type.endswith("_call")]
    return [{"type": f"{call.type}_output", "call_id": call.call_id, "output": "done"} for call in calls]


@pytest.fixture(params=REQUESTS.values(), ids=REQUESTS.keys())
def request_of(request):
    return {"model": MODEL, "input": [QUESTION], **request.param}


def goes_on(client, items):
    response = client.responses.create(model=MODEL, input=[QUESTION, *items, *outputs(items), NEXT])
    assert response.status == "completed"


def test_the_output_of_a_whole_answer(client, request_of):
    goes_on(client, client.responses.create(**request_of).output)


def test_the_items_of_a_stream(client, request_of):
    events = list(client.responses.create(**request_of, stream=True))
    goes_on(client, [event.item for event in events if event.type == "response.output_item.done"])


def test_what_the_stream_helper_made_of_it(client, request_of):
    with client.responses.stream(**request_of) as stream:
        goes_on(client, stream.get_final_response().output)


def test_ten_turns_of_one_conversation(client):
    conversation = []
    for turn in range(10):
        conversation.append({"role": "user", "content": f"Question {turn}"})
        conversation += client.responses.create(model=MODEL, input=conversation, reasoning={"effort": "low"}).output
    assert conversation[-1].content[0].text
