// A client that leaves in mid-stream: the request ends upstream, counts as cancelled, and the next one is served.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { generateText, streamText } from "ai";

import { ownDemo } from "../javascript/demo.mjs";
import { all, asking, of } from "./client.mjs";

/** A demo whose streams take 20 s when they are left alone. */
async function slowDemo(t) {
  const demo = await ownDemo(t);
  await demo.fault({ fault: { kind: "pace", pause_ms: 50 } }, { fault: { kind: "events", count: 400 } });
  return demo;
}

async function isCancelled(demo) {
  await demo.isIdle();
  assert.equal((await demo.asked()).at(-1).ended, "client_gone");
  assert.equal(await demo.requestsTotal({ route: "POST /v1/responses", outcome: "cancelled" }), 1);
  await demo.heal();
  assert.ok((await generateText(asking(demo))).text);
}

suite("a client that leaves", { concurrency: 4 }, () => {
  test("by a signal, in mid-stream", async (t) => {
    const demo = await slowDemo(t);
    const controller = new AbortController();
    const aborted = [];
    const onAbort = () => aborted.push("yes");
    const result = streamText({ ...asking(demo), abortSignal: controller.signal, onAbort });
    const parts = [];
    for await (const part of result.stream) {
      parts.push(part);
      if (part.type === "text-delta") controller.abort();
    }
    assert.equal(of(parts, "abort").length, 1);
    assert.deepEqual(aborted, ["yes"]);
    await isCancelled(demo);
  });

  test("by a signal, before the answer", async (t) => {
    const demo = await slowDemo(t);
    const controller = new AbortController();
    const asked = generateText({ ...asking(demo), abortSignal: controller.signal }).catch((error) => error);
    await demo.isAsked();
    controller.abort();
    assert.equal((await asked).name, "AbortError");
    await isCancelled(demo);
  });

  test("by a time limit between two pieces", async (t) => {
    const demo = await ownDemo(t);
    await demo.fault(
      { fault: { kind: "stall", after_events: 16, for_ms: 20_000 } },
      { fault: { kind: "events", count: 50 } },
    );
    const parts = await all(streamText({ ...asking(demo), timeout: { chunkMs: 300 } }).stream);
    assert.ok(of(parts, "text-delta").length > 0);
    assert.equal(of(parts, "abort").length, 1);
    await isCancelled(demo);
  });
});
