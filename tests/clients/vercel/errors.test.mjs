// Refusals: an APICallError with the status, the code and the param.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { APICallError, RetryError, generateText, jsonSchema, streamText, tool } from "ai";

import { MODEL, NOBODY, sharedDemo } from "../javascript/demo.mjs";
import { all, asking, of, openaiOf, refusal } from "./client.mjs";

const demo = sharedDemo();
const HELLO = asking(demo);
const openai = openaiOf(demo);
// In strict form every property is required, and no other one is allowed.
const inputSchema = jsonSchema({ type: "object", properties: { a: { type: "string" } }, required: [] });

const REFUSED = {
  "an unknown model": [{ model: openai("gpt-2") }, 400, "invalid_model", "model"],
  "a number of tool calls": [
    { providerOptions: { openai: { maxToolCalls: 3 } } },
    400,
    "unsupported_parameter",
    "max_tool_calls",
  ],
  "an earlier answer": [
    { providerOptions: { openai: { previousResponseId: "resp_1" } } },
    400,
    "invalid_request",
    "previous_response_id",
  ],
  "a conversation": [
    { providerOptions: { openai: { conversation: "conv_1" } } },
    400,
    "unsupported_parameter",
    "conversation",
  ],
  "a bad schema": [
    { tools: { f: tool({ inputSchema, strict: true }) } },
    400,
    "invalid_function_parameters",
    "tools.0.parameters",
  ],
  "file search": [
    { tools: { s: openai.tools.fileSearch({ vectorStoreIds: ["vs_1"] }) } },
    400,
    "invalid_request",
    "tools",
  ],
  "a wrong key": [{ model: openaiOf(demo, { apiKey: NOBODY })(MODEL) }, 401, "invalid_api_key", null],
};

suite("refused", { concurrency: true }, () => {
  for (const [name, [options, status, code, param]] of Object.entries(REFUSED)) {
    test(name, async () => {
      const error = await refusal(generateText({ ...HELLO, ...options }), status, { code, param });
      assert.equal(error.isRetryable, false);
      assert.ok(error.responseHeaders["x-request-id"]);
      assert.equal(JSON.parse(error.responseBody).error.message, error.message);
    });

    test(`${name}, streamed`, async () => {
      const parts = await all(streamText({ ...HELLO, ...options }).stream);
      const [part] = of(parts, "error");
      assert.ok(APICallError.isInstance(part.error));
      assert.deepEqual([part.error.statusCode, part.error.data.error.code], [status, code]);
    });
  }

  test("a refusal is not retried", async () => {
    const error = await refusal(generateText({ ...HELLO, maxRetries: 2, model: openai("gpt-2") }), 400);
    assert.ok(!RetryError.isInstance(error));
  });

  test("embeddings are not found", async () => {
    const { embed } = await import("ai");
    const asked = embed({ model: openai.embeddingModel("text-embedding-3-small"), value: "hello", maxRetries: 0 });
    await refusal(asked, 404, { code: "unsupported_endpoint" });
  });
});
