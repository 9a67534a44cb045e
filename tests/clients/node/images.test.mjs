// Images, made and changed.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { BadRequestError, InternalServerError, NotFoundError, toFile } from "openai";

import { ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { clientOf, refusal } from "./client.mjs";

const client = clientOf(sharedDemo());
const FOX = { model: "gpt-image-1", prompt: "A fox" };
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);
const pixel = (name) => toFile(PIXEL, name, { type: "image/png" });

function onePicture(answer) {
  assert.ok(Number.isInteger(answer.created));
  assert.equal(answer.data.length, 1);
  const bytes = Buffer.from(answer.data[0].b64_json, "base64");
  assert.ok(bytes.length > 40);
  assert.equal(answer.data[0].url, undefined);
  return bytes;
}

suite("images", { concurrency: true }, () => {
  test("a prompt is answered with a picture", async () => {
    const bytes = onePicture(await client.images.generate(FOX));
    assert.equal(bytes.subarray(1, 4).toString(), "PNG");
  });

  test("all options are taken", async () => {
    const options = {
      size: "1024x1536",
      quality: "low",
      background: "opaque",
      output_format: "png",
      output_compression: 90,
    };
    const ignored = { n: 1, moderation: "low", user: "u-1", partial_images: 0, stream: false };
    onePicture(await client.images.generate({ ...FOX, ...options, ...ignored }));
  });

  test("a picture is changed", async () => {
    onePicture(await client.images.edit({ ...FOX, image: await pixel("a.png") }));
  });

  test("several pictures and a mask are taken", async () => {
    const image = [await pixel("a.png"), await pixel("b.png")];
    onePicture(
      await client.images.edit({ ...FOX, image, mask: await pixel("mask.png"), input_fidelity: "high", n: 1 }),
    );
  });

  test("a picture that was made is changed", async () => {
    const bytes = onePicture(await client.images.generate(FOX));
    onePicture(await client.images.edit({ ...FOX, image: await toFile(bytes, "fox.png", { type: "image/png" }) }));
  });

  const REFUSED = {
    "two pictures": [{ n: 2 }, "n"],
    "a stream": [{ stream: true }, "stream"],
    "another model": [{ model: "dall-e-3" }, "model"],
    "another size": [{ size: "256x256" }, "size"],
    "an empty prompt": [{ prompt: "" }, "prompt"],
    "an unknown parameter": [{ frobnicate: 1 }, "frobnicate"],
  };
  for (const [name, [options, param]] of Object.entries(REFUSED)) {
    test(`${name}: refused`, () => refusal(client.images.generate({ ...FOX, ...options }), BadRequestError, { param }));
  }

  test("variations are not found", async () => {
    const asking = client.images.createVariation({ image: await pixel("a.png") });
    await refusal(asking, NotFoundError, { code: "unsupported_endpoint" });
  });
});

test("a failure of all accounts is told", async (t) => {
  const demo = await ownDemo(t);
  await demo.fault({ fault: "server_is_overloaded" });
  await refusal(clientOf(demo).images.generate(FOX), InternalServerError, {
    status: 503,
    code: "server_is_overloaded",
  });
});
