// Codex CLI against a demo: the provider of the front page, a home of its own, and nothing else that it could reach.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ROOT } from "../javascript/demo.mjs";

const CODEX = join(import.meta.dirname, "node_modules/.bin/codex");
/** Of one run, in milliseconds. */
const PATIENCE = 60_000;
const README_URL = "http://127.0.0.1:4000/backend-api/codex";
export const TRANSPORTS = ["http", "websocket"];
/** What it reads of its maker's servers on its own: plugins, apps, figures about its use. */
const QUIET = "\n[features]\nplugins = false\napps = false\n\n[analytics]\nenabled = false\n";

/** The provider block of the front page and the name of the variable that holds the key. */
export function readmeConfig() {
  const blocks = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```toml\n(.*?)^```/gms)];
  const configs = blocks.map(([, block]) => block).filter((block) => block.includes("[model_providers."));
  assert.equal(configs.length, 1, "configurations of Codex CLI in README.md");
  return { config: configs[0], keyName: configs[0].match(/^env_key = "(\w+)"$/m)[1] };
}

function replaced(text, from, to) {
  assert.ok(text.match(from), `${from} in README.md`);
  return text.replace(from, to);
}

/** A home of Codex CLI and a folder to work in, both gone at the end of test `t`. */
export class Codex {
  /**
   * `transport` is one of TRANSPORTS. With `retries` the client retries as the front page has it, else as often as it does
   * of itself, which is more. With `catalog` it asks the gateway for the models. `edit` has the last word on the configuration.
   */
  constructor(
    t,
    demo,
    { transport = "http", model, key = demo.key, retries = false, catalog = false, edit = (config) => config } = {},
  ) {
    this.directory = mkdtempSync(join(tmpdir(), "codex-pooler-codex-"));
    t.after(() => rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 }));
    this.work = join(this.directory, "work");
    for (const name of ["home", "codex", "work"]) mkdirSync(join(this.directory, name));
    const readme = readmeConfig();
    let config = replaced(readme.config, README_URL, demo.env.BACKEND_URL);
    config = replaced(config, /^(supports_websockets =) \w+/m, `$1 ${transport === "websocket"}`);
    if (model) config = replaced(config, /^model = ".*"$/m, `model = "${model}"`);
    if (!retries) config = replaced(config, /^\w+_max_retries = .*\n/gm, "");
    if (catalog)
      config = replaced(config, /^# (?=model_catalog_url = )/m, "").replace(README_URL, demo.env.BACKEND_URL);
    writeFileSync(join(this.directory, "codex/config.toml"), edit(config) + QUIET);
    this.env = {
      PATH: process.env.PATH,
      HOME: join(this.directory, "home"),
      CODEX_HOME: join(this.directory, "codex"),
      [readme.keyName]: key,
      // What is not on loopback goes to nobody.
      HTTPS_PROXY: "http://127.0.0.1:9",
      HTTP_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "127.0.0.1",
    };
  }

  /** A file in the folder to work in; gives its path. */
  file(name, content) {
    const path = join(this.work, name);
    writeFileSync(path, content);
    return path;
  }

  read(name) {
    return readFileSync(join(this.work, name), "utf8");
  }

  /** Runs `codex exec`; what it says is read from its events. */
  async exec(...args) {
    return said(await this.run("exec", "--json", "--skip-git-repo-check", ...args));
  }

  /** Goes on with the last session. */
  async resume(...args) {
    return this.exec("resume", "--last", ...args);
  }

  /** What it keeps of its sessions, a line for each thing that happened. */
  sessions() {
    const folder = join(this.directory, "codex/sessions");
    const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".jsonl"));
    return files.map((name) => readFileSync(join(folder, name), "utf8")).join("");
  }

  /** Runs `codex` with these arguments; gives the exit code and what it wrote. */
  run(...args) {
    return this.#run(args, "");
  }

  /** `codex login` with a key, which it reads from its input and keeps in its home. */
  async login(key) {
    const { code, err } = await this.#run(["login", "--with-api-key"], key);
    assert.equal(code, 0, err);
  }

  /** A login of its user with the maker of the model, in its home: unsigned tokens, which nobody would take. */
  signIn() {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const auth = { chatgpt_account_id: "acc-of-the-user", chatgpt_plan_type: "pro", chatgpt_user_id: "user" };
    const claims = { exp: Math.floor(Date.now() / 1000) + 864_000, email: "user@example.com", sub: "user" };
    const token = `${part({ alg: "none" })}.${part({ ...claims, "https://api.openai.com/auth": auth })}.x`;
    const tokens = { id_token: token, access_token: token, refresh_token: "x", account_id: auth.chatgpt_account_id };
    const login = { auth_mode: "chatgpt", OPENAI_API_KEY: null, tokens, last_refresh: new Date().toISOString() };
    writeFileSync(join(this.directory, "codex/auth.json"), JSON.stringify(login));
  }

  #run(args, input) {
    const stdio = [input ? "pipe" : "ignore", "pipe", "pipe"];
    const child = spawn(CODEX, args, {
      cwd: this.work,
      env: this.env,
      stdio,
      timeout: PATIENCE,
      killSignal: "SIGKILL",
    });
    child.stdin?.end(input);
    const [out, err] = [[], []];
    child.stdout.on("data", (chunk) => out.push(chunk));
    child.stderr.on("data", (chunk) => err.push(chunk));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, out: String(Buffer.concat(out)), err: String(Buffer.concat(err)) }));
    });
  }
}

/** A run by its events: `texts` of the model, `commands` that ran, `errors` that the user sees, `usage`. */
function said({ code, out, err }) {
  const events = out
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const items = events.filter((event) => event.type === "item.completed").map((event) => event.item);
  const of = (type) => items.filter((item) => item.type === type);
  const failures = events.filter((event) => event.type === "turn.failed").map((event) => event.error.message);
  return {
    code,
    err,
    log: `exit ${code}\n${out}\n${err}`,
    thread: events.find((event) => event.type === "thread.started")?.thread_id,
    texts: of("agent_message").map((item) => item.text),
    commands: of("command_execution"),
    warnings: of("error").map((item) => item.message),
    errors: events.filter((event) => event.type === "error").map((event) => event.message),
    failure: failures.at(-1),
    usage: events.find((event) => event.type === "turn.completed")?.usage,
  };
}

/** The run ended well: an answer, usage, and nothing that would worry the user. */
export function assertWell(run) {
  assert.equal(run.code, 0, run.log);
  assert.deepEqual([run.errors, run.failure], [[], undefined], run.log);
  assert.ok(run.texts.at(-1), run.log);
  assert.ok(run.usage.input_tokens > 0 && run.usage.output_tokens > 0, run.log);
  return run;
}

/** The run ended with a failure whose text fits. */
export function assertFailed(run, text) {
  assert.equal(run.code, 1, run.log);
  assert.match(run.failure ?? "", text, run.log);
  return run;
}
