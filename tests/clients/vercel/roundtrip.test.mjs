// Conversations: the messages that come back are sent again.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { generateText, stepCountIs, streamText } from "ai";

import { sharedDemo } from "../javascript/demo.mjs";
import { THREE, asking, refusal, threeTools } from "./client.mjs";

const HELLO = { ...asking(sharedDemo()), prompt: undefined };
const NEXT = { role: "user", content: "And Porto?" };
const NOT_STORED = { openai: { store: false } };
const first = (content) => [{ role: "user", content }];

suite("round trip", { concurrency: true }, () => {
  for (const [name, openai] of Object.entries({
    text: {},
    reasoning: { reasoningEffort: "high", reasoningSummary: "auto" },
  })) {
    test(`${name} that is not stored is taken back`, async () => {
      const options = { ...HELLO, providerOptions: { openai: { store: false, ...openai } } };
      const messages = first("Tell me about Lisbon");
      for (let turn = 0; turn < 4; turn += 1) {
        const result = await generateText({ ...options, messages });
        assert.ok(result.text);
        messages.push(...result.response.messages, NEXT);
      }
    });
  }

  test("a stream that is not stored is taken back", async () => {
    const options = { ...HELLO, providerOptions: NOT_STORED };
    const result = streamText({ ...options, messages: first("Tell me about Lisbon") });
    const { messages } = await result.response;
    assert.ok(
      (await generateText({ ...options, messages: [...first("Tell me about Lisbon"), ...messages, NEXT] })).text,
    );
  });

  test("a tool loop that is not stored is taken back", async () => {
    const { tools, asked } = threeTools();
    const options = { ...HELLO, tools, providerOptions: NOT_STORED, stopWhen: stepCountIs(4) };
    const result = await generateText({ ...options, messages: first(THREE) });
    const messages = [...first(THREE), ...result.responseMessages, { role: "user", content: THREE }];
    assert.ok((await generateText({ ...options, messages })).text);
    assert.equal(asked.length, 6);
  });

  test("a reference to an answer, which nobody stores, is refused with the option that helps", async () => {
    const { text, response } = await generateText({ ...HELLO, messages: first("Tell me about Lisbon") });
    assert.ok(text);
    const messages = [...first("Tell me about Lisbon"), ...response.messages, NEXT];
    const error = await refusal(generateText({ ...HELLO, messages }), 400, { code: "invalid_request", param: "input" });
    assert.match(error.message, /providerOptions\.openai\.store = false/);
  });
});
