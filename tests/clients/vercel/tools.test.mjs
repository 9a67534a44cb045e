// Tools in loops, with the settings that the client has by default: its `store` is on, so it sends references to reasoning.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ToolLoopAgent, generateText, hasToolCall, stepCountIs, streamText, tool } from "ai";

import { ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { Query, THREE, all, asking, of, openaiOf, threeTools } from "./client.mjs";

const demo = sharedDemo();
const HELLO = { ...asking(demo), prompt: THREE };
const NAMES = ["get_weather", "get_tides", "get_wind"];

suite("tools", { concurrency: true }, () => {
  test("three tools are run in three turns, then answered with text", async () => {
    const { tools, asked } = threeTools();
    const result = await generateText({ ...HELLO, tools, stopWhen: stepCountIs(4), include: { requestBody: true } });
    assert.match(JSON.stringify(result.steps[1].request.body), /"item_reference","id":"rs_/);
    assert.deepEqual(
      asked.map(([name]) => name),
      NAMES,
    );
    assert.ok(asked.every(([, query]) => Query.parse(query)));
    assert.deepEqual(
      result.steps.map((step) => step.finishReason),
      ["tool-calls", "tool-calls", "tool-calls", "stop"],
    );
    assert.ok(result.text);
  });

  test("three tools are run in three turns of streams", async () => {
    const { tools, asked } = threeTools();
    const result = streamText({ ...HELLO, tools, stopWhen: stepCountIs(4) });
    const parts = await all(result.stream);
    assert.deepEqual(
      asked.map(([name]) => name),
      NAMES,
    );
    assert.equal((await result.steps).length, 4);
    const [call] = of(parts, "tool-call");
    const deltas = of(parts, "tool-input-delta").filter((part) => part.id === call.toolCallId);
    assert.deepEqual(JSON.parse(deltas.map((part) => part.delta).join("")), call.input);
    assert.ok(await result.text);
  });

  test("a loop with reasoning that is shown goes on too", async () => {
    const { tools, asked } = threeTools();
    const providerOptions = { openai: { reasoningEffort: "high", reasoningSummary: "detailed" } };
    const result = await generateText({ ...HELLO, tools, providerOptions, stopWhen: stepCountIs(4) });
    assert.equal(asked.length, 3);
    assert.ok(result.steps.every((step) => step.reasoningText));
    assert.ok(result.text);
  });

  test("tools that are called at the same time are answered together", async () => {
    const { tools, asked } = threeTools();
    const prompt = "Ask get_weather, get_tides and get_wind in parallel.";
    const result = await generateText({ ...HELLO, prompt, tools, stopWhen: stepCountIs(4) });
    assert.equal(asked.length, 3);
    assert.deepEqual(
      result.steps.map((step) => step.toolCalls.length),
      [3, 0],
    );
    assert.ok(result.text);
  });

  test("a tool that fails is told, and the loop goes on", async () => {
    const execute = async () => {
      throw new Error("no weather today");
    };
    const tools = { get_weather: tool({ inputSchema: Query, execute }) };
    const result = await generateText({ ...HELLO, tools, stopWhen: stepCountIs(2) });
    assert.equal(of(result.steps[0].content, "tool-error").length, 1);
    assert.ok(result.text);
  });

  test("a tool that must be called is called", async () => {
    const { tools } = threeTools();
    const toolChoice = { type: "tool", toolName: "get_wind" };
    const result = await generateText({
      ...HELLO,
      prompt: "Say hello",
      tools,
      toolChoice,
      stopWhen: hasToolCall("get_wind"),
    });
    assert.deepEqual(
      result.toolCalls.map((call) => call.toolName),
      ["get_wind"],
    );
  });

  test("a custom tool of the provider is called with free text", async () => {
    const custom = openaiOf(demo).tools.customTool({ description: "Runs one line of shell" });
    const result = await generateText({ ...HELLO, prompt: "Use shell_line", tools: { shell_line: custom } });
    assert.equal(result.toolCalls[0].toolName, "shell_line");
    assert.ok(result.toolCalls[0].input);
  });

  test("an agent runs its loop", async () => {
    const { tools, asked } = threeTools();
    const agent = new ToolLoopAgent({ model: HELLO.model, tools, maxRetries: 0 });
    assert.ok((await agent.generate({ prompt: THREE })).text);
    assert.equal(asked.length, 3);
  });

  test("all turns of a loop go to one account, and the reasoning goes with them", async (t) => {
    const own = await ownDemo(t);
    const { tools } = threeTools();
    const providerOptions = { openai: { store: false, promptCacheKey: "loop-1" } };
    const result = await generateText({
      ...asking(own),
      prompt: THREE,
      tools,
      providerOptions,
      stopWhen: stepCountIs(4),
    });
    assert.ok(result.text);
    const asked = await own.asked();
    assert.equal(asked.length, 4);
    assert.equal(new Set(asked.map((one) => one.account)).size, 1);
  });
});
