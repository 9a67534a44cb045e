"""Transcriptions and images."""

import base64
import struct

import openai
import pytest

WAV = b"RIFF" + struct.pack("<I", 292) + b"WAVEfmt " + struct.pack("<I", 16) + bytes(288)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
FOX = {"model": "gpt-image-1", "prompt": "A fox"}


def transcribe(client, **options):
    request = {"file": ("speech.wav", WAV, "audio/wav"), "model": "gpt-4o-transcribe", **options}
    return client.audio.transcriptions.create(**request)


def the_picture(answer):
    (image,) = answer.data
    assert isinstance(answer.created, int)
    return base64.b64decode(image.b64_json, validate=True)


def test_speech_is_answered_with_text(client):
    assert transcribe(client).text
    assert transcribe(client, response_format="text").rstrip("\n") == transcribe(client).text


def test_all_options_of_a_transcription_are_taken(client):
    options = {"model": "gpt-transcribe", "language": "en", "prompt": "Names: Ada", "temperature": 0}
    lists = {"keywords": ["Ada", "Lisbon"], "languages": ["en", "pt"]}
    assert transcribe(client, **options, extra_body=lists).text


@pytest.mark.parametrize("form", ["srt", "vtt", "verbose_json"])
def test_another_form_of_a_transcription_is_refused(client, form):
    with pytest.raises(openai.BadRequestError) as caught:
        transcribe(client, response_format=form)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "response_format")


def test_a_prompt_is_answered_with_a_picture(client):
    assert the_picture(client.images.generate(**FOX)).startswith(b"\x89PNG")


def test_pictures_are_changed(client):
    made = the_picture(client.images.generate(**FOX, size="1024x1024", quality="low"))
    pictures = [("a.png", made, "image/png"), ("b.png", PIXEL, "image/png")]
    assert the_picture(client.images.edit(**FOX, image=pictures[0]))
    assert the_picture(client.images.edit(**FOX, image=pictures, mask=pictures[1]))


REFUSED = {"n": 2, "stream": True, "model": "dall-e-3", "size": "256x256", "prompt": ""}


@pytest.mark.parametrize("param, value", REFUSED.items(), ids=REFUSED.keys())
def test_a_picture_that_cannot_be_made_is_refused_by_name(client, param, value):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{**FOX, param: value})
    assert caught.value.param == param
