// Runs `codex-pooler demo` for a test and speaks to what stands around it: simulator, metrics, process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export const ROOT = resolve(import.meta.dirname, "../../..");
export const BINARY = resolve(process.env.CODEX_POOLER_BIN || join(ROOT, "target/debug/codex-pooler"));
export const MODEL = "gpt-5.5";
/** A key of the right form that nobody has. */
export const NOBODY = `sk-cxp-000000000000-${"A".repeat(43)}`;
/** Of one request, in milliseconds, so that a hang is a failure and not a wait. */
export const PATIENCE = 30_000;

const NAMES = ["BASE_URL", "KEY", "BACKEND_URL", "METRICS_URL", "SIMULATOR_CONTROL_URL"];
const START = 30_000;
const STOP = 10_000;

/** Waits until `condition()` is true, gives what it said, and fails with `what` when that takes too long. */
export async function waitUntil(condition, what, timeout = 10_000) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${timeout} ms: ${what}`);
    await pause(20);
  }
}

/** A demo that runs: what stands in its env file, its simulator, its metrics. */
export class Demo {
  constructor(envFile) {
    this.envFile = envFile;
    this.env = readEnv(envFile);
  }

  get baseURL() {
    return this.env.BASE_URL;
  }

  get key() {
    return this.env.KEY;
  }

  /** Orders faults, see docs/simulator.md, Control endpoint. */
  async fault(...orders) {
    await this.#ask("POST", "/faults", orders);
  }

  /** Takes all orders back. */
  async heal() {
    await this.#ask("DELETE", "/faults");
  }

  /** How many requests each fault has hit, in the order of the orders. */
  async hits() {
    return (await this.#ask("GET", "/faults")).faults.map((fault) => fault.hits);
  }

  /** The requests that reached the simulator on this path, oldest first. */
  async asked(path = "/backend-api/codex/responses") {
    return (await this.#ask("GET", "/requests")).requests.filter((one) => one.path === path);
  }

  async inFlightUpstream() {
    return (await this.#ask("GET", "/state")).in_flight;
  }

  /** Makes the simulator refuse the access tokens that the account has now. */
  async expire(account) {
    await this.#ask("POST", `/accounts/${account}/expire`);
  }

  /** Ends the logins that the account has now: neither tokens nor refresh tokens are good for anything. */
  async revoke(account) {
    await this.#ask("POST", `/accounts/${account}/revoke`);
  }

  /** Waits until a request is on its way upstream. */
  async isAsked() {
    await waitUntil(async () => (await this.inFlightUpstream()) > 0, "a request is in flight upstream");
  }

  /** Waits until nothing is on its way, neither here nor upstream. */
  async isIdle() {
    await waitUntil(async () => (await this.inFlightUpstream()) === 0, "nothing is in flight upstream", 5_000);
    const inFlight = async () => (await this.metrics()).codex_pooler_in_flight;
    await waitUntil(async () => (await inFlight()) === 0, "nothing is in flight", 5_000);
  }

  async #ask(method, path, body) {
    const init = { method, signal: AbortSignal.timeout(PATIENCE) };
    if (body) Object.assign(init, { body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    const answer = await fetch(this.env.SIMULATOR_CONTROL_URL + path, init);
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer.json();
  }

  /** All samples of the metrics, by name with labels. */
  async metrics() {
    const answer = await fetch(this.env.METRICS_URL, { signal: AbortSignal.timeout(PATIENCE) });
    const lines = (await answer.text()).split("\n").filter((line) => line && !line.startsWith("#"));
    const samples = lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]);
    return Object.fromEntries(samples);
  }

  /** `codex_pooler_requests_total`, summed over everything that has these labels. */
  async requestsTotal(labels) {
    const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
    const samples = Object.entries(await this.metrics());
    const own = samples.filter(([name]) => name.startsWith("codex_pooler_requests_total{"));
    return own
      .filter(([name]) => wanted.every((label) => name.includes(label)))
      .reduce((sum, [, value]) => sum + value, 0);
  }
}

/** The demo that all test files share. Nothing may go wrong in it: accounts are remembered as bad. */
export function sharedDemo() {
  return new Demo(process.env.SHARED_DEMO);
}

/** A demo for one test, which may break it. It ends with the test. */
export async function ownDemo(t) {
  const { demo, stop } = await startDemo();
  t.after(stop);
  return demo;
}

/** Starts a demo in a directory of its own; `stop` ends it and removes the directory. */
export async function startDemo() {
  const directory = mkdtempSync(join(tmpdir(), "codex-pooler-client-"));
  const [envFile, log] = [join(directory, "env"), join(directory, "log")];
  const output = openSync(log, "a");
  const options = ["demo", "--port", "0", "--data", join(directory, "data"), "--env", envFile];
  const child = spawn(BINARY, options, { stdio: ["ignore", output, output] });
  closeSync(output);
  const ended = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);

  async function stop() {
    child.kill("SIGTERM");
    const late = setTimeout(kill, STOP);
    await ended;
    clearTimeout(late);
    process.off("exit", kill);
    rmSync(directory, { recursive: true, force: true });
  }

  try {
    const there = () => child.exitCode !== null || isComplete(envFile);
    await waitUntil(there, "the demo answers", START);
    assert.equal(child.exitCode, null, "the demo goes on");
    return { demo: new Demo(envFile), stop };
  } catch (error) {
    const said = readFileSync(log, "utf8").slice(-4000);
    await stop();
    throw new Error(`${BINARY} demo does not start:\n${said}`, { cause: error });
  }
}

function isComplete(envFile) {
  return existsSync(envFile) && NAMES.every((name) => name in readEnv(envFile));
}

function readEnv(envFile) {
  const lines = readFileSync(envFile, "utf8").split("\n");
  const pairs = lines
    .filter((line) => line.includes("="))
    .map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]);
  return Object.fromEntries(pairs);
}
