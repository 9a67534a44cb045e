"""Answers in a form that the client names."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from demo import MODEL


class Step(BaseModel):
    explanation: str
    minutes: int


class Recipe(BaseModel):
    name: str
    difficulty: Literal["easy", "hard"]
    vegan: bool
    steps: list[Step]
    origin: str | None


CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "population": {"type": "integer"}, "capital": {"type": "boolean"}},
    "required": ["name", "population", "capital"],
    "additionalProperties": False,
}


class City(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str
    population: int
    capital: bool


def test_parse_gives_the_pydantic_model(client):
    response = client.responses.parse(model=MODEL, input="A cake, please", text_format=Recipe)
    assert isinstance(response.output_parsed, Recipe)
    assert response.output_parsed.difficulty in ("easy", "hard")


def test_a_schema_by_hand_is_kept(client):
    form = {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}
    response = client.responses.create(model=MODEL, input="A city, please", text={"format": form})
    TypeAdapter(City).validate_json(response.output_text)
    assert response.text.format.name == "city"


def test_a_streamed_answer_keeps_the_schema_too(client):
    with client.responses.stream(model=MODEL, input="A cake, please", text_format=Recipe) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, Recipe)
    assert Recipe.model_validate_json("".join(deltas)) == final.output_parsed


def test_json_object_gives_an_object(client):
    response = client.responses.create(model=MODEL, input="Some JSON, please", text={"format": {"type": "json_object"}})
    assert isinstance(json.loads(response.output_text), dict)
