// Tools: calls, their outputs and the final text, over several turns.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ResponsesToolRunner, runnerFunction } from "openai/helpers/responses-tool-runner";
import { zodResponsesFunction } from "openai/helpers/zod";
import { z } from "zod";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf, of } from "./client.mjs";

const client = clientOf(sharedDemo());
const Query = z.object({ city: z.string(), unit: z.enum(["c", "f"]) });
const functionOf = (name) => zodResponsesFunction({ name, parameters: Query });
const [WEATHER, TIDES, WIND] = ["get_weather", "get_tides", "get_wind"].map(functionOf);
const SHELL = { type: "custom", name: "shell_line", description: "Runs one line of shell" };
const QUESTION = { role: "user", content: "What is the weather in Lisbon?" };
/** The simulator calls what is named, one in each turn. */
const THREE = { role: "user", content: "Ask get_weather, then get_tides, then get_wind." };

/** The answer, and the events where it was streamed. */
async function ask(streamed, options) {
  if (!streamed) return { response: await client.responses.create({ model: MODEL, ...options }), events: [] };
  const events = await all(await client.responses.create({ model: MODEL, stream: true, ...options }));
  return { response: events.at(-1).response, events };
}

function theCall(response, type) {
  const calls = of(response.output, type);
  assert.equal(calls.length, 1);
  assert.equal(of(response.output, "message").length, 0);
  return calls[0];
}

for (const streamed of [false, true]) {
  suite(streamed ? "streamed" : "whole", { concurrency: true }, () => {
    test("three functions are called in three turns, then answered with text", async () => {
      const [input, called] = [[THREE], []];
      for (let turn = 0; turn < 3; turn += 1) {
        const { response, events } = await ask(streamed, { input, tools: [WEATHER, TIDES, WIND] });
        const call = theCall(response, "function_call");
        called.push(call.name);
        assert.ok(Query.parse(JSON.parse(call.arguments)));
        const deltas = of(events, "response.function_call_arguments.delta").map((event) => event.delta);
        if (streamed) assert.equal(deltas.join(""), call.arguments);
        input.push(...response.output, {
          type: "function_call_output",
          call_id: call.call_id,
          output: `{"turn":${turn}}`,
        });
      }
      assert.deepEqual(called, ["get_weather", "get_tides", "get_wind"]);
      const { response } = await ask(streamed, { input, tools: [WEATHER, TIDES, WIND] });
      assert.deepEqual(
        response.output.map((item) => item.type),
        ["reasoning", "message"],
      );
    });

    test("functions that are called at the same time are answered together", async () => {
      const input = [{ role: "user", content: "Ask get_weather and get_tides in parallel." }];
      const { response } = await ask(streamed, { input, tools: [WEATHER, TIDES], parallel_tool_calls: true });
      const calls = of(response.output, "function_call");
      assert.deepEqual(
        calls.map((call) => call.name),
        ["get_weather", "get_tides"],
      );
      assert.notEqual(calls[0].call_id, calls[1].call_id);
      const outputs = calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: "21" }));
      const { response: final } = await ask(streamed, {
        input: [...input, ...response.output, ...outputs],
        tools: [WEATHER, TIDES],
      });
      assert.equal(final.output.at(-1).type, "message");
    });

    test("a custom tool is called and its output is answered", async () => {
      const tools = [SHELL, WEATHER];
      const choice = { type: "custom", name: "shell_line" };
      const { response, events } = await ask(streamed, { input: [QUESTION], tools, tool_choice: choice });
      const call = theCall(response, "custom_tool_call");
      const deltas = of(events, "response.custom_tool_call_input.delta").map((event) => event.delta);
      if (streamed) assert.equal(deltas.join(""), call.input);
      const output = { type: "custom_tool_call_output", call_id: call.call_id, output: "done" };
      const { response: final } = await ask(streamed, { input: [QUESTION, ...response.output, output], tools });
      assert.equal(final.output.at(-1).type, "message");
    });
  });
}

suite("choices", { concurrency: true }, () => {
  test("no tool is called when the choice is none", async () => {
    const { response } = await ask(false, { input: "Use get_weather", tools: [WEATHER], tool_choice: "none" });
    assert.ok(response.output_text);
  });

  test("only an allowed tool is called", async () => {
    const tools = [WEATHER, { ...WEATHER, name: "get_tides" }];
    const choice = { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "get_tides" }] };
    const { response } = await ask(false, { input: [QUESTION], tools, tool_choice: choice });
    assert.equal(theCall(response, "function_call").name, "get_tides");
  });
});

for (const stream of [false, true]) {
  test(`the tool runner of the SDK runs all tools to the end, ${stream ? "streamed" : "whole"}`, async () => {
    const asked = [];
    const runnable = (name) => {
      const call = async (query) => asked.push([name, query]) && JSON.stringify({ degrees: 21 });
      return runnerFunction(zodResponsesFunction({ name, parameters: Query, function: call }));
    };
    const runner = new ResponsesToolRunner({ functions: ["get_weather", "get_tides", "get_wind"].map(runnable) });
    const final = await runner.run(client, { model: MODEL, input: [THREE] }, { stream, maxSteps: 5 });
    assert.equal(final.status, "completed");
    assert.ok(of(final.output, "message")[0].content[0].text);
    assert.deepEqual(
      asked.map(([name]) => name),
      ["get_weather", "get_tides", "get_wind"],
    );
    assert.ok(asked.every(([, query]) => Query.parse(query)));
  });
}
