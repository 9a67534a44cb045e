// `generateText` and `streamText` on the Responses API.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { generateText, streamText, toUIMessageStream } from "ai";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, asking, of, openaiOf } from "./client.mjs";

const demo = sharedDemo();
const HELLO = asking(demo);

suite("generateText", { concurrency: true }, () => {
  test("it gives text, usage and the model's name", async () => {
    const result = await generateText(HELLO);
    assert.ok(result.text);
    assert.equal(result.finishReason, "stop");
    assert.equal(result.usage.totalTokens, result.usage.inputTokens + result.usage.outputTokens);
    assert.ok(result.usage.inputTokens > 0 && result.usage.outputTokens > 0);
    assert.equal(result.response.modelId, MODEL);
    assert.match(result.response.id, /^resp_/);
  });

  test("instructions and messages are answered", async () => {
    const messages = [
      { role: "user", content: "My name is Ada." },
      { role: "assistant", content: "Hello Ada." },
      { role: "user", content: [{ type: "text", text: "What is my name?" }] },
    ];
    const result = await generateText({ ...HELLO, prompt: undefined, instructions: "You are terse.", messages });
    assert.ok(result.text);
  });

  test("settings that the backend does not have are no obstacle", async () => {
    const settings = { temperature: 0.2, topP: 0.9, maxOutputTokens: 500, seed: 7, stopSequences: ["x"] };
    assert.ok((await generateText({ ...HELLO, ...settings })).text);
  });

  test("options of the provider are taken", async () => {
    const options = {
      user: "u-1",
      metadata: { trace: "a" },
      promptCacheKey: "k-1",
      serviceTier: "auto",
      truncation: "auto",
    };
    const openai = {
      ...options,
      reasoningEffort: "high",
      reasoningSummary: "detailed",
      textVerbosity: "low",
      parallelToolCalls: false,
    };
    const result = await generateText({ ...HELLO, providerOptions: { openai } });
    assert.ok(result.text && result.reasoningText);
  });

  test("ten at the same time are all answered", async () => {
    const ask = (_, number) => generateText({ ...HELLO, prompt: `Number ${number}` });
    const results = await Promise.all(Array.from({ length: 10 }, ask));
    assert.equal(new Set(results.map((result) => result.response.id)).size, 10);
  });
});

suite("streamText", { concurrency: true }, () => {
  test("the text comes in parts that add up", async () => {
    const result = streamText(HELLO);
    const parts = await all(result.textStream);
    assert.ok(parts.length > 1);
    assert.equal(parts.join(""), await result.text);
    assert.equal(await result.finishReason, "stop");
    assert.ok((await result.usage).outputTokens > 0);
  });

  test("every text begins, goes on and ends under one id", async () => {
    const parts = await all(streamText(HELLO).stream);
    assert.deepEqual([parts[0].type, parts.at(-1).type], ["start", "finish"]);
    const [start] = of(parts, "text-start");
    assert.ok(of(parts, "text-delta").every((part) => part.id === start.id));
    assert.deepEqual(
      of(parts, "text-end").map((part) => part.id),
      [start.id],
    );
    assert.deepEqual(of(parts, "error"), []);
  });

  test("a summary of the reasoning is streamed", async () => {
    const openai = { reasoningEffort: "high", reasoningSummary: "auto" };
    const result = streamText({ ...HELLO, providerOptions: { openai } });
    const parts = await all(result.stream);
    const summary = of(parts, "reasoning-delta")
      .map((part) => part.text)
      .join("");
    assert.ok(summary);
    assert.equal(summary, await result.reasoningText);
  });

  test("the raw events can be had", async () => {
    const parts = await all(streamText({ ...HELLO, include: { rawChunks: true } }).stream);
    const types = of(parts, "raw").map((part) => part.rawValue.type);
    assert.deepEqual([types[0], types.at(-1)], ["response.created", "response.completed"]);
  });

  test("a stream for a page comes to its end", async () => {
    const chunks = await all(toUIMessageStream({ stream: streamText(HELLO).stream }));
    assert.equal(chunks.at(-1).type, "finish");
    assert.ok(of(chunks, "text-delta").length > 1);
  });

  test("the model that is named as one of the Responses API is the same", async () => {
    const result = streamText({ ...HELLO, model: openaiOf(demo).responses(MODEL) });
    assert.ok(await result.text);
  });
});
