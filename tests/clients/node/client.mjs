// The client, and small things that several files ask of it.

import assert from "node:assert/strict";

import OpenAI from "openai";

import { PATIENCE } from "../javascript/demo.mjs";

/** A client that retries nothing, so that a test sees the first answer. */
export function clientOf(demo, options = {}) {
  return new OpenAI({ baseURL: demo.baseURL, apiKey: demo.key, maxRetries: 0, timeout: PATIENCE, ...options });
}

/** What an async iterable gives, as a list. */
export async function all(iterable) {
  const list = [];
  for await (const one of iterable) list.push(one);
  return list;
}

export function of(events, type) {
  return events.filter((event) => event.type === type);
}

/** The error that `promise` ends with, which is one of `kind` with these members. */
export async function refusal(promise, kind, members = {}) {
  const error = await promise.then(
    () => assert.fail(`no ${kind.name}`),
    (error) => error,
  );
  assert.ok(error instanceof kind, `${error.constructor.name}, not ${kind.name}: ${error.message}`);
  for (const [name, value] of Object.entries(members)) assert.equal(error[name], value, name);
  return error;
}
