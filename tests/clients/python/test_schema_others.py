"""With strict validation the SDK refuses whatever lacks a key of OpenAI's published schema: the other routes."""

import pytest

from demo import MODEL
from test_media import FOX, transcribe
from test_schema import fits


@pytest.fixture(scope="module")
def strict(demo):
    return demo.client(max_retries=0, _strict_response_validation=True)


def test_a_model_and_files_fit_the_schema(strict):
    assert fits(lambda: strict.models.retrieve(MODEL)).id == MODEL
    file = fits(lambda: strict.files.create(file=("a.txt", b"hello", "text/plain"), purpose="user_data"))
    assert fits(lambda: strict.files.retrieve(file.id)).id == file.id
    assert fits(lambda: strict.files.list(limit=1)).data


def test_transcriptions_and_images_fit_the_schema(strict):
    assert fits(lambda: transcribe(strict)).text
    assert fits(lambda: strict.images.generate(**FOX)).data
