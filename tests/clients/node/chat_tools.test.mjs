// Tools in chat completions, by hand and with the runner of the SDK.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { zodFunction } from "openai/helpers/zod";
import { z } from "zod";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf } from "./client.mjs";

const client = clientOf(sharedDemo());
const Query = z.object({ city: z.string(), unit: z.enum(["c", "f"]) });
const NAMES = ["get_weather", "get_tides", "get_wind"];
const TOOLS = NAMES.map((name) => zodFunction({ name, parameters: Query }));
const SHELL = { type: "custom", custom: { name: "shell_line", description: "Runs one line of shell" } };
/** The simulator calls what is named, one in each turn. */
const THREE = { role: "user", content: "Ask get_weather, then get_tides, then get_wind." };
const PARALLEL = { role: "user", content: "Ask get_weather, get_tides and get_wind in parallel." };

async function choiceOf(streamed, options) {
  const request = { model: MODEL, ...options };
  if (streamed) return (await client.chat.completions.stream(request).finalChatCompletion()).choices[0];
  return (await client.chat.completions.create(request)).choices[0];
}

const outputs = (calls) => calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: '{"degrees":21}' }));

for (const streamed of [false, true]) {
  suite(streamed ? "streamed" : "whole", { concurrency: true }, () => {
    test("three functions are called in three turns, then answered with text", async () => {
      const messages = [THREE];
      for (const name of NAMES) {
        const { message, finish_reason } = await choiceOf(streamed, { messages, tools: TOOLS });
        assert.equal(finish_reason, "tool_calls");
        assert.equal(message.content, streamed ? "" : null); // a stream begins before it knows
        assert.deepEqual(
          message.tool_calls.map((call) => call.function.name),
          [name],
        );
        assert.ok(Query.parse(JSON.parse(message.tool_calls[0].function.arguments)));
        messages.push(message, ...outputs(message.tool_calls));
      }
      const { message, finish_reason } = await choiceOf(streamed, { messages, tools: TOOLS });
      assert.equal(finish_reason, "stop");
      assert.ok(message.content);
    });

    test("functions that are called at the same time are answered together", async () => {
      const { message } = await choiceOf(streamed, { messages: [PARALLEL], tools: TOOLS });
      assert.deepEqual(
        message.tool_calls.map((call) => call.function.name),
        NAMES,
      );
      const messages = [PARALLEL, message, ...outputs(message.tool_calls)];
      assert.ok((await choiceOf(streamed, { messages, tools: TOOLS })).message.content);
    });

    test("a forced function is the one that is called", async () => {
      const tool_choice = { type: "function", function: { name: "get_wind" } };
      const { message } = await choiceOf(streamed, { messages: [THREE], tools: TOOLS, tool_choice });
      assert.deepEqual(
        message.tool_calls.map((call) => call.function.name),
        ["get_wind"],
      );
    });
  });
}

suite("forms", { concurrency: true }, () => {
  for (const streamed of [false, true]) {
    test(`a custom tool is called and its output is answered, ${streamed ? "streamed" : "whole"}`, async () => {
      const [question, tools] = [{ role: "user", content: "Run something" }, [SHELL]];
      const tool_choice = { type: "custom", custom: { name: "shell_line" } };
      const { message } = await choiceOf(streamed, { messages: [question], tools, tool_choice });
      const [call] = message.tool_calls;
      assert.deepEqual([call.type, call.custom.name], ["custom", "shell_line"]);
      assert.ok(call.custom.input);
      const messages = [question, message, ...outputs([call])];
      assert.ok((await choiceOf(streamed, { messages, tools })).message.content);
    });
  }

  test("calls of a stream are counted from zero, and their arguments add up", async () => {
    const chunks = await all(
      await client.chat.completions.create({ model: MODEL, messages: [PARALLEL], tools: TOOLS, stream: true }),
    );
    const deltas = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    assert.deepEqual([...new Set(deltas.map((delta) => delta.index))], [0, 1, 2]);
    for (const [index, name] of NAMES.entries()) {
      const own = deltas.filter((delta) => delta.index === index);
      assert.deepEqual([own[0].function.name, own[0].type], [name, "function"]);
      assert.ok(own[0].id);
      assert.ok(Query.parse(JSON.parse(own.map((delta) => delta.function.arguments).join(""))));
    }
  });

  test("parse gives the arguments as the schema describes them", async () => {
    const asked = { model: MODEL, messages: [THREE], tools: TOOLS };
    const { choices } = await client.chat.completions.parse(asked);
    assert.ok(Query.parse(choices[0].message.tool_calls[0].function.parsed_arguments));
  });
});

for (const stream of [false, true]) {
  test(`runTools runs all tools to the end, ${stream ? "streamed" : "whole"}`, async () => {
    const asked = [];
    const runnable = (name) => {
      const call = async (query) => asked.push([name, query]) && { degrees: 21 };
      return zodFunction({ name, parameters: Query, function: call });
    };
    const runner = client.chat.completions.runTools({
      model: MODEL,
      messages: [THREE],
      tools: NAMES.map(runnable),
      stream,
    });
    const results = [];
    runner.on("functionToolCallResult", (result) => results.push(result));
    assert.ok(await runner.finalContent());
    assert.deepEqual(
      asked.map(([name]) => name),
      NAMES,
    );
    assert.ok(asked.every(([, query]) => Query.parse(query)));
    assert.equal(results.length, 3);
    assert.equal(runner.allChatCompletions().length, 4);
    const messages = [...runner.messages, { role: "user", content: "Go on" }];
    assert.ok((await choiceOf(false, { messages, tools: TOOLS })).message.content);
  });
}
