// Starts the demo that all test files of a folder share, and runs them with `node --test`.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";

import { BINARY, startDemo } from "./demo.mjs";

if (!existsSync(BINARY)) {
  console.error(`${BINARY} is missing: run \`make test-clients\`, or name another one in CODEX_POOLER_BIN`);
  process.exit(2);
}

const { demo, stop } = await startDemo();
const given = process.argv.slice(2);
// The runner takes what comes after the first file for arguments of the tests.
const files = given.filter((one) => one.endsWith(".mjs"));
const wishes = given.filter((one) => !one.endsWith(".mjs"));
if (files.length === 0) files.push("*.test.mjs");
// A file is a process of its own: four wait for their demos at the same time.
const options = ["--test", "--test-concurrency=4", "--test-timeout=120000"];
if (!wishes.some((one) => one.startsWith("--test-reporter"))) options.push("--test-reporter=dot");
const env = { ...process.env, SHARED_DEMO: demo.envFile };
const tests = spawn(process.execPath, [...options, ...wishes, ...files], { stdio: "inherit", env });
process.on("SIGINT", () => tests.kill("SIGINT"));
const [code] = await once(tests, "exit");
await stop();
process.exit(code ?? 1);
