// Files: uploaded, listed page by page, used, and what cannot be done with them.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { BadRequestError, NotFoundError, toFile } from "openai";

import { MODEL, ownDemo, sharedDemo } from "../javascript/demo.mjs";
import { all, clientOf, refusal } from "./client.mjs";

const client = clientOf(sharedDemo());
const upload = async (name, own = client) =>
  own.files.create({
    file: await toFile(Buffer.from(`notes of ${name}`), name, { type: "text/plain" }),
    purpose: "user_data",
  });

suite("files", { concurrency: true }, () => {
  test("one that is uploaded can be looked up", async () => {
    const file = await upload("ada.txt");
    assert.deepEqual([file.object, file.filename, file.purpose, file.bytes], ["file", "ada.txt", "user_data", 16]);
    assert.ok(["uploaded", "processed"].includes(file.status));
    assert.ok(file.expires_at > file.created_at);
    const found = await client.files.retrieve(file.id);
    assert.deepEqual({ ...found, status: file.status }, { ...file });
  });

  test("one that is uploaded can be asked about", async () => {
    const { id } = await upload("bob.txt");
    const content = [
      { type: "input_file", file_id: id },
      { type: "input_text", text: "What does it say?" },
    ];
    const response = await client.responses.create({ model: MODEL, input: [{ role: "user", content }] });
    assert.ok(response.output_text);
  });

  test("the SDK waits until it is processed", async () => {
    const { id } = await upload("carl.txt");
    assert.equal((await client.files.waitForProcessing(id, { maxWait: 5_000 })).id, id);
  });

  test("a web File can be uploaded", async () => {
    const file = await client.files.create({ file: new File(["hello"], "dora.txt"), purpose: "assistants" });
    assert.deepEqual([file.filename, file.bytes], ["dora.txt", 5]);
  });

  test("neither content nor deletion is served, and an unknown file is not found", async () => {
    const { id } = await upload("eve.txt");
    await refusal(client.files.content(id), NotFoundError, { code: "unsupported_endpoint" });
    await refusal(client.files.delete(id), NotFoundError, { code: "unsupported_endpoint" });
    for (const call of ["retrieve", "content", "delete"]) {
      await refusal(client.files[call]("file-unknown"), NotFoundError, { code: "file_not_found", param: "file_id" });
    }
  });

  test("a purpose that cannot be is refused", async () => {
    const asking = client.files.create({ file: new File(["hello"], "f.txt"), purpose: "frobnicate" });
    await refusal(asking, BadRequestError, { param: "purpose" });
  });

  test("a file of nobody is refused as input", async () => {
    const content = [{ type: "input_file", file_id: "file-unknown" }];
    const asking = client.responses.create({ model: MODEL, input: [{ role: "user", content }] });
    await refusal(asking, NotFoundError, { code: "file_not_found", param: "file_id" });
  });
});

suite("a list of files", { concurrency: 4 }, () => {
  test("it is empty at first", async (t) => {
    const page = await clientOf(await ownDemo(t)).files.list();
    assert.deepEqual([page.data, page.has_more], [[], false]);
  });

  test("it is read page by page, newest first or oldest first", async (t) => {
    const own = clientOf(await ownDemo(t));
    const ids = [];
    for (let number = 0; number < 5; number += 1) ids.push((await upload(`${number}.txt`, own)).id);
    const idsOf = async (query) => (await all(own.files.list(query))).map((file) => file.id);
    assert.deepEqual(await idsOf({ limit: 2, order: "asc" }), ids);
    assert.deepEqual(await idsOf({ limit: 2 }), ids.toReversed());
    assert.deepEqual(await idsOf({ after: ids[1], order: "asc" }), ids.slice(2));
    assert.deepEqual(await idsOf({ purpose: "vision" }), []);
    const page = await own.files.list({ limit: 3, order: "asc" });
    assert.deepEqual([page.has_more, page.data.length, (await page.getNextPage()).data.length], [true, 3, 2]);
  });
});
