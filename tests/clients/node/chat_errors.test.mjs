// Chat completions that are refused, fail or are left alone.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  BadRequestError,
  InternalServerError,
  RateLimitError,
} from "openai";

import { MODEL, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

const HELLO = { model: MODEL, messages: [{ role: "user", content: "Say hello" }] };
// Past two lifecycle events, the reasoning item and the head of the message, the text has begun.
const IN_THE_TEXT = 12;
const schema = { type: "object", properties: { a: { type: "string" } }, required: [] };
const badTool = { type: "function", function: { name: "f", parameters: schema, strict: true } };

const REFUSED = {
  "an unknown parameter": [{ frobnicate: 1 }, "unsupported_parameter", "frobnicate"],
  "two choices": [{ n: 2 }, "unsupported_parameter", "n"],
  "words to stop at": [{ stop: ["x"] }, "unsupported_parameter", "stop"],
  "a penalty": [{ frequency_penalty: 0.5 }, "unsupported_parameter", "frequency_penalty"],
  probabilities: [{ logprobs: true }, "unsupported_parameter", "logprobs"],
  "spoken answers": [{ modalities: ["audio"] }, "unsupported_parameter", "modalities"],
  "old functions": [{ functions: [{ name: "f" }] }, "invalid_request", "functions"],
  "no messages": [{ messages: [] }, "invalid_request", "messages"],
  "an unknown model": [{ model: "gpt-2" }, "invalid_model", "model"],
  "an effort that cannot be": [{ reasoning_effort: "high--x" }, "invalid_request", "reasoning_effort"],
  "a bad schema of a function": [{ tools: [badTool] }, "invalid_function_parameters", "tools.0.parameters"],
};

suite("refused", { concurrency: true }, () => {
  const client = clientOf(sharedDemo());
  for (const [name, [options, code, param]] of Object.entries(REFUSED)) {
    for (const stream of [false, true]) {
      test(`${name}, ${stream ? "streamed" : "whole"}`, async () => {
        const asking = client.chat.completions.create({ ...HELLO, ...options, stream });
        await refusal(asking, BadRequestError, { code, param, type: "invalid_request_error" });
      });
    }
  }
});

function ask(demo, streamed) {
  const { completions } = clientOf(demo).chat;
  return streamed ? completions.stream(HELLO).finalChatCompletion() : completions.create(HELLO);
}

const ALL_FAIL = {
  "an overload of all accounts": ["server_is_overloaded", InternalServerError, 503, "server_is_overloaded"],
  "a rate limit of all accounts": ["rate_limited", RateLimitError, 429, "rate_limit_exceeded"],
  "a pool without quota": ["usage_limit_reached", RateLimitError, 429, "quota_exhausted"],
  "connections that end": [{ kind: "hang_up" }, InternalServerError, 502, "upstream_request_failed"],
  "too long an input": ["context_length_exceeded", BadRequestError, 400, "context_length_exceeded"],
  "too long an input, told in a stream": [
    { kind: "terminal_in_stream", terminal: "failed", code: "context_length_exceeded", after_events: 2 },
    BadRequestError,
    400,
    "context_length_exceeded",
  ],
};

suite("when accounts fail", { concurrency: 4 }, () => {
  for (const [name, [fault, kind, status, code]] of Object.entries(ALL_FAIL)) {
    test(`${name} is ${kind.name}, whole and streamed`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault });
      for (const streamed of [false, true]) await refusal(ask(demo, streamed), kind, { status, code, param: null });
    });
  }

  for (const fault of ["usage_limit_reached", "overloaded_in_stream", { kind: "cut", after_events: 2 }]) {
    test(`${fault.kind ?? fault} of two accounts is never seen`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault, times: 2 });
      assert.ok((await ask(demo, true)).choices[0].message.content);
      assert.deepEqual(await demo.hits(), [2]);
    });
  }

  const FAILURES = {
    "a cut": [{ kind: "cut", after_events: IN_THE_TEXT }, "server_error"],
    "a failure that the stream tells": [
      { kind: "terminal_in_stream", terminal: "failed", code: "rate_limit_exceeded", after_events: IN_THE_TEXT },
      "rate_limit_exceeded",
    ],
  };
  for (const [name, [fault, code]] of Object.entries(FAILURES)) {
    test(`${name} after the first output is an API error, and what came before is kept`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault }, { fault: { kind: "events", count: 50 } });
      const chunks = [];
      const reading = async () => {
        const stream = await clientOf(demo).chat.completions.create({ ...HELLO, stream: true });
        for await (const chunk of stream) chunks.push(chunk);
      };
      const error = await refusal(reading(), APIError, { code });
      assert.ok(!(error instanceof APIConnectionError));
      assert.ok(chunks.some((chunk) => chunk.choices[0].delta.content));
      assert.ok(chunks.every((chunk) => chunk.choices[0].finish_reason === null));
      await refusal(ask(demo, true), APIError);
    });
  }

  test("an end for want of room is an answer of that length", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({
      fault: {
        kind: "terminal_in_stream",
        terminal: "incomplete",
        code: "max_output_tokens",
        after_events: IN_THE_TEXT,
      },
    });
    const { completions } = clientOf(demo).chat;
    const whole = await completions.create(HELLO);
    assert.equal(whole.choices[0].finish_reason, "length");
    const streamed = await completions.stream(HELLO).finalChatCompletion();
    assert.equal(streamed.choices[0].finish_reason, "length");
  });
});

test("a client that leaves in mid-stream ends the request, and the next one is served", async (t) => {
  const demo = await ownDemo(t);
  await demo.fault({ fault: { kind: "pace", pause_ms: 50 } }, { fault: { kind: "events", count: 400 } });
  const stream = clientOf(demo).chat.completions.stream(HELLO);
  stream.once("content", () => stream.abort());
  await refusal(stream.done(), APIUserAbortError);
  await demo.isIdle();
  assert.equal((await demo.asked()).at(-1).ended, "client_gone");
  assert.equal(await demo.requestsTotal({ route: "POST /v1/chat/completions", outcome: "cancelled" }), 1);
  await demo.heal();
  assert.ok((await ask(demo, false)).choices[0].message.content);
});
