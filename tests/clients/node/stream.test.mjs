// Streams: what comes, in which order, what it adds up to, and every form in which the SDK hands them out.

import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { ResponseStream } from "openai/lib/responses/ResponseStream";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf, of } from "./client.mjs";

const client = clientOf(sharedDemo());
const ask = (options = {}) =>
  client.responses.create({ model: MODEL, input: "Tell me about Lisbon", stream: true, ...options });
const helper = (options = {}) => client.responses.stream({ model: MODEL, input: "Tell me about Porto", ...options });

suite("events of a stream", { concurrency: true }, () => {
  let events;
  before(async () => {
    events = await all(await ask());
  });

  test("it begins with created and ends with completed", () => {
    const types = events.map((event) => event.type);
    assert.deepEqual(types.slice(0, 2), ["response.created", "response.in_progress"]);
    assert.equal(types.at(-1), "response.completed");
    assert.equal(of(events, "response.created").length, 1);
    assert.equal(of(events, "response.completed").length, 1);
  });

  test("sequence numbers count up from zero", () => {
    assert.deepEqual(
      events.map((event) => event.sequence_number),
      [...events.keys()],
    );
  });

  test("deltas add up to the final text", () => {
    const deltas = of(events, "response.output_text.delta").map((event) => event.delta);
    assert.ok(deltas.length > 1);
    assert.equal(deltas.join(""), of(events, "response.output_text.done")[0].text);
    const message = of(events.at(-1).response.output, "message")[0];
    assert.equal(deltas.join(""), message.content[0].text);
  });

  test("each item is added, then done, then part of the answer", () => {
    const added = of(events, "response.output_item.added").map((event) => event.item.id);
    assert.deepEqual(
      of(events, "response.output_item.done").map((event) => event.item.id),
      added,
    );
    assert.deepEqual(
      events.at(-1).response.output.map((item) => item.id),
      added,
    );
  });

  test("the response keeps its id and its model", () => {
    const responses = events.filter((event) => event.response).map((event) => event.response);
    assert.equal(new Set(responses.map((response) => response.id)).size, 1);
    assert.deepEqual(new Set(responses.map((response) => response.model)), new Set([MODEL]));
  });
});

suite("forms of a stream", { concurrency: true }, () => {
  test("the helper hands out events with snapshots and the final response", async () => {
    const seen = { created: 0, events: 0, text: "" };
    const stream = helper()
      .on("response.created", () => (seen.created += 1))
      .on("event", () => (seen.events += 1))
      .on("response.output_text.delta", (event) => (seen.text = event.snapshot));
    const final = await stream.finalResponse();
    assert.equal(final.status, "completed");
    assert.equal(final.output_text, seen.text);
    assert.equal(seen.created, 1);
    assert.ok(seen.events > 5);
    await stream.done();
    assert.equal(stream.errored, false);
  });

  test("the helper can be iterated", async () => {
    const stream = helper();
    const events = await all(stream);
    const text = of(events, "response.output_text.delta")
      .map((event) => event.delta)
      .join("");
    assert.equal((await stream.finalResponse()).output_text, text);
  });

  test("an event of the helper can be waited for", async () => {
    const stream = helper();
    const created = await stream.emitted("response.created");
    assert.equal(created.response.status, "in_progress");
    assert.equal((await stream.finalResponse()).id, created.response.id);
  });

  test("a stream can be handed on as a readable stream", async () => {
    const final = await ResponseStream.fromReadableStream((await ask()).toReadableStream()).finalResponse();
    assert.equal(final.status, "completed");
    assert.ok(of(final.output, "message")[0].content[0].text);
  });

  test("both branches of a stream see all of it", async () => {
    const [left, right] = (await ask()).tee();
    const [one, other] = await Promise.all([all(left), all(right)]);
    assert.deepEqual(one, other);
    assert.equal(one.at(-1).type, "response.completed");
  });

  test("reasoning summaries are streamed", async () => {
    const events = await all(await ask({ reasoning: { effort: "high", summary: "auto" } }));
    const summary = of(events, "response.reasoning_summary_text.delta")
      .map((event) => event.delta)
      .join("");
    const [item] = of(events.at(-1).response.output, "reasoning");
    assert.ok(summary);
    assert.equal(summary, item.summary.map((part) => part.text).join(""));
  });

  test("the helper takes a stream with reasoning and a call", async () => {
    const parameters = { type: "object", properties: {}, required: [], additionalProperties: false };
    const tools = [{ type: "function", name: "look", parameters, strict: true }];
    const final = await helper({
      reasoning: { effort: "high", summary: "auto" },
      tools,
      tool_choice: "required",
    }).finalResponse();
    assert.deepEqual(
      final.output.map((item) => item.type),
      ["reasoning", "function_call"],
    );
  });
});
