"""With strict validation the SDK refuses whatever lacks a key of OpenAI's published schema: chat completions."""

import pytest

from demo import MODEL
from test_chat_tools import PARALLEL, SHELL, TOOLS
from test_schema import fits

HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}]}
CHATS = {
    "text": {},
    "calls": {"messages": [PARALLEL], "tools": TOOLS},
    "reasoning": {"reasoning_effort": "high"},
}


@pytest.mark.parametrize("options", CHATS.values(), ids=CHATS.keys())
def test_a_chat_completion_and_its_chunks_fit_the_schema(demo, options):
    strict = demo.client(max_retries=0, _strict_response_validation=True)
    create = strict.chat.completions.create
    assert fits(lambda: create(**{**HELLO, **options})).choices[0].finish_reason
    usage = {"stream_options": {"include_usage": True}}
    assert fits(lambda: list(create(**{**HELLO, **options}, stream=True, **usage)))[-1].usage


def test_a_call_of_a_custom_tool_fits_the_schema(demo):
    # Not in a stream: the SDK's schema of chunks knows functions only.
    create = demo.client(max_retries=0, _strict_response_validation=True).chat.completions.create
    assert fits(lambda: create(**HELLO, tools=[SHELL], tool_choice="required")).choices[0].message.tool_calls
