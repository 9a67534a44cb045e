// The list of models.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf } from "./client.mjs";

const client = clientOf(sharedDemo());

test("the models are listed, and each one answers under its name", async () => {
  const models = await all(client.models.list());
  assert.ok(models.some((model) => model.id === MODEL));
  assert.ok(models.every((model) => model.object === "model" && Number.isInteger(model.created)));
  const ask = async ({ id }) => (await client.responses.create({ model: id, input: "Say hello" })).model;
  assert.deepEqual(
    await Promise.all(models.map(ask)),
    models.map((model) => model.id),
  );
});
