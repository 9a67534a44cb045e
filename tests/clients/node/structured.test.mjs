// Answers in a form that the client names.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { BadRequestError } from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { MODEL, sharedDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

const client = clientOf(sharedDemo());
const Step = z.object({ explanation: z.string(), minutes: z.int() });
const Recipe = z.strictObject({
  name: z.string(),
  difficulty: z.enum(["easy", "hard"]),
  vegan: z.boolean(),
  steps: z.array(Step),
  origin: z.string().nullable(),
});
const asked = { model: MODEL, input: "A cake, please", text: { format: zodTextFormat(Recipe, "recipe") } };

suite("structured", { concurrency: true }, () => {
  test("parse gives what the schema describes", async () => {
    const response = await client.responses.parse(asked);
    assert.deepEqual(Recipe.parse(response.output_parsed), response.output_parsed);
    assert.equal(response.text.format.name, "recipe");
  });

  test("the stream helper parses at the end", async () => {
    const stream = client.responses.stream(asked);
    let snapshot;
    stream.on("response.output_text.delta", (event) => (snapshot = event.snapshot));
    const final = await stream.finalResponse();
    assert.deepEqual(Recipe.parse(JSON.parse(snapshot)), final.output_parsed);
  });

  test("the arguments of a function are parsed", async () => {
    const Query = z.object({ city: z.string(), unit: z.enum(["c", "f"]), days: z.array(z.int()) });
    const tools = [zodResponsesFunction({ name: "get_weather", parameters: Query })];
    const response = await client.responses.parse({
      model: MODEL,
      input: "The weather?",
      tools,
      tool_choice: "required",
    });
    const [call] = response.output.filter((item) => item.type === "function_call");
    assert.deepEqual(Query.parse(call.parsed_arguments), JSON.parse(call.arguments));
  });

  test("a recursive schema is refused with its place", async () => {
    const Tree = z.object({
      label: z.string(),
      get children() {
        return z.array(Tree);
      },
    });
    const text = { format: zodTextFormat(Tree, "tree") };
    const asking = client.responses.parse({ model: MODEL, input: "A tree, please", text });
    await refusal(asking, BadRequestError, { code: "invalid_json_schema", param: "text.format.schema" });
  });

  test("json_object gives an object", async () => {
    const text = { format: { type: "json_object" } };
    const response = await client.responses.create({ model: MODEL, input: "Some JSON, please", text });
    assert.equal(typeof JSON.parse(response.output_text), "object");
  });
});
