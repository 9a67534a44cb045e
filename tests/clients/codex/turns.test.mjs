// What goes well: turns, tools, sessions, images, structured answers.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";

import { ownDemo } from "../javascript/demo.mjs";
import { assertWell, Codex, TRANSPORTS } from "./codex.mjs";
import { asked, askedFor, callOf, turns } from "./upstream.mjs";

/** How each family of models runs a command: by a function, or by a program for a tool of its own. */
const RUN = {
  "gpt-5.5": (cmd) => callOf("exec_command", JSON.stringify({ cmd })),
  "gpt-6-sol": (cmd) => callOf("exec", `text((await tools.exec_command(${JSON.stringify({ cmd })})).output);`),
};

for (const transport of TRANSPORTS) {
  suite(`over ${transport}`, { concurrency: 4 }, () => {
    for (const model of Object.keys(RUN)) {
      test(`a turn of ${model} is one turn upstream and one request here`, async (t) => {
        const demo = await ownDemo(t);
        const codex = new Codex(t, demo, { transport, model });
        const run = assertWell(await codex.exec("Say hello"));
        assert.deepEqual(run.warnings, []);
        assert.equal((await turns(demo)).length, 1);
        assert.deepEqual(await asked(demo), askedFor(1, transport));
      });

      test(`a command that ${model} asks for runs, and its output reaches the account that asked`, async (t) => {
        const demo = await ownDemo(t);
        await demo.fault({ fault: RUN[model]("echo made of $((40 + 2)) > made.txt; cat made.txt"), times: 1 });
        const codex = new Codex(t, demo, { transport, model });
        const run = assertWell(await codex.exec("-s", "danger-full-access", "Say hello"));
        assert.equal(codex.read("made.txt"), "made of 42\n");
        assert.deepEqual(
          run.commands.map((one) => [one.aggregated_output, one.exit_code]),
          [["made of 42\n", 0]],
        );
        const upstream = await turns(demo);
        assert.equal(upstream.length, 2);
        assert.equal(new Set(upstream.map((one) => one.account)).size, 1);
        assert.deepEqual(await asked(demo), askedFor(2, transport));
      });
    }

    test("a patch is applied: a tool with input of its own", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport });
      assertWell(await codex.exec("-s", "danger-full-access", "Use apply_patch"));
      assert.equal(codex.read("simulated.txt"), "hello\n");
    });

    test("a resumed session goes on with its account, which has most of it in its cache", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport });
      const first = assertWell(await codex.exec("Say hello"));
      const second = assertWell(await codex.resume("And again"));
      assert.equal(second.thread, first.thread);
      const upstream = await turns(demo);
      assert.equal(upstream.length, 2);
      assert.equal(new Set(upstream.map((one) => one.account)).size, 1);
      assert.ok(second.usage.cached_input_tokens > first.usage.input_tokens / 2, second.log);
    });

    test("an image goes with the words", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport });
      const image = noise(160);
      const file = codex.file("noise.png", image);
      assertWell(await codex.exec("Say hello", "-i", file));
      const [turn] = await turns(demo);
      assert.equal(turn.refused, null);
      assert.ok(turn.body_bytes > (image.length * 4) / 3, `${turn.body_bytes} bytes for an image of ${image.length}`);
    });

    test("an answer has the form of the schema", async (t) => {
      const demo = await ownDemo(t);
      const codex = new Codex(t, demo, { transport });
      const properties = { word: { type: "string" }, number: { type: "integer" } };
      const schema = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
      const run = assertWell(
        await codex.exec("--output-schema", codex.file("schema.json", JSON.stringify(schema)), "Hello"),
      );
      const answer = JSON.parse(run.texts.at(-1));
      assert.deepEqual(
        [typeof answer.word, Number.isInteger(answer.number), Object.keys(answer).length],
        ["string", true, 2],
      );
    });
  });
}

/** A PNG that cannot be made smaller: `size` by `size` points at random. */
function noise(size) {
  const chunk = (type, data) => {
    const [length, body, check] = [Buffer.alloc(4), Buffer.concat([Buffer.from(type), data]), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Array.from({ length: size }, () => Buffer.concat([Buffer.of(0), randomBytes(size * 3)]));
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([
    signature,
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
