"""Refusals: the exception, its code and its param, as the SDK shows them."""

import httpx2
import openai
import pytest

from demo import MODEL

NOBODY = "sk-cxp-000000000000-" + "A" * 43


@pytest.mark.parametrize("key", [NOBODY, "sk-something-else"], ids=["unknown", "malformed"])
def test_a_wrong_key_is_an_authentication_error(demo, key):
    with pytest.raises(openai.AuthenticationError) as caught:
        demo.client(api_key=key, max_retries=0).responses.create(model=MODEL, input="Say hello")
    assert (caught.value.code, caught.value.param) == ("invalid_api_key", None)
    assert caught.value.response.headers["www-authenticate"] == "Bearer"


def test_no_key_at_all_is_named(demo):
    answer = httpx2.post(f"{demo.base_url}/responses", json={"model": MODEL, "input": "Say hello"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {
        "error": {
            "message": "api key is required",
            "type": "invalid_request_error",
            "code": "api_key_missing",
            "param": None,
        }
    }


UNSUPPORTED = {
    "embeddings": lambda client: client.embeddings.create(model="text-embedding-3-small", input="hello"),
    "moderations": lambda client: client.moderations.create(input="hello"),
    "batches": lambda client: client.batches.create(
        completion_window="24h", endpoint="/v1/responses", input_file_id="file-1"
    ),
    "responses.retrieve": lambda client: client.responses.retrieve("resp_1"),
    "responses.cancel": lambda client: client.responses.cancel("resp_1"),
    "responses.delete": lambda client: client.responses.delete("resp_1"),
}


@pytest.mark.parametrize("call", UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_an_unsupported_endpoint_is_not_found(client, call):
    with pytest.raises(openai.NotFoundError) as caught:
        call(client)
    assert (caught.value.code, caught.value.type) == ("unsupported_endpoint", "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_unknown_parameter_is_refused_by_name(client, stream):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Say hello", stream=stream, extra_body={"frobnicate": 1})
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "frobnicate")
    assert "Unsupported parameter: frobnicate" in caught.value.message


def test_a_parameter_that_the_backend_cannot_do_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Say hello", background=True)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "background")


def test_an_unknown_model_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-2", input="Say hello")
    assert (caught.value.code, caught.value.param) == ("invalid_model", "model")


def test_an_empty_input_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=[])
    assert (caught.value.code, caught.value.param) == ("invalid_request", "input")


# In strict form every property is required, and no other one is allowed.
NOT_STRICT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}


def test_a_bad_schema_of_the_answer_is_refused_with_its_place(client):
    form = {"type": "json_schema", "name": "bad", "schema": NOT_STRICT, "strict": True}
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Say hello", text={"format": form})
    assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "text.format.schema")


def test_a_bad_schema_of_a_function_is_refused_with_its_place(client):
    tool = {"type": "function", "name": "f", "parameters": NOT_STRICT, "strict": True}
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Say hello", tools=[tool])
    assert (caught.value.code, caught.value.param) == ("invalid_function_parameters", "tools.0.parameters")
    assert "Invalid schema for function 'f': " in caught.value.message


def test_a_refused_request_never_reaches_an_account(own_demo, own_client):
    with pytest.raises(openai.BadRequestError):
        own_client.responses.create(model=MODEL, input="Say hello", extra_body={"frobnicate": 1})
    with pytest.raises(openai.NotFoundError):
        own_client.responses.retrieve("resp_1")
    assert own_demo.asked() == []
