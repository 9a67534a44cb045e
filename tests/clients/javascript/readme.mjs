// Runs the program of the repository's front page that imports a package, against a demo.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { PATIENCE, ROOT } from "./demo.mjs";

/** What the program prints. The folder is the one of its client: there its packages are found. */
export async function runReadme(demo, folder, from) {
  const blocks = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```js\n(.*?)^```/gms)];
  const programs = blocks.map(([, program]) => program).filter((program) => program.includes(`from "${from}"`));
  assert.equal(programs.length, 1, `programs in README.md that import ${from}`);
  for (const placeholder of ["http://127.0.0.1:4000/v1", "sk-cxp-..."]) assert.ok(programs[0].includes(placeholder));
  const program = programs[0].replace("http://127.0.0.1:4000/v1", demo.baseURL).replace("sk-cxp-...", demo.key);
  const file = join(ROOT, ".cache/clients", folder, "readme.mjs");
  writeFileSync(file, program, { mode: 0o600 });
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: PATIENCE });
  return stdout;
}
