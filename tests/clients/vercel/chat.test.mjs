// The models that speak chat completions.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { APICallError, Output, StreamProviderError, generateText, stepCountIs, streamText } from "ai";
import { z } from "zod";

import { MODEL, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { Query, THREE, all, asking, of, openaiOf, refusal, threeTools } from "./client.mjs";

const demo = sharedDemo();
const askingChat = (demo) => ({ ...asking(demo), model: openaiOf(demo).chat(MODEL) });
const HELLO = askingChat(demo);
// Past two lifecycle events, the reasoning item and the head of the message, the text has begun.
const IN_THE_TEXT = 12;

suite("chat", { concurrency: true }, () => {
  test("it gives text, usage and the model's name", async () => {
    const result = await generateText(HELLO);
    assert.ok(result.text);
    assert.equal(result.finishReason, "stop");
    assert.equal(result.usage.totalTokens, result.usage.inputTokens + result.usage.outputTokens);
    assert.match(result.response.id, /^chatcmpl-/);
    assert.equal(result.response.modelId, MODEL);
  });

  test("the text of a stream comes in parts that add up, and usage at the end", async () => {
    const result = streamText(HELLO);
    const parts = await all(result.textStream);
    assert.ok(parts.length > 1);
    assert.equal(parts.join(""), await result.text);
    assert.ok((await result.usage).outputTokens > 0);
    assert.equal(await result.finishReason, "stop");
  });

  test("options of the provider are taken", async () => {
    const openai = {
      user: "u-1",
      reasoningEffort: "high",
      parallelToolCalls: false,
      store: true,
      metadata: { trace: "a" },
    };
    const result = await generateText({ ...HELLO, maxOutputTokens: 500, seed: 7, providerOptions: { openai } });
    assert.ok(result.text);
    assert.ok(result.usage.outputTokenDetails.reasoningTokens > 0);
  });

  test("Output.object gives what the schema describes, whole and streamed", async () => {
    const schema = z.object({ name: z.string(), minutes: z.array(z.int()) });
    const { output } = await generateText({ ...HELLO, output: Output.object({ schema }) });
    assert.ok(schema.parse(output));
    assert.ok(schema.parse(await streamText({ ...HELLO, output: Output.object({ schema }) }).output));
  });

  test("three tools are run in three turns, then answered with text", async () => {
    const { tools, asked } = threeTools();
    const result = await generateText({ ...HELLO, prompt: THREE, tools, stopWhen: stepCountIs(4) });
    assert.deepEqual(
      asked.map(([name]) => name),
      ["get_weather", "get_tides", "get_wind"],
    );
    assert.deepEqual(
      result.steps.map((step) => step.finishReason),
      ["tool-calls", "tool-calls", "tool-calls", "stop"],
    );
    assert.ok(result.text);
  });

  test("three tools are run in three turns of streams", async () => {
    const { tools, asked } = threeTools();
    const result = streamText({ ...HELLO, prompt: THREE, tools, stopWhen: stepCountIs(4) });
    assert.deepEqual(of(await all(result.stream), "error"), []);
    assert.equal(asked.length, 3);
    assert.ok(asked.every(([, query]) => Query.parse(query)));
    assert.ok(await result.text);
  });

  test("tools that are called at the same time are answered together", async () => {
    const { tools, asked } = threeTools();
    const prompt = "Ask get_weather, get_tides and get_wind in parallel.";
    const result = streamText({ ...HELLO, prompt, tools, stopWhen: stepCountIs(4) });
    assert.ok(await result.text);
    assert.equal(asked.length, 3);
    assert.deepEqual(
      (await result.steps).map((step) => step.toolCalls.length),
      [3, 0],
    );
  });

  test("a conversation is taken back", async () => {
    const { tools } = threeTools();
    const messages = [{ role: "user", content: THREE }];
    for (let turn = 0; turn < 3; turn += 1) {
      const result = await generateText({ ...HELLO, prompt: undefined, messages, tools, stopWhen: stepCountIs(4) });
      assert.ok(result.text);
      messages.push(...result.responseMessages, { role: "user", content: "Go on" });
    }
  });

  test("words to stop at are refused", async () => {
    const asked = generateText({ ...HELLO, stopSequences: ["x"] });
    await refusal(asked, 400, { code: "unsupported_parameter", param: "stop" });
  });

  test("an unknown model is refused, whole and streamed", async () => {
    const options = { ...HELLO, model: openaiOf(demo).chat("gpt-2") };
    await refusal(generateText(options), 400, { code: "invalid_model", param: "model" });
    const [part] = of(await all(streamText(options).stream), "error");
    assert.ok(APICallError.isInstance(part.error));
    assert.equal(part.error.statusCode, 400);
  });
});

suite("failures of chat", { concurrency: 4 }, () => {
  test("a cut after the first output is an error of the provider", async (t) => {
    const own = await ownDemo(t);
    await own.fault({ fault: { kind: "cut", after_events: IN_THE_TEXT } }, { fault: { kind: "events", count: 50 } });
    const parts = await all(streamText(askingChat(own)).stream);
    const [part] = of(parts, "error");
    assert.ok(StreamProviderError.isInstance(part.error), part.error);
    assert.equal(part.error.code, "server_error");
    assert.ok(of(parts, "text-delta").length > 0);
    assert.equal(of(parts, "finish")[0].finishReason, "error");
  });

  test("too long an input is a 400", async (t) => {
    const own = await ownDemo(t);
    await own.fault({ fault: "context_length_exceeded" });
    await refusal(generateText(askingChat(own)), 400, { code: "context_length_exceeded" });
  });

  test("a client that leaves ends the request", async (t) => {
    const own = await ownDemo(t);
    await own.fault({ fault: { kind: "pace", pause_ms: 50 } }, { fault: { kind: "events", count: 400 } });
    const controller = new AbortController();
    for await (const part of streamText({ ...askingChat(own), abortSignal: controller.signal }).stream) {
      if (part.type === "text-delta") controller.abort();
    }
    await own.isIdle();
    assert.equal(await own.requestsTotal({ route: "POST /v1/chat/completions", outcome: "cancelled" }), 1);
    await own.heal();
    assert.ok((await generateText(askingChat(own))).text);
  });
});
