// One model, and what the key has used.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { BadRequestError, NotFoundError } from "openai";

import { MODEL, ownDemo, sharedDemo, waitUntil } from "../javascript/demo.mjs";
import { all, clientOf, refusal } from "./client.mjs";

const client = clientOf(sharedDemo());

suite("a model", { concurrency: true }, () => {
  test("it is the one of the list", async () => {
    const listed = (await all(client.models.list())).find((model) => model.id === MODEL);
    assert.deepEqual({ ...(await client.models.retrieve(MODEL)) }, { ...listed });
  });

  test("one that does not exist is not found", async () => {
    await refusal(client.models.retrieve("gpt-2"), NotFoundError, { code: "model_not_found", param: "model" });
  });

  test("it cannot be deleted", async () => {
    await refusal(client.models.delete(MODEL), NotFoundError, { code: "unsupported_endpoint" });
  });
});

test("usage counts what was asked", async (t) => {
  const demo = await ownDemo(t);
  const own = clientOf(demo);
  const { usage } = await own.responses.create({ model: MODEL, input: "Say hello" });
  // It counts a moment after its answer, when its settlement is stored.
  const isCounted = (told) => told.request_count === 1 && told;
  const counted = await waitUntil(async () => isCounted(await own.get("/usage")), "the request is counted");
  assert.equal(counted.total_tokens, usage.total_tokens);
  assert.ok(Array.isArray(counted.limits));
  const asking = own.get("/usage", { query: { days: 3 } });
  await refusal(asking, BadRequestError, { code: "unsupported_parameter", param: "days" });
});
