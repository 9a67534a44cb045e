"""Models, request ids, metrics, and the life of a demo."""

import signal
import stat
import time

import httpx2
import openai
import pytest

from demo import MODEL, Demo, wait_until


def test_the_models_are_listed(client):
    models = {model.id: model for model in client.models.list()}
    assert MODEL in models
    assert models[MODEL].object == "model"


def test_every_listed_model_answers(client):
    refused = {}
    for model in client.models.list():
        try:
            assert client.responses.create(model=model.id, input="Say hello").model == model.id
        except openai.APIError as error:
            refused[model.id] = error.code
    assert refused == {}


def test_every_answer_has_a_request_id_of_its_own(demo, client):
    raw = client.responses.with_raw_response
    ids = [
        raw.create(model=MODEL, input="Say hello").headers["x-request-id"],
        client.models.with_raw_response.list().headers["x-request-id"],
        client.responses.create(model=MODEL, input="Say hello")._request_id,
        httpx2.get(f"{demo.base_url}/nothing/here").headers["x-request-id"],
        httpx2.get(demo.base_url.removesuffix("/v1") + "/nothing/here").headers["x-request-id"],
    ]
    with raw.create(model=MODEL, input="Say hello", stream=True).parse() as stream:
        ids.append(stream.response.headers["x-request-id"])
        list(stream)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-2", input="Say hello")
    ids.append(caught.value.request_id)
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_metrics_count_requests(demo, client):
    before = demo.requests_total(status="200", outcome="succeeded")
    refused = demo.requests_total(status="400")
    client.responses.create(model=MODEL, input="Say hello")
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt-2", input="Say hello")
    # An answer is counted once it is over, which its client may see first.
    wait_until(lambda: demo.requests_total(status="200", outcome="succeeded") == before + 1, "the answer counts")
    wait_until(lambda: demo.requests_total(status="400") == refused + 1, "the refusal counts")


def test_the_env_file_is_private_and_complete(demo):
    assert stat.S_IMODE(demo.env_file.stat().st_mode) == 0o600
    assert demo.env["BASE_URL"].endswith("/v1")
    assert demo.env["BACKEND_URL"].endswith("/backend-api/codex")
    assert demo.env["METRICS_URL"].endswith("/metrics")


def test_the_same_key_works_after_kill_9(tmp_path):
    demo = Demo(tmp_path)
    try:
        key = demo.start().key
        assert demo.client().responses.create(model=MODEL, input="Say hello").output_text
        demo.stop(signal.SIGKILL)
        assert demo.start().key == key
        assert demo.client().responses.create(model=MODEL, input="Say hello").output_text
    finally:
        demo.stop()


def test_ctrl_c_ends_a_demo_within_a_second(own_demo):
    began = time.monotonic()
    assert own_demo.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 1
