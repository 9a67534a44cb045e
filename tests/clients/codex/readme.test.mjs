// What the front page of the repository says about Codex CLI, word by word.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ownDemo, ROOT } from "../javascript/demo.mjs";
import { Codex, readmeConfig } from "./codex.mjs";
import { asked } from "./upstream.mjs";

/** The lines that begin with `codex`, as arguments; none of them has a quote within a quote. */
function readmeCommands() {
  const lines = readFileSync(join(ROOT, "README.md"), "utf8").match(/^codex exec .*$/gm);
  return lines.map((line) =>
    line
      .replace(/ +#.*$/, "")
      .match(/"[^"]*"|\S+/g)
      .map((word) => word.replaceAll('"', ""))
      .slice(1),
  );
}

test("the commands of the front page work with its configuration", async (t) => {
  const demo = await ownDemo(t);
  const transport = readmeConfig().config.includes("supports_websockets = true") ? "websocket" : "http";
  const codex = new Codex(t, demo, { transport, retries: true });
  for (const name of ["objects", "refs"]) mkdirSync(join(codex.work, ".git", name), { recursive: true });
  writeFileSync(join(codex.work, ".git/HEAD"), "ref: refs/heads/main\n");
  const commands = readmeCommands();
  assert.deepEqual(
    commands.map((command) => command[1]),
    ["Say hello", "resume"],
  );
  for (const command of commands) {
    const { code, out, err } = await codex.run(...command);
    assert.equal(code, 0, err);
    assert.ok(out.trim(), err);
  }
  assert.equal((await asked(demo)).turns, transport === "http" ? 2 : 4);
});
