// The client, and small things that several files ask of it.

import assert from "node:assert/strict";

import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, tool } from "ai";
import { z } from "zod";

import { MODEL } from "../javascript/demo.mjs";

/** The models of a demo: called with a name, one that speaks the Responses API. */
export function openaiOf(demo, options = {}) {
  return createOpenAI({ baseURL: demo.baseURL, apiKey: demo.key, ...options });
}

/** What a call needs: the model, and no retries, so that a test sees the first answer. */
export function asking(demo, options = {}) {
  return { model: openaiOf(demo, options)(MODEL), maxRetries: 0, prompt: "Say hello", onError: () => {} };
}

/** What an async iterable gives, as a list. */
export async function all(iterable) {
  const list = [];
  for await (const one of iterable) list.push(one);
  return list;
}

export function of(parts, type) {
  return parts.filter((part) => part.type === type);
}

/** The APICallError that `promise` ends with, which has this status and these members in its error object. */
export async function refusal(promise, status, members = {}) {
  const error = await Promise.resolve(promise).then(
    () => assert.fail("no error"),
    (error) => error,
  );
  assert.ok(APICallError.isInstance(error), `${error.name}, not an APICallError: ${error.message}`);
  assert.equal(error.statusCode, status);
  for (const [name, value] of Object.entries(members)) assert.equal(error.data.error[name], value, name);
  return error;
}

export const Query = z.object({ city: z.string(), unit: z.enum(["c", "f"]) });
/** Words that make the simulator call three tools, one in each turn. */
export const THREE = "Ask get_weather, then get_tides, then get_wind.";

/** Three tools, and the list of what they were asked, in order. */
export function threeTools() {
  const asked = [];
  const one = (name) => {
    const execute = async (query) => asked.push([name, query]) && { degrees: 21 };
    return [name, tool({ description: name, inputSchema: Query, execute })];
  };
  return { tools: Object.fromEntries(["get_weather", "get_tides", "get_wind"].map(one)), asked };
}
