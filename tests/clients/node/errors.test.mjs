// Refusals: the class of the error, its code and its param.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { APIConnectionError, AuthenticationError, BadRequestError, NotFoundError } from "openai";

import { MODEL, NOBODY, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

const demo = sharedDemo();
const client = clientOf(demo);
const HELLO = { model: MODEL, input: "Say hello" };
// In strict form every property is required, and no other one is allowed.
const schema = { type: "object", properties: { a: { type: "string" } }, required: [] };

const REFUSED = {
  "an unknown parameter": [{ frobnicate: 1 }, "unsupported_parameter", "frobnicate"],
  "a parameter that the backend cannot do": [{ background: true }, "unsupported_parameter", "background"],
  "a number of tool calls": [{ max_tool_calls: 3 }, "unsupported_parameter", "max_tool_calls"],
  "an unknown model": [{ model: "gpt-2" }, "invalid_model", "model"],
  "an empty input": [{ input: [] }, "invalid_request", "input"],
  "an unknown item": [{ input: [{ type: "frobnicate" }] }, "invalid_request", "input"],
  "a remote MCP server": [{ tools: [{ type: "mcp", server_label: "s" }] }, "invalid_request", "tools"],
  "no room for the answer": [{ max_output_tokens: 0 }, "invalid_request", "max_output_tokens"],
  "an effort that cannot be": [{ reasoning: { effort: "high--x" } }, "invalid_request", "reasoning.effort"],
  "an answer that is not stored": [{ previous_response_id: "resp_1" }, "invalid_request", "previous_response_id"],
  "a bad schema of the answer": [
    { text: { format: { type: "json_schema", name: "bad", schema, strict: true } } },
    "invalid_json_schema",
    "text.format.schema",
  ],
  "a bad schema of a function": [
    { tools: [{ type: "function", name: "f", parameters: schema, strict: true }] },
    "invalid_function_parameters",
    "tools.0.parameters",
  ],
};

suite("refused", { concurrency: true }, () => {
  for (const [name, [options, code, param]] of Object.entries(REFUSED)) {
    for (const stream of [false, true]) {
      test(`${name}, ${stream ? "streamed" : "whole"}`, async () => {
        const asking = client.responses.create({ ...HELLO, ...options, stream });
        const error = await refusal(asking, BadRequestError, { code, param, type: "invalid_request_error" });
        assert.ok(error.requestID);
        assert.ok(error.message.length > 10);
      });
    }
  }

  test("the stream helper ends with the error too", async () => {
    const stream = client.responses.stream({ ...HELLO, input: [] });
    await refusal(stream.finalResponse(), BadRequestError, { code: "invalid_request", param: "input" });
    assert.equal(stream.errored, true);
  });
});

suite("keys", { concurrency: true }, () => {
  for (const [name, apiKey] of [
    ["unknown", NOBODY],
    ["malformed", "sk-something-else"],
  ]) {
    test(`an ${name} key is an authentication error`, async () => {
      const asking = clientOf(demo, { apiKey }).responses.create(HELLO);
      const error = await refusal(asking, AuthenticationError, { code: "invalid_api_key", param: null });
      assert.equal(error.headers.get("www-authenticate"), "Bearer");
    });
  }

  test("no key at all is named", async () => {
    const bare = clientOf(demo, { defaultHeaders: { authorization: null } });
    await refusal(bare.responses.create(HELLO), AuthenticationError, { code: "api_key_missing", param: null });
  });

  test("nobody at the address is a connection error", async () => {
    const gone = clientOf(demo, { baseURL: "http://127.0.0.1:9/v1" });
    await refusal(gone.responses.create(HELLO), APIConnectionError, { status: undefined });
  });
});

const UNSUPPORTED = {
  "embeddings.create": () => client.embeddings.create({ model: "text-embedding-3-small", input: "hello" }),
  "moderations.create": () => client.moderations.create({ input: "hello" }),
  "batches.create": () =>
    client.batches.create({ completion_window: "24h", endpoint: "/v1/responses", input_file_id: "file-1" }),
  "batches.list": () => client.batches.list(),
  "fineTuning.jobs.create": () => client.fineTuning.jobs.create({ model: MODEL, training_file: "file-1" }),
  "responses.retrieve": () => client.responses.retrieve("resp_1"),
  "responses.cancel": () => client.responses.cancel("resp_1"),
  "responses.delete": () => client.responses.delete("resp_1"),
  "responses.inputItems.list": () => client.responses.inputItems.list("resp_1"),
  "conversations.create": () => client.conversations.create(),
  "vectorStores.list": () => client.vectorStores.list(),
  "audio.speech.create": () => client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "hello" }),
};

suite("not found", { concurrency: true }, () => {
  for (const [name, call] of Object.entries(UNSUPPORTED)) {
    test(name, () => refusal(call(), NotFoundError, { code: "unsupported_endpoint", type: "invalid_request_error" }));
  }
});

test("a refused request never reaches an account", async (t) => {
  const own = await ownDemo(t);
  await refusal(clientOf(own).responses.create({ ...HELLO, frobnicate: 1 }), BadRequestError);
  await refusal(clientOf(own).responses.retrieve("resp_1"), NotFoundError);
  assert.deepEqual(await own.asked(), []);
});
