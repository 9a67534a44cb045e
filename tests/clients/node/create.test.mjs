// `responses.create` that waits for the whole answer.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { MODEL, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf } from "./client.mjs";

const demo = sharedDemo();
const client = clientOf(demo);

suite("create", { concurrency: true }, () => {
  test("a string is answered with text", async () => {
    const response = await client.responses.create({ model: MODEL, input: "Say hello" });
    assert.equal(response.status, "completed");
    assert.equal(response.model, MODEL);
    assert.equal(response.error, null);
    assert.ok(response.output_text);
  });

  test("usage adds up and grows with the input", async () => {
    const ask = async (input) => (await client.responses.create({ model: MODEL, input })).usage;
    const [short, long] = [await ask("Say hello"), await ask("Say hello to " + "somebody, ".repeat(500))];
    assert.ok(long.input_tokens > short.input_tokens && short.input_tokens > 0);
    for (const usage of [short, long]) {
      assert.ok(usage.output_tokens > 0);
      assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
    }
  });

  test("instructions and messages are answered", async () => {
    const response = await client.responses.create({
      model: MODEL,
      instructions: "You are terse.",
      input: [
        { role: "developer", content: "Answer in English." },
        { role: "user", content: "My name is Ada." },
        { role: "assistant", content: "Hello Ada." },
        { role: "user", content: [{ type: "input_text", text: "What is my name?" }] },
      ],
    });
    assert.ok(response.output_text);
    assert.match(response.instructions, /You are terse\./);
  });

  test("metadata comes back", async () => {
    const response = await client.responses.create({ model: MODEL, input: "Say hello", metadata: { trace: "a-1" } });
    assert.deepEqual(response.metadata, { trace: "a-1" });
  });

  test("the raw answer and its request id can be had", async () => {
    const ask = () => client.responses.create({ model: MODEL, input: "Say hello" });
    const { data, response, request_id } = await ask().withResponse();
    assert.equal(response.headers.get("x-request-id"), request_id);
    assert.equal(data._request_id, request_id);
    const raw = await ask().asResponse();
    assert.equal((await raw.json()).status, "completed");
    assert.notEqual(raw.headers.get("x-request-id"), request_id);
  });

  test("parameters that ask for nothing are accepted", async () => {
    const nothing = { user: "u-1", background: false, truncation: "disabled", top_logprobs: 0, max_tool_calls: null };
    const ignored = { temperature: 0.3, top_p: 0.9, max_output_tokens: 500, store: true, safety_identifier: "s-1" };
    const nulls = { reasoning: null, service_tier: null, tools: null, tool_choice: null, text: null, include: null };
    const response = await client.responses.create({ model: MODEL, input: "Hi", ...nothing, ...ignored, ...nulls });
    assert.ok(response.output_text);
    assert.equal(response.store, false);
  });

  test("twenty at the same time are all answered", async () => {
    const whole = (number) => client.responses.create({ model: MODEL, input: `Number ${number}` });
    const streamed = async (number) => {
      const events = await all(
        await client.responses.create({ model: MODEL, input: `Stream ${number}`, stream: true }),
      );
      return events.at(-1).response;
    };
    const numbers = [...Array(10).keys()];
    const responses = await Promise.all([...numbers.map(whole), ...numbers.map(streamed)]);
    assert.deepEqual(
      responses.map((response) => response.status),
      Array(20).fill("completed"),
    );
    assert.equal(new Set(responses.map((response) => response.id)).size, 20);
  });

  test("the same cache key stays on one account and hits its cache", async (t) => {
    const own = await ownDemo(t);
    const input = "The same long beginning. ".repeat(100);
    const usages = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const options = { model: MODEL, input, prompt_cache_key: "conversation-1" };
      usages.push((await clientOf(own).responses.create(options)).usage);
    }
    assert.equal(new Set((await own.asked()).map((one) => one.account)).size, 1);
    const cached = usages.map((usage) => usage.input_tokens_details.cached_tokens > 0);
    assert.deepEqual(cached, [false, true, true, true]);
  });
});
