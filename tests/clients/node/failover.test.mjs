// What the SDK sees when accounts fail. Where it is not said, the client retries nothing: it shows the gateway's first answer.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  BadRequestError,
  InternalServerError,
  RateLimitError,
} from "openai";

import { MODEL, ownDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

// Past two lifecycle events, the reasoning item and the head of the message, the text has begun.
const IN_THE_TEXT = 12;
const HELLO = { model: MODEL, input: "Say hello" };

function ask(client, streamed) {
  return streamed ? client.responses.stream(HELLO).finalResponse() : client.responses.create(HELLO);
}

const NEVER_SEEN = {
  "a usage limit": "usage_limit_reached",
  "an overload": "server_is_overloaded",
  "an overload inside a 200": "overloaded_in_stream",
  "a connection that ends": { kind: "hang_up" },
  "a cut at once": { kind: "cut", after_events: 0 },
  "a page of HTML": "html",
};

suite("before the first output", { concurrency: 4 }, () => {
  for (const [name, fault] of Object.entries(NEVER_SEEN)) {
    test(`${name} is never seen`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault, times: 2 });
      assert.ok((await ask(clientOf(demo), true)).output_text);
      assert.deepEqual(await demo.hits(), [2]);
      assert.equal(new Set((await demo.asked()).map((one) => one.account)).size, 3);
    });
  }

  test("expired tokens are refreshed without the client knowing", async (t) => {
    const demo = await ownDemo(t);
    await Promise.all(["sim-0", "sim-1", "sim-2"].map((account) => demo.expire(account)));
    assert.ok((await ask(clientOf(demo), true)).output_text);
    assert.equal((await demo.asked("/oauth/token")).length, 1);
  });
});

const ALL_FAIL = {
  "an overload of all accounts": [
    "server_is_overloaded",
    InternalServerError,
    503,
    "server_is_overloaded",
    "server_error",
  ],
  "a 503 without a code": ["unavailable", InternalServerError, 503, "upstream_error", "server_error"],
  "a rate limit of all accounts": ["rate_limited", RateLimitError, 429, "rate_limit_exceeded", "rate_limit_error"],
  "a pool without quota": ["usage_limit_reached", RateLimitError, 429, "quota_exhausted", "usage_limit_reached"],
  "accounts that are not let in": ["payment_required", InternalServerError, 503, "no_eligible_backend", "server_error"],
  "connections that end": [{ kind: "hang_up" }, InternalServerError, 502, "upstream_request_failed", "server_error"],
};

suite("when all accounts fail", { concurrency: 4 }, () => {
  for (const [name, [fault, kind, status, code, type]] of Object.entries(ALL_FAIL)) {
    test(`${name} is ${kind.name}, whole and streamed`, async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault });
      for (const streamed of [false, true]) {
        await refusal(ask(clientOf(demo), streamed), kind, { status, code, type, param: null });
      }
    });
  }

  test("too long an input is told in the words that clients look for, and tried once", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: "context_length_exceeded" });
    for (const streamed of [false, true]) {
      const error = await refusal(ask(clientOf(demo), streamed), BadRequestError, { code: "context_length_exceeded" });
      assert.match(error.message, /Your input exceeds the context window of this model\./);
      assert.match(error.message, /maximum context length is/);
    }
    assert.equal((await demo.asked()).length, 2);
  });

  test("too long an input that a stream tells is a 400 too", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({
      fault: { kind: "terminal_in_stream", terminal: "failed", code: "context_length_exceeded", after_events: 2 },
    });
    for (const streamed of [false, true]) {
      await refusal(ask(clientOf(demo), streamed), BadRequestError, { status: 400, code: "context_length_exceeded" });
    }
  });
});

suite("after the first output", { concurrency: 4 }, () => {
  const inTheText = [{ fault: { kind: "cut", after_events: IN_THE_TEXT } }, { fault: { kind: "events", count: 50 } }];

  test("a cut is an API error, and what came before is kept", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault(...inTheText);
    const seen = [];
    const reading = async () => {
      for await (const event of await clientOf(demo).responses.create({ ...HELLO, stream: true }))
        seen.push(event.type);
    };
    const error = await refusal(reading(), APIError, { code: "server_error", type: "server_error" });
    assert.ok(!(error instanceof APIConnectionError));
    assert.ok(seen.includes("response.output_text.delta"));
    assert.ok(!seen.includes("response.completed"));
    assert.equal((await demo.asked()).length, 1);
  });

  test("a cut ends the stream helper with an error", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault(...inTheText);
    const stream = clientOf(demo).responses.stream(HELLO);
    let deltas = 0;
    stream.on("response.output_text.delta", () => (deltas += 1));
    await refusal(stream.finalResponse(), APIError);
    assert.ok(deltas > 0 && stream.errored);
  });

  test("a failure that the stream tells is an API error with its code", async (t) => {
    const demo = await ownDemo(t);
    const terminal = {
      kind: "terminal_in_stream",
      terminal: "error",
      code: "rate_limit_exceeded",
      after_events: IN_THE_TEXT,
    };
    await demo.fault({ fault: terminal }, { fault: { kind: "events", count: 50 } });
    await refusal(ask(clientOf(demo), true), APIError, { code: "rate_limit_exceeded", type: "rate_limit_error" });
  });

  test("an ordinary end before the end is an answer", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({
      fault: {
        kind: "terminal_in_stream",
        terminal: "incomplete",
        code: "max_output_tokens",
        after_events: IN_THE_TEXT,
      },
    });
    for (const streamed of [false, true]) {
      const response = await ask(clientOf(demo), streamed);
      assert.deepEqual([response.status, response.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
    }
  });
});

suite("retries of the SDK", { concurrency: 4 }, () => {
  test("they get through what all accounts refused once", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: "server_is_overloaded", times: 3 });
    const response = await ask(clientOf(demo, { maxRetries: 2 }), false);
    assert.ok(response.output_text);
    await demo.isIdle();
    assert.equal(await demo.requestsTotal({ route: "POST /v1/responses" }), 2);
  });

  test("a pool without quota is not asked again", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: { kind: "usage_limit", resets_in_ms: 3_600_000 } });
    const error = await refusal(ask(clientOf(demo, { maxRetries: 2 }), false), RateLimitError, {
      code: "quota_exhausted",
    });
    assert.equal(error.headers.get("x-should-retry"), "false");
    assert.ok(error.error.resets_in_seconds > 3_000 && error.error.resets_at > Date.now() / 1_000);
    await demo.isIdle();
    assert.equal(await demo.requestsTotal({ route: "POST /v1/responses" }), 1);
  });

  test("an account that says nothing is a timeout of the client, and leaves nothing behind", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault({ fault: { kind: "slow_first_byte", delay_ms: 20_000 } });
    await refusal(ask(clientOf(demo, { timeout: 1_000 }), false), APIConnectionTimeoutError);
    await demo.isIdle();
  });
});
