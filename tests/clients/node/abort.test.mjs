// A client that leaves in mid-stream: the request ends upstream, counts as cancelled, and the next one is served.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { APIUserAbortError } from "openai";

import { MODEL, ownDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

const STORY = { model: MODEL, input: "A long story" };

/** A demo whose streams take 20 s when they are left alone. */
async function slowDemo(t) {
  const demo = await ownDemo(t);
  await demo.fault({ fault: { kind: "pace", pause_ms: 50 } }, { fault: { kind: "events", count: 400 } });
  return demo;
}

async function isCancelled(demo, times = 1) {
  await demo.isIdle();
  assert.equal((await demo.asked()).at(-1).ended, "client_gone");
  assert.equal(await demo.requestsTotal({ route: "POST /v1/responses", outcome: "cancelled" }), times);
  await demo.heal();
  assert.ok((await clientOf(demo).responses.create(STORY)).output_text);
}

const LEAVE = {
  "breaking out of the loop": async (client) => {
    for await (const event of await client.responses.create({ ...STORY, stream: true })) {
      if (event.type === "response.output_text.delta") break;
    }
  },
  "aborting the stream": async (client) => {
    const stream = await client.responses.create({ ...STORY, stream: true });
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") stream.controller.abort();
    }
  },
  "aborting the stream helper": async (client) => {
    const stream = client.responses.stream(STORY);
    stream.once("response.output_text.delta", () => stream.abort());
    await refusal(stream.finalResponse(), APIUserAbortError);
    assert.equal(stream.aborted, true);
  },
  "aborting by a signal of one's own": async (client) => {
    const controller = new AbortController();
    const stream = client.responses.stream(STORY, { signal: controller.signal });
    stream.once("response.output_text.delta", () => controller.abort());
    await refusal(stream.done(), APIUserAbortError);
  },
};

suite("a client that leaves", { concurrency: 4 }, () => {
  for (const [name, leave] of Object.entries(LEAVE)) {
    test(name, async (t) => {
      const demo = await slowDemo(t);
      await leave(clientOf(demo));
      await isCancelled(demo);
    });
  }

  test("while it waits for a whole answer", async (t) => {
    const demo = await slowDemo(t);
    const controller = new AbortController();
    const asking = clientOf(demo).responses.create(STORY, { signal: controller.signal });
    const refused = refusal(asking, APIUserAbortError);
    await demo.isAsked();
    controller.abort();
    await refused;
    await isCancelled(demo);
  });

  test("five at once", async (t) => {
    const demo = await slowDemo(t);
    await Promise.all(Array.from({ length: 5 }, () => LEAVE["breaking out of the loop"](clientOf(demo))));
    await isCancelled(demo, 5);
  });
});
