// Whatever comes back is taken as input, unchanged.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf } from "./client.mjs";

const client = clientOf(sharedDemo());
const QUESTION = { role: "user", content: "Tell me about Lisbon" };
const NEXT = { role: "user", content: "And Porto?" };
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const TOOLS = [
  { type: "function", name: "look", parameters, strict: true },
  { type: "custom", name: "shell_line" },
];
const schema = { ...parameters, required: ["city"] };

const REQUESTS = {
  text: {},
  reasoning: { reasoning: { effort: "high", summary: "detailed" } },
  "reasoning without its content": { reasoning: { effort: "high" }, include: [] },
  structured: { text: { format: { type: "json_schema", name: "city", schema, strict: true } } },
  "a function call": { tools: TOOLS, tool_choice: { type: "function", name: "look" } },
  "a custom call": { tools: TOOLS, tool_choice: { type: "custom", name: "shell_line" } },
};

/** What the client has to add before the next word of the user. */
function outputs(items) {
  const calls = items.filter((item) => item.type.endsWith("_call"));
  return calls.map((call) => ({ type: `${call.type}_output`, call_id: call.call_id, output: "done" }));
}

suite("round trip", { concurrency: true }, () => {
  for (const [name, options] of Object.entries(REQUESTS)) {
    const request = { model: MODEL, input: [QUESTION], ...options };
    const again = (items) =>
      client.responses.create({ model: MODEL, input: [QUESTION, ...items, ...outputs(items), NEXT] });

    test(`the output of a whole answer: ${name}`, async () => {
      const { output } = await client.responses.create(request);
      assert.equal((await again(output)).status, "completed");
    });

    test(`the items of a stream: ${name}`, async () => {
      const events = await all(await client.responses.create({ ...request, stream: true }));
      const items = events.filter((event) => event.type === "response.output_item.done").map((event) => event.item);
      assert.equal((await again(items)).status, "completed");
    });

    test(`what the stream helper made of it: ${name}`, async () => {
      const { output } = await client.responses.stream(request).finalResponse();
      assert.equal((await again(output)).status, "completed");
    });
  }

  test("what the parsing helper added is no obstacle", async () => {
    const text = { format: { type: "json_schema", name: "city", schema, strict: true } };
    const { output } = await client.responses.parse({ model: MODEL, input: [QUESTION], text });
    const response = await client.responses.create({ model: MODEL, input: [QUESTION, ...output, NEXT] });
    assert.equal(response.status, "completed");
  });

  test("ten turns of one conversation", async () => {
    const input = [];
    for (let turn = 0; turn < 10; turn += 1) {
      input.push({ role: "user", content: `Question ${turn}` });
      const response = await client.responses.create({ model: MODEL, input, reasoning: { effort: "low" } });
      assert.equal(response.status, "completed");
      input.push(...response.output);
    }
  });
});
