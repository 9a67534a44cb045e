// What the client sees when accounts fail.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { APICallError, RetryError, StreamProviderError, generateText, streamText } from "ai";

import { ownDemo } from "../javascript/demo.mjs";
import { all, asking, of, refusal } from "./client.mjs";

// Past two lifecycle events, the reasoning item and the head of the message, the text has begun.
const IN_THE_TEXT = 12;
const IN_FIFTY = { fault: { kind: "events", count: 50 } };

suite("before the first output", { concurrency: 4 }, () => {
  const faults = ["usage_limit_reached", "overloaded_in_stream", { kind: "hang_up" }, { kind: "cut", after_events: 0 }];
  for (const fault of faults) {
    test(`${fault.kind ?? fault} is never seen`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault, times: 2 });
      const parts = await all(streamText(asking(demo)).stream);
      assert.deepEqual(of(parts, "error"), []);
      assert.ok(of(parts, "text-delta").length > 1);
      assert.deepEqual(await demo.hits(), [2]);
    });
  }
});

const ALL_FAIL = {
  "an overload of all accounts": ["server_is_overloaded", 503, "server_is_overloaded", true],
  "a rate limit of all accounts": ["rate_limited", 429, "rate_limit_exceeded", true],
  "a pool without quota": ["usage_limit_reached", 429, "quota_exhausted", true],
  "connections that end": [{ kind: "hang_up" }, 502, "upstream_request_failed", true],
  "too long an input": ["context_length_exceeded", 400, "context_length_exceeded", false],
  "too long an input, told in a stream": [
    { kind: "terminal_in_stream", terminal: "failed", code: "context_length_exceeded", after_events: 2 },
    400,
    "context_length_exceeded",
    false,
  ],
};

suite("when all accounts fail", { concurrency: 4 }, () => {
  for (const [name, [fault, status, code, isRetryable]] of Object.entries(ALL_FAIL)) {
    test(`${name} is an APICallError with ${status}, whole and streamed`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault });
      const error = await refusal(generateText(asking(demo)), status, { code, param: null });
      assert.equal(error.isRetryable, isRetryable);
      const [part] = of(await all(streamText(asking(demo)).stream), "error");
      assert.ok(APICallError.isInstance(part.error));
      assert.deepEqual([part.error.statusCode, part.error.data.error.code], [status, code]);
    });
  }
});

suite("after the first output", { concurrency: 4 }, () => {
  const FAILURES = {
    "a cut": [{ kind: "cut", after_events: IN_THE_TEXT }, "server_error"],
    "a failure that the stream tells": [
      { kind: "terminal_in_stream", terminal: "failed", code: "rate_limit_exceeded", after_events: IN_THE_TEXT },
      "rate_limit_exceeded",
    ],
  };
  for (const [name, [fault, code]] of Object.entries(FAILURES)) {
    test(`${name} is an error of the provider, and what came before is kept`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault }, IN_FIFTY);
      const seen = [];
      const result = streamText({ ...asking(demo), onError: ({ error }) => seen.push(error) });
      const parts = await all(result.stream);
      const [part] = of(parts, "error");
      assert.ok(StreamProviderError.isInstance(part.error), part.error);
      assert.equal(part.error.code, code);
      assert.ok(of(parts, "text-delta").length > 0);
      assert.equal(of(parts, "finish")[0].finishReason, "error");
      assert.equal(seen.length, 1);
    });
  }

  test("a cut stream can be retried by the client, and then succeeds", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: { kind: "cut", after_events: IN_THE_TEXT }, times: 1 }, IN_FIFTY);
    const result = streamText({ ...asking(demo), streamRetries: 1 });
    await all(result.stream);
    assert.equal(await result.finishReason, "stop");
    assert.equal((await demo.asked()).length, 2);
  });

  test("an end for want of room is an answer of that length", async (t) => {
    const demo = await ownDemo(t);
    const fault = {
      kind: "terminal_in_stream",
      terminal: "incomplete",
      code: "max_output_tokens",
      after_events: IN_THE_TEXT,
    };
    await demo.fault({ fault }, IN_FIFTY);
    assert.equal((await generateText(asking(demo))).finishReason, "length");
    assert.equal(await streamText(asking(demo)).finishReason, "length");
  });
});

suite("retries of the client", { concurrency: 4 }, () => {
  test("they get through what all accounts refused once", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: "server_is_overloaded", times: 3 });
    assert.ok((await generateText({ ...asking(demo), maxRetries: 1 })).text);
    assert.equal((await demo.asked()).length, 4);
  });

  test("they end with all that was seen", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: "server_is_overloaded" });
    const error = await generateText({ ...asking(demo), maxRetries: 1 }).catch((error) => error);
    assert.ok(RetryError.isInstance(error));
    assert.deepEqual(
      error.errors.map((one) => one.statusCode),
      [503, 503],
    );
  });
});
