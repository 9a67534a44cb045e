"""One model, and what the key has used."""

import openai
import pytest

from demo import MODEL, wait_until


def test_a_model_is_the_one_of_the_list(client):
    listed = {model.id: model for model in client.models.list()}
    assert client.models.retrieve(MODEL) == listed[MODEL]


def test_a_model_that_does_not_exist_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-2")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_usage_counts_what_was_asked(own_client):
    usage = own_client.responses.create(model=MODEL, input="Say hello").usage
    asked = lambda: own_client.get("/usage", cast_to=dict)
    # It counts a moment after its answer, when its settlement is stored.
    counted = wait_until(lambda: (told := asked())["request_count"] == 1 and told, "the request is counted")
    assert counted["total_tokens"] == usage.total_tokens
    assert isinstance(counted["limits"], list)
