// Answers in a form that the client names.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Output, generateObject, generateText, jsonSchema, streamObject, streamText } from "ai";
import { z } from "zod";

import { sharedDemo } from "../javascript/demo.mjs";
import { all, asking } from "./client.mjs";

const HELLO = { ...asking(sharedDemo()), prompt: "A cake, please" };
const Recipe = z.object({
  name: z.string(),
  difficulty: z.enum(["easy", "hard"]),
  steps: z.array(z.object({ explanation: z.string(), minutes: z.int() })),
  origin: z.string().nullable(),
});

suite("structured", { concurrency: true }, () => {
  test("Output.object gives what the schema describes", async () => {
    const { output } = await generateText({ ...HELLO, output: Output.object({ schema: Recipe, name: "recipe" }) });
    assert.deepEqual(Recipe.parse(output), output);
  });

  test("Output.object is streamed in parts that grow", async () => {
    const result = streamText({ ...HELLO, output: Output.object({ schema: Recipe }) });
    const parts = await all(result.partialOutputStream);
    assert.ok(parts.length > 1);
    assert.deepEqual(Recipe.parse(await result.output), parts.at(-1));
  });

  test("Output.array gives a list", async () => {
    const { output } = await generateText({ ...HELLO, output: Output.array({ element: Recipe }) });
    assert.ok(z.array(Recipe).parse(output));
  });

  test("Output.choice gives one of the choices", async () => {
    const { output } = await generateText({ ...HELLO, output: Output.choice({ options: ["sweet", "salty"] }) });
    assert.ok(["sweet", "salty"].includes(output));
  });

  test("Output.json gives JSON", async () => {
    const { output } = await generateText({ ...HELLO, output: Output.json() });
    assert.equal(typeof output, "object");
  });

  test("generateObject gives what the schema describes", async () => {
    const { object } = await generateObject({ ...HELLO, schema: Recipe });
    assert.deepEqual(Recipe.parse(object), object);
  });

  test("streamObject ends with what the schema describes", async () => {
    const result = streamObject({ ...HELLO, schema: Recipe });
    const parts = await all(result.partialObjectStream);
    assert.deepEqual(Recipe.parse(await result.object), parts.at(-1));
  });

  test("a schema without strictness is taken", async () => {
    const schema = jsonSchema({ type: "object", properties: { name: { type: "string" } }, required: ["name"] });
    const providerOptions = { openai: { strictJsonSchema: false } };
    const { output } = await generateText({ ...HELLO, output: Output.object({ schema }), providerOptions });
    assert.equal(typeof output.name, "string");
  });
});
