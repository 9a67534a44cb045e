// Files, transcriptions and images.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { generateImage, generateText, transcribe, uploadFile } from "ai";

import { sharedDemo } from "../javascript/demo.mjs";
import { asking, openaiOf, refusal } from "./client.mjs";

const demo = sharedDemo();
const openai = openaiOf(demo);
const HELLO = { ...asking(demo), prompt: undefined };
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);
const WAV = Buffer.concat([Buffer.from("RIFF\x24\x01\x00\x00WAVEfmt \x10\x00\x00\x00", "latin1"), Buffer.alloc(288)]);

suite("files", { concurrency: true }, () => {
  test("one that is uploaded can be asked about", async () => {
    const data = Buffer.from("My name is Ada.");
    const { providerReference } = await uploadFile({
      api: openai.files(),
      data,
      mediaType: "text/plain",
      filename: "ada.txt",
    });
    const content = [
      { type: "file", mediaType: "text/plain", data: providerReference },
      { type: "text", text: "What does it say?" },
    ];
    assert.ok((await generateText({ ...HELLO, messages: [{ role: "user", content }] })).text);
  });

  test("a picture in a message is answered", async () => {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "file", mediaType: "image/png", data: PIXEL },
    ];
    assert.ok((await generateText({ ...HELLO, messages: [{ role: "user", content }] })).text);
  });
});

suite("transcriptions", { concurrency: true }, () => {
  const options = { model: openai.transcription("gpt-4o-transcribe"), audio: WAV, maxRetries: 0 };

  test("speech is answered with text", async () => {
    assert.ok((await transcribe(options)).text);
  });

  test("all options are taken", async () => {
    const settings = { language: "en", prompt: "Names: Ada", temperature: 0 };
    assert.ok((await transcribe({ ...options, providerOptions: { openai: settings } })).text);
  });

  test("another model is refused", async () => {
    const asked = transcribe({ ...options, model: openai.transcription("gpt-4o-mini-transcribe") });
    await refusal(asked, 400, { code: "invalid_model", param: "model" });
  });
});

suite("images", { concurrency: true }, () => {
  const options = { model: openai.image("gpt-image-1"), prompt: "A fox", maxRetries: 0 };

  test("a prompt is answered with a picture", async () => {
    const { image } = await generateImage({
      ...options,
      size: "1024x1024",
      providerOptions: { openai: { quality: "low" } },
    });
    assert.equal(image.mediaType, "image/png");
    assert.ok(image.uint8Array.length > 40);
  });

  test("a picture is changed where a mask says so", async () => {
    const prompt = { text: "A fox", images: [PIXEL], mask: PIXEL };
    assert.ok((await generateImage({ ...options, prompt })).image.base64);
  });

  test("another model is refused", async () => {
    const asked = generateImage({ ...options, model: openai.image("dall-e-3") });
    await refusal(asked, 400, { code: "invalid_model", param: "model" });
  });
});
