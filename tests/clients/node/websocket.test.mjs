// `ResponsesWS`: turns over one websocket, from the SDK for Node.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ResponsesWS } from "openai/resources/responses/ws";

import { MODEL, NOBODY, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { clientOf, of } from "./client.mjs";

const demo = sharedDemo();
const ENDS = ["response.completed", "response.failed", "response.incomplete", "error"];
// Past the lifecycle events, the reasoning item and the head of the message.
const IN_THE_TEXT = 12;
const WEATHER = {
  type: "function",
  name: "get_weather",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};

/** A socket that is closed at the end of test `t`, and what it says of turns. */
class Talk {
  constructor(t, demo, options = {}) {
    this.socket = new ResponsesWS(clientOf(demo, options));
    // An error that nobody listens to would end the process; the iterator has it too.
    this.socket.on("error", () => {});
    this.messages = this.socket.stream();
    t.after(() => this.socket.close());
  }

  /** The events of one turn, up to the one that ends it. */
  async says(options) {
    this.socket.send({ type: "response.create", model: MODEL, ...options });
    return this.answers();
  }

  async answers() {
    const events = [];
    for (;;) {
      const { value, done } = await this.messages.next();
      assert.ok(!done && value.type !== "close", "the socket stays open");
      if (value.type === "message") events.push(value.message);
      if (value.type === "error") events.push(value.error.error ?? assert.fail(value.error));
      if (ENDS.includes(events.at(-1)?.type)) return events;
    }
  }
}

function textOf(events) {
  return of(events, "response.output_text.delta")
    .map((event) => event.delta)
    .join("");
}

async function arrived(demo) {
  const requests = await demo.asked();
  const by = (method) => requests.filter((one) => one.method === method);
  return { handshakes: by("GET"), turns: by("WS") };
}

suite("turns", { concurrency: 4 }, () => {
  test("a conversation takes one socket, and only what is new is sent", async (t) => {
    const own = await ownDemo(t);
    const talk = new Talk(t, own);
    const first = await talk.says({ input: "Say hello" });
    const previous_response_id = first.at(-1).response.id;
    const second = await talk.says({ input: "And again", previous_response_id });
    for (const events of [first, second]) {
      assert.equal(events.at(-1).type, "response.completed");
      assert.equal(textOf(events), events.at(-1).response.output.at(-1).content[0].text);
      assert.deepEqual(
        events.map((event) => event.sequence_number),
        [...events.keys()],
      );
    }
    assert.equal(second.at(-1).response.previous_response_id, previous_response_id);
    const { handshakes, turns } = await arrived(own);
    assert.deepEqual([handshakes.length, turns.length], [1, 2]);
    assert.equal(turns[0].account, turns[1].account);
  });

  test("a warm-up can be gone on from", async (t) => {
    const talk = new Talk(t, demo);
    const warm = await talk.says({ input: "You are a parrot", generate: false });
    assert.deepEqual(warm.at(-1).response.output, []);
    assert.ok(textOf(await talk.says({ input: "Say hello", previous_response_id: warm.at(-1).response.id })));
  });

  test("a function is called, and only its output is sent", async (t) => {
    const talk = new Talk(t, demo);
    const tools = [WEATHER];
    const asked = (await talk.says({ input: "How is it in Lisbon?", tools, tool_choice: "required" })).at(-1).response;
    const [call] = of(asked.output, "function_call");
    assert.deepEqual(Object.keys(JSON.parse(call.arguments)), ["city"]);
    const input = [{ type: "function_call_output", call_id: call.call_id, output: "21" }];
    assert.ok(textOf(await talk.says({ input, tools, previous_response_id: asked.id })));
  });

  test("turns are answered in their order and under their names", async (t) => {
    const talk = new Talk(t, demo);
    const names = ["one", "two", "three"];
    for (const stream_id of names)
      talk.socket.send({ type: "response.create", model: MODEL, input: "Say hello", stream_id });
    for (const name of names) {
      const events = await talk.answers();
      assert.deepEqual([...new Set(events.map((event) => event.stream_id))], [name]);
    }
  });

  test("listeners get the events of their type", async (t) => {
    const { socket } = new Talk(t, demo);
    const deltas = [];
    socket.on("response.output_text.delta", (event) => deltas.push(event.delta));
    const completed = new Promise((resolve) => socket.once("response.completed", resolve));
    socket.send({ type: "response.create", model: MODEL, input: "Say hello" });
    const { response } = await completed;
    assert.equal(deltas.join(""), response.output.at(-1).content[0].text);
  });
});

const REFUSED = {
  "an empty input": [{ input: [] }, "invalid_request", "input"],
  "what the backend cannot do": [{ background: true }, "unsupported_parameter", "background"],
  "an unknown model": [{ model: "gpt-2" }, "invalid_model", "model"],
  "a response of elsewhere": [
    { previous_response_id: "resp_1" },
    "previous_response_not_found",
    "previous_response_id",
  ],
};

suite("refused", { concurrency: 4 }, () => {
  for (const [name, [options, code, param]] of Object.entries(REFUSED)) {
    test(`${name} is an error, and the socket stays`, async (t) => {
      const talk = new Talk(t, demo);
      const [error] = await talk.says({ input: "Say hello", ...options });
      const { error: told, status } = error;
      assert.deepEqual([status, told.code, told.param, told.type], [400, code, param, "invalid_request_error"]);
      assert.ok(textOf(await talk.says({ input: "Say hello" })));
    });
  }

  test("a wrong key gets no socket", async () => {
    const socket = new ResponsesWS(clientOf(demo, { apiKey: NOBODY }));
    const error = await new Promise((resolve) => socket.on("error", resolve));
    assert.match(`${error.message} ${error.cause?.message}`, /401/);
  });
});

suite("accounts that fail", { concurrency: 4 }, () => {
  for (const fault of ["usage_limit_reached", "server_is_overloaded", { kind: "hang_up" }]) {
    test(`two with ${fault.kind ?? fault} are not seen`, async (t) => {
      const own = await ownDemo(t);
      await own.fault({ fault, times: 2 });
      assert.ok(textOf(await new Talk(t, own).says({ input: "Say hello" })));
      assert.deepEqual(await own.hits(), [2]);
    });
  }

  test("when all fail, the turn is an error", async (t) => {
    const own = await ownDemo(t);
    await own.fault({ fault: "usage_limit_reached" });
    const [error] = await new Talk(t, own).says({ input: "Say hello" });
    assert.deepEqual([error.type, error.status, error.error.code], ["error", 429, "quota_exhausted"]);
  });

  test("a turn that breaks off fails, and the next one is served", async (t) => {
    const own = await ownDemo(t);
    const cut = { fault: { kind: "cut", after_events: IN_THE_TEXT }, times: 1 };
    await own.fault(cut, { fault: { kind: "events", count: 50 }, times: 1 });
    const talk = new Talk(t, own);
    const broken = await talk.says({ input: "Say hello" });
    assert.deepEqual([broken.at(-1).type, broken.at(-1).response.id], ["response.failed", broken[0].response.id]);
    assert.ok(textOf(await talk.says({ input: "Say hello" })));
  });
});
