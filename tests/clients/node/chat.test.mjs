// Chat completions: whole, streamed, and with the helpers of the SDK.

import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { zodResponseFormat } from "openai/helpers/zod";
import { ChatCompletionStream } from "openai/lib/ChatCompletionStream";
import { z } from "zod";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf } from "./client.mjs";

const client = clientOf(sharedDemo());
const HELLO = { model: MODEL, messages: [{ role: "user", content: "Say hello" }] };
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const streamed = async (options = {}) =>
  all(await client.chat.completions.create({ ...HELLO, stream: true, ...options }));
const Recipe = z.strictObject({ name: z.string(), difficulty: z.enum(["easy", "hard"]), minutes: z.array(z.int()) });
const response_format = zodResponseFormat(Recipe, "recipe");

function addsUp(usage) {
  assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  assert.ok(usage.prompt_tokens_details.cached_tokens >= 0);
  assert.ok(usage.completion_tokens_details.reasoning_tokens >= 0);
}

suite("whole", { concurrency: true }, () => {
  test("a message is answered with a message", async () => {
    const completion = await client.chat.completions.create(HELLO);
    assert.match(completion.id, /^chatcmpl-/);
    assert.deepEqual([completion.object, completion.model], ["chat.completion", MODEL]);
    const [choice] = completion.choices;
    assert.deepEqual([choice.index, choice.finish_reason, choice.logprobs], [0, "stop", null]);
    const { role, content, refusal, annotations } = choice.message;
    assert.deepEqual({ role, refusal, annotations }, { role: "assistant", refusal: null, annotations: [] });
    assert.ok(content);
    addsUp(completion.usage);
  });

  test("messages of every role are answered", async () => {
    const call = { id: "call_1", type: "function", function: { name: "look", arguments: "{}" } };
    const messages = [
      { role: "system", content: "You are terse." },
      { role: "developer", content: [{ type: "text", text: "Answer in English." }] },
      { role: "user", name: "ada", content: "My name is Ada." },
      { role: "assistant", content: "Hello Ada." },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "nothing" }] },
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: PIXEL } },
        ],
      },
    ];
    const completion = await client.chat.completions.create({ model: MODEL, messages });
    assert.ok(completion.choices[0].message.content);
  });

  test("parameters that ask for nothing are accepted", async () => {
    const nothing = { n: 1, stop: null, logprobs: false, frequency_penalty: 0, presence_penalty: 0, logit_bias: {} };
    const ignored = { user: "u-1", seed: 7, temperature: 0.2, top_p: 0.9, max_completion_tokens: 500, store: true };
    const options = {
      modalities: ["text"],
      tools: null,
      metadata: { trace: "a" },
      service_tier: "auto",
      verbosity: "low",
    };
    const completion = await client.chat.completions.create({ ...HELLO, ...nothing, ...ignored, ...options });
    assert.ok(completion.choices[0].message.content);
  });

  test("the effort of reasoning is counted", async () => {
    const { usage } = await client.chat.completions.create({ ...HELLO, reasoning_effort: "high" });
    assert.ok(usage.completion_tokens_details.reasoning_tokens > 0);
  });

  test("parse gives what the schema describes", async () => {
    const { choices } = await client.chat.completions.parse({ ...HELLO, response_format });
    assert.deepEqual(Recipe.parse(choices[0].message.parsed), JSON.parse(choices[0].message.content));
  });

  test("json_object gives an object", async () => {
    const completion = await client.chat.completions.create({ ...HELLO, response_format: { type: "json_object" } });
    assert.equal(typeof JSON.parse(completion.choices[0].message.content), "object");
  });

  test("a message that came back is taken as input, unchanged", async () => {
    const messages = [...HELLO.messages];
    for (let turn = 0; turn < 3; turn += 1) {
      const { choices } = await client.chat.completions.create({ model: MODEL, messages });
      messages.push(choices[0].message, { role: "user", content: "Go on" });
    }
  });
});

suite("chunks", { concurrency: true }, () => {
  let chunks;
  before(async () => {
    chunks = await streamed();
  });

  test("the first names the role, the last the reason of the end", () => {
    assert.deepEqual(chunks[0].choices[0].delta, { role: "assistant", content: "" });
    assert.deepEqual(chunks.at(-1).choices[0].delta, {});
    const reasons = chunks.map((chunk) => chunk.choices[0].finish_reason);
    assert.deepEqual(reasons, [...Array(chunks.length - 1).fill(null), "stop"]);
  });

  test("all have one id, one model and no usage", () => {
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.match(chunks[0].id, /^chatcmpl-/);
    assert.deepEqual(new Set(chunks.map((chunk) => chunk.model)), new Set([MODEL]));
    assert.ok(chunks.every((chunk) => chunk.object === "chat.completion.chunk" && !chunk.usage));
  });

  test("usage comes last where it is asked for", async () => {
    const asked = await streamed({ stream_options: { include_usage: true } });
    assert.deepEqual(asked.at(-1).choices, []);
    addsUp(asked.at(-1).usage);
    assert.ok(asked.slice(0, -1).every((chunk) => !chunk.usage));
  });
});

suite("helpers", { concurrency: true }, () => {
  const helper = (options = {}) => client.chat.completions.stream({ ...HELLO, ...options });

  test("the stream helper collects the completion", async () => {
    const seen = { text: "", chunks: 0 };
    const stream = helper({ stream_options: { include_usage: true } });
    stream.on("content", (delta, snapshot) => (seen.text = snapshot)).on("chunk", () => (seen.chunks += 1));
    const completion = await stream.finalChatCompletion();
    assert.equal(completion.choices[0].message.content, seen.text);
    assert.equal(await stream.finalContent(), seen.text);
    assert.ok(seen.chunks > 3);
    addsUp(await stream.totalUsage());
  });

  test("the stream helper parses what the schema describes", async () => {
    const completion = await helper({ response_format }).finalChatCompletion();
    const { parsed, content } = completion.choices[0].message;
    assert.deepEqual(Recipe.parse(parsed), JSON.parse(content));
  });

  test("a stream can be handed on as a readable stream", async () => {
    const stream = ChatCompletionStream.fromReadableStream(helper().toReadableStream());
    assert.ok(await stream.finalContent());
  });

  test("the message that a stream made is taken as input", async () => {
    const message = await helper().finalMessage();
    const messages = [...HELLO.messages, message, { role: "user", content: "Go on" }];
    assert.ok((await client.chat.completions.create({ model: MODEL, messages })).choices[0].message.content);
  });
});
