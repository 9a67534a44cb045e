// Other ways to set the client up and to use it: its own keeping of the key, a login of its user, pictures, agents, compactions.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ownDemo, PATIENCE, waitUntil } from "../javascript/demo.mjs";
import { assertWell, Codex, TRANSPORTS } from "./codex.mjs";
import { asked, askedFor, callOf, turns } from "./upstream.mjs";

const LOGIN = "requires_openai_auth = true";
/** The key comes from the client's own login instead of a variable. */
const fromLogin = (config) => config.replace(/^env_key = .*$/m, LOGIN);
/** The variable goes on holding it, and the client knows of a login too. */
const withLogin = (config) => config.replace(/^env_key = .*$/m, (line) => `${line}\n${LOGIN}`);
/** Smaller than what the client says at the start of every conversation. */
const COMPACT_SOON = ["-c", "model_auto_compact_token_limit=2000"];
/** Who writes the compaction: the client asks the model for a summary, or the upstream for an item that it alone can read. */
const COMPACTED = {
  "by a summary": { edit: (config) => config, items: 0 },
  "by the upstream": { edit: (config) => fromLogin(config).replace(/^name = .*$/m, 'name = "OpenAI"'), items: 1 },
};

for (const transport of TRANSPORTS) {
  suite(`set up otherwise, over ${transport}`, { concurrency: 4 }, () => {
    test("a key that `codex login` keeps does as well as a variable", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport, key: "", edit: fromLogin });
      await codex.login(demo.key);
      const run = assertWell(await codex.exec("Say hello"));
      assert.deepEqual(run.warnings, []);
      assert.equal((await turns(demo)).length, 1);
      assert.equal((await asked(demo)).turns, askedFor(1, transport).turns);
    });

    test("a login of the user beside the key is nothing to the gateway", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport, edit: withLogin });
      codex.signIn();
      assertWell(await codex.exec("Say hello"));
      const [turn] = await turns(demo);
      assert.deepEqual([turn.status, turn.refused], [200, null]);
    });

    test("a picture that the model wants is drawn through the gateway", async (t) => {
      const demo = await ownDemo(t);
      // Only a client that takes the provider for its maker's own, and has a login there, offers it.
      const named = (config) => withLogin(config).replace(/^name = .*$/m, 'name = "OpenAI"');
      const codex = new Codex(t, demo, { transport, edit: named });
      codex.signIn();
      await demo.fault({ fault: callOf("imagegen", JSON.stringify({ prompt: "a cat" })), times: 1 });
      assertWell(await codex.exec("-s", "danger-full-access", "Say hello"));
      const [drawn, ...more] = await demo.asked("/backend-api/codex/images/generations");
      assert.deepEqual([drawn.status, more.length], [200, 0]);
      assert.equal((await turns(demo)).length, 2);
    });

    test("an agent starts another one, which has a conversation of its own", async (t) => {
      const demo = await ownDemo(t);
      const letter = { task_name: "one", message: "Say hello", agent_type: "default", fork_turns: "none" };
      await demo.fault({ fault: callOf("spawn_agent", JSON.stringify(letter)), times: 1 });
      // The first one is not through before the other one has asked.
      await demo.fault({ fault: "hold", after: 1 });
      const codex = new Codex(t, demo, { transport, model: "gpt-6-sol" });
      const run = codex.exec("-s", "danger-full-access", "Say hello");
      await waitUntil(async () => (await demo.hits())[1] >= 2, "both of them ask", PATIENCE);
      await demo.heal();
      assertWell(await run);
      const upstream = await turns(demo);
      assert.ok(upstream.length >= 3, `${upstream.length} turns`);
      assert.ok(upstream.every((one) => one.refused === null));
      assert.ok(codex.sessions().includes('"type":"agent_message"'));
    });

    for (const model of ["gpt-5.5", "gpt-6-sol"]) {
      for (const [who, { edit, items }] of Object.entries(COMPACTED)) {
        test(`a conversation of ${model} is compacted ${who}, and goes on with its account`, async (t) => {
          const demo = await ownDemo(t);
          const codex = new Codex(t, demo, { transport, model, edit });
          if (items) await codex.login(demo.key);
          assertWell(await codex.exec(...COMPACT_SOON, "Say hello"));
          assertWell(await codex.exec(...COMPACT_SOON, "resume", "--last", "And again"));
          const upstream = await turns(demo);
          assert.deepEqual(
            upstream.map((one) => [one.status, one.refused]),
            [200, 200, 200].map((status) => [status, null]),
            "a turn, the compaction, another turn",
          );
          assert.equal(new Set(upstream.map((one) => one.account)).size, 1);
          assert.ok(codex.sessions().includes('"type":"compacted"'));
          assert.equal(codex.sessions().split('"type":"compaction"').length - 1, items);
        });
      }
    }
  });
}
