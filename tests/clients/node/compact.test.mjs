// Conversations that are compacted.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { BadRequestError, InternalServerError } from "openai";

import { MODEL, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf, refusal } from "./client.mjs";

const client = clientOf(sharedDemo());
const INPUT = [
  { role: "user", content: "My name is Ada." },
  { role: "assistant", content: "Hello Ada." },
  { role: "user", content: "I live in Lisbon." },
];
const NEXT = { role: "user", content: "Where do I live?" };
const TRIGGER = { type: "compaction_trigger" };
const goesOn = async (output) => {
  const response = await client.responses.create({ model: MODEL, input: [...output, NEXT] });
  assert.equal(response.status, "completed");
};

suite("compact", { concurrency: true }, () => {
  test("a conversation is compacted, and goes on from what came back", async () => {
    const compacted = await client.responses.compact({ model: MODEL, input: INPUT, instructions: "Be terse." });
    assert.equal(compacted.object, "response.compaction");
    assert.ok(compacted.id && Number.isInteger(compacted.created_at));
    assert.ok(compacted.output.some((item) => item.type === "compaction" && item.encrypted_content));
    assert.equal(compacted.usage.total_tokens, compacted.usage.input_tokens + compacted.usage.output_tokens);
    await goesOn(compacted.output);
  });

  test("an answer with reasoning and calls can be compacted", async () => {
    const tools = [{ type: "custom", name: "shell_line" }];
    const { output } = await client.responses.create({ model: MODEL, input: INPUT, tools, tool_choice: "required" });
    const call = output.find((item) => item.type === "custom_tool_call");
    const done = { type: "custom_tool_call_output", call_id: call.call_id, output: "done" };
    const compacted = await client.responses.compact({ model: MODEL, input: [...INPUT, ...output, done] });
    await goesOn(compacted.output);
  });

  test("a trigger at the end of the input compacts too", async () => {
    const response = await client.responses.create({ model: MODEL, input: [...INPUT, TRIGGER] });
    assert.equal(response.status, "completed");
    assert.deepEqual(
      response.output.map((item) => item.type),
      ["compaction"],
    );
    assert.ok(response.output[0].encrypted_content);
    await goesOn(response.output);
  });

  test("a trigger is answered in a stream", async () => {
    const events = await all(await client.responses.create({ model: MODEL, input: [...INPUT, TRIGGER], stream: true }));
    const [done, completed] = events.slice(-2);
    assert.deepEqual([done.type, completed.type], ["response.output_item.done", "response.completed"]);
    assert.equal(done.item.type, "compaction");
    await goesOn([done.item]);
    await goesOn(completed.response.output);
  });

  const REFUSED = {
    "an unknown parameter": [{ frobnicate: 1 }, "unsupported_parameter", "frobnicate"],
    "an unknown model": [{ model: "gpt-2" }, "invalid_model", "model"],
    "an empty input": [{ input: [] }, "invalid_request", "input"],
  };
  for (const [name, [options, code, param]] of Object.entries(REFUSED)) {
    test(`${name} is refused`, async () => {
      await refusal(client.responses.compact({ model: MODEL, input: INPUT, ...options }), BadRequestError, {
        code,
        param,
      });
    });
  }

  test("a trigger that is not the end is refused", async () => {
    const asking = client.responses.create({ model: MODEL, input: [TRIGGER, ...INPUT] });
    await refusal(asking, BadRequestError, { code: "invalid_request", param: "input" });
  });
});

test("a failure is told, and no other account is asked", async (t) => {
  const demo = await ownDemo(t);
  const path = "/backend-api/codex/responses/compact";
  await demo.fault({ fault: "server_is_overloaded", path });
  await refusal(clientOf(demo).responses.compact({ model: MODEL, input: INPUT }), InternalServerError, { status: 503 });
  assert.equal((await demo.asked(path)).length, 1);
});
