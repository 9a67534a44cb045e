// The models of the gateway instead of those that Codex CLI came with.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ownDemo } from "../javascript/demo.mjs";
import { assertWell, Codex } from "./codex.mjs";
import { asked, callOf } from "./upstream.mjs";

suite("the list of models", { concurrency: 4 }, () => {
  for (const model of ["gpt-5.5", "gpt-6-sol"]) {
    test(`${model} is known from it`, async (t) => {
      const demo = await ownDemo(t);
      const run = assertWell(await new Codex(t, demo, { model, catalog: true }).exec("Say hello"));
      assert.deepEqual(run.warnings, [], run.log);
      assert.ok(!run.err.includes("ERROR"), run.err);
      assert.ok((await asked(demo)).others > 0);
    });
  }

  test("it is the same after every answer, and not asked for again", async (t) => {
    const counted = [];
    for (const calls of [0, 3]) {
      const demo = await ownDemo(t);
      if (calls) await demo.fault({ fault: callOf("exec_command", '{"cmd":"true"}'), times: calls });
      assertWell(await new Codex(t, demo, { catalog: true }).exec("-s", "danger-full-access", "Say hello"));
      const { turns, others } = await asked(demo);
      assert.equal(turns, calls + 1);
      counted.push(others);
    }
    assert.equal(counted[0], counted[1]);
  });
});
