// Transcriptions.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { BadRequestError, NotFoundError, toFile } from "openai";

import { sharedDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

const client = clientOf(sharedDemo());
const WAV = Buffer.concat([Buffer.from("RIFF\x24\x01\x00\x00WAVEfmt \x10\x00\x00\x00", "latin1"), Buffer.alloc(288)]);
const ask = async (options = {}) =>
  client.audio.transcriptions.create({ file: await toFile(WAV, "speech.wav"), model: "gpt-4o-transcribe", ...options });

suite("transcriptions", { concurrency: true }, () => {
  test("speech is answered with text", async () => {
    const transcription = await ask();
    assert.ok(transcription.text);
    assert.equal(transcription.languages, undefined);
    assert.ok((await ask({ response_format: "json" })).text);
  });

  test("plain text is text", async () => {
    const text = await ask({ response_format: "text" });
    assert.equal(typeof text, "string");
    assert.equal(text.trimEnd(), (await ask()).text);
  });

  test("the other name of the model and all options are taken", async () => {
    const options = { model: "gpt-transcribe", language: "en", prompt: "Names: Ada", temperature: 0, stream: false };
    assert.ok((await ask({ ...options, keywords: ["Ada", "Lisbon"], languages: ["en", "pt"] })).text);
  });

  const REFUSED = {
    subtitles: [{ response_format: "srt" }, "unsupported_parameter", "response_format"],
    "words with times": [{ response_format: "verbose_json" }, "unsupported_parameter", "response_format"],
    "a stream": [{ stream: true }, "unsupported_parameter", "stream"],
    "another model": [{ model: "whisper-1" }, "invalid_model", "model"],
    times: [{ timestamp_granularities: ["word"] }, "unsupported_parameter", "timestamp_granularities[]"],
  };
  for (const [name, [options, code, param]] of Object.entries(REFUSED)) {
    test(`${name}: refused`, () => refusal(ask(options), BadRequestError, { code, param }));
  }

  test("translations are not found", async () => {
    const asking = client.audio.translations.create({ file: await toFile(WAV, "speech.wav"), model: "whisper-1" });
    await refusal(asking, NotFoundError, { code: "unsupported_endpoint" });
  });
});
