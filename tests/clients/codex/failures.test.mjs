// What goes wrong: accounts that fail, one or all of them, and requests that nobody can serve.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { NOBODY, ownDemo } from "../javascript/demo.mjs";
import { assertFailed, assertWell, Codex, TRANSPORTS } from "./codex.mjs";
import { asked, askedFor, callOf, tries, turns } from "./upstream.mjs";

const ALL = ["sim-0", "sim-1", "sim-2"];
const CAPACITY = /Selected model is at capacity/;
// The day is told as well where it is not today.
const LIMIT = /hit your usage limit.* [Tt]ry again at (\w+ \d+\w*, \d+ )?\d+:\d+/;
const ONCE = {
  "a usage limit": "usage_limit_reached",
  "an overload": "server_is_overloaded",
  "an account that is not let in": "forbidden",
  "a login that has ended": "unauthorized",
  "a connection that ends": { kind: "hang_up" },
  "a failure inside a stream": {
    kind: "terminal_in_stream",
    terminal: "failed",
    code: "server_error",
    after_events: 2,
  },
  "another model than asked for": "open_ai_model_mismatch",
};
const ALWAYS = {
  "an overload of all accounts": "server_is_overloaded",
  "an overload that tells when to come back": "server_is_overloaded_retry_after",
  "errors of all accounts": "server_error",
  "accounts that are not paid for": "payment_required",
  "accounts that are not let in": "forbidden",
  "connections that end": { kind: "hang_up" },
};

for (const transport of TRANSPORTS) {
  suite(`one account fails, over ${transport}`, { concurrency: 4 }, () => {
    for (const [name, fault] of Object.entries(ONCE)) {
      test(`${name} is never seen`, async (t) => {
        const demo = await ownDemo(t);
        await demo.fault({ fault, times: 1 });
        const run = assertWell(await new Codex(t, demo, { transport }).exec("Say hello"));
        assert.deepEqual(run.warnings, []);
        assert.deepEqual(await demo.hits(), [1]);
        // Nobody else can go on from the warm-up of a websocket: then the client sends its turn once more, whole.
        const [counted, least] = [await asked(demo), askedFor(1, transport)];
        assert.ok(counted.turns === least.turns || (transport === "websocket" && counted.turns === least.turns + 1));
        assert.equal(counted.others, 0);
      });
    }

    test("a session whose account runs out goes on with another one", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport });
      assertWell(await codex.exec("Say hello"));
      const [{ account }] = await turns(demo);
      await demo.fault({ account, fault: "usage_limit_reached" });
      assertWell(await codex.resume("And again"));
      const served = (await turns(demo)).filter((one) => one.status === 200);
      assert.equal(served.length, 2);
      assert.notEqual(served[1].account, account);
    });

    test("a turn whose account fails after a command goes on with another one", async (t) => {
      const demo = await ownDemo(t);
      const order = JSON.stringify({ fault: "server_is_overloaded", times: 1 });
      const url = `${demo.env.SIMULATOR_CONTROL_URL}/faults`;
      const post = `fetch("${url}", { method: "POST", body: ${JSON.stringify(order)} })`;
      const cmd = `'${process.execPath}' -e '${post}.then((answer) => console.log(answer.status))'`;
      await demo.fault({ fault: callOf("exec_command", JSON.stringify({ cmd })), times: 1 });
      const run = assertWell(await new Codex(t, demo, { transport }).exec("-s", "danger-full-access", "Say hello"));
      assert.equal(run.commands[0]?.aggregated_output, "200\n", run.log);
      const [first, failed, last] = await turns(demo);
      assert.deepEqual([first.account, failed.status, last.status], [failed.account, 503, 200]);
      assert.notEqual(last.account, first.account);
    });
  });

  suite(`all accounts fail, over ${transport}`, { concurrency: 4 }, () => {
    for (const [name, fault] of Object.entries(ALWAYS)) {
      test(`${name}: it stops after five requests at most, and says so`, async (t) => {
        const demo = await ownDemo(t);
        await demo.fault({ fault });
        assertFailed(await new Codex(t, demo, { transport }).exec("Say hello"), CAPACITY);
        const counted = await asked(demo);
        assert.ok(counted.turns >= 1 && counted.turns <= 5 && counted.others === 0, JSON.stringify(counted));
      });
    }

    test("logins that have all ended: it stops after five requests at most", async (t) => {
      const demo = await ownDemo(t);
      await Promise.all(ALL.map((account) => demo.revoke(account)));
      assertFailed(await new Codex(t, demo, { transport }).exec("Say hello"), CAPACITY);
      assert.ok((await asked(demo)).turns <= 5);
    });

    test("a pool without quota ends the turn at once, and says when to come back", async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault: "usage_limit_reached" });
      assertFailed(await new Codex(t, demo, { transport }).exec("Say hello"), LIMIT);
      assert.deepEqual(await asked(demo), askedFor(1, transport));
      assert.equal((await tries(demo)).length, ALL.length);
    });

    test("a pool that is without quota for a moment is waited for", async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault: { kind: "usage_limit", resets_in_ms: 2_000 }, times: ALL.length });
      const run = await new Codex(t, demo, { transport }).exec("Say hello");
      assert.deepEqual([run.code, run.texts.length, run.failure], [0, 1, undefined], run.log);
      assert.ok((await asked(demo)).turns <= 5);
    });

    test("with the retries of the front page an overload is asked about twice", async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault: "server_is_overloaded" });
      assertFailed(await new Codex(t, demo, { transport, retries: true }).exec("Say hello"), CAPACITY);
      assert.equal((await asked(demo)).turns, 2);
    });
  });

  suite(`refused, over ${transport}`, { concurrency: 4 }, () => {
    test("a wrong key is told as one, and nobody upstream hears of it", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport, key: NOBODY, retries: true });
      assertFailed(await codex.exec("Say hello"), /401 Unauthorized: api key is not valid/);
      assert.deepEqual(await turns(demo), []);
    });

    test("an unknown model is told, once", async (t) => {
      const demo = await ownDemo(t);
      assertFailed(
        await new Codex(t, demo, { transport, model: "gpt-nope" }).exec("Say hello"),
        /model is not available for this pool/,
      );
      assert.deepEqual(await asked(demo), askedFor(1, transport));
    });

    test("too long an input is told in the client's own words, once", async (t) => {
      const demo = await ownDemo(t);
      await demo.fault({ fault: "context_length_exceeded" });
      assertFailed(await new Codex(t, demo, { transport }).exec("Say hello"), /context window/);
      assert.deepEqual(await asked(demo), askedFor(1, transport));
    });
  });
}
