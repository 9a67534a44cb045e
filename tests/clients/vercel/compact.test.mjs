// Conversations that are compacted by a trigger.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { generateText, streamText } from "ai";

import { sharedDemo } from "../javascript/demo.mjs";
import { all, asking, of } from "./client.mjs";

const HELLO = { ...asking(sharedDemo()), prompt: undefined };
const NOT_STORED = { providerOptions: { openai: { store: false } } };
const TRIGGER = { providerOptions: { openai: { store: false, compactionTrigger: true } } };
const messages = [
  { role: "user", content: "My name is Ada." },
  { role: "assistant", content: "Hello Ada." },
  { role: "user", content: "I live in Lisbon." },
];
const NEXT = { role: "user", content: "Where do I live?" };

suite("compact", { concurrency: true }, () => {
  test("a conversation is compacted, and goes on from what came back", async () => {
    const result = await generateText({ ...HELLO, ...TRIGGER, messages });
    const [part] = of(result.content, "custom");
    assert.equal(part.kind, "openai.compaction");
    assert.ok(part.providerMetadata.openai.encryptedContent);
    assert.ok((await generateText({ ...HELLO, ...NOT_STORED, messages: [...result.responseMessages, NEXT] })).text);
  });

  test("a conversation is compacted in a stream", async () => {
    const result = streamText({ ...HELLO, ...TRIGGER, messages });
    const parts = await all(result.stream);
    assert.deepEqual(of(parts, "error"), []);
    assert.equal(of(parts, "custom")[0].kind, "openai.compaction");
    const went = await generateText({ ...HELLO, ...NOT_STORED, messages: [...(await result.responseMessages), NEXT] });
    assert.ok(went.text);
  });
});
