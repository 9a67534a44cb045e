// The program on the front page of the repository.

import assert from "node:assert/strict";
import { test } from "node:test";

import { sharedDemo } from "../javascript/demo.mjs";
import { runReadme } from "../javascript/readme.mjs";

test("the program of the front page prints an answer", async () => {
  assert.match(await runReadme(sharedDemo(), "vercel", "ai"), /\w+ \w+/);
});
