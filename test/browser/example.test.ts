import { createHmac } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { launchChromium } from "../support/browser.ts";
import { ROOT } from "../support/paths.ts";

const EXAMPLE = join(ROOT, "examples/tasks");
/** Kept after the run, for people to look at. */
const SCREENSHOTS = join(ROOT, "test/artifacts");

let backend: TestBackend;
let server: ViteDevServer;
let browser: Browser;
let url: string;

beforeAll(async () => {
  backend = await startBackend({ app: EXAMPLE });
  server = await createServer({
    root: EXAMPLE,
    logLevel: "error",
    server: { host: "127.0.0.1", port: 0 },
    define: { "import.meta.env.VITE_CONVEX_URL": JSON.stringify(backend.url) },
  });
  await server.listen();
  url = server.resolvedUrls?.local[0] ?? "";
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await backend?.[Symbol.asyncDispose]();
});

async function open(): Promise<Page & AsyncDisposable> {
  const page = await browser.newPage();
  await page.goto(url);
  await page.getByText("live", { exact: true }).waitFor();
  return page;
}

async function titles(page: Page): Promise<string[]> {
  return page.getByRole("list", { name: "tasks" }).getByRole("listitem").allTextContents();
}

async function add(page: Page, title: string): Promise<void> {
  await page.getByLabel("title").fill(title);
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("listitem").filter({ hasText: title }).waitFor();
}

/** Every text the page shows as progress, in order, however short a time it stands there. */
async function recordProgress(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(`{
    const steps = (globalThis.steps = []);
    new MutationObserver(() => {
      const text = document.querySelector("output[aria-label=progress]")?.textContent ?? "";
      if (text !== "" && steps.at(-1) !== text) steps.push(text);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  }`);
  return () => page.evaluate("globalThis.steps");
}

test("P-R-7 two pages show the same tasks, each as soon as the other changes them", async () => {
  await using one = await open();
  await using other = await open();
  await add(one, "feed the cat");
  const seen = other.getByRole("listitem").filter({ hasText: "feed the cat" });
  await seen.waitFor();
  await seen.getByRole("checkbox").check();
  await one.locator("li.done", { hasText: "feed the cat" }).waitFor();
  expect(await titles(one)).toEqual(await titles(other));
});

test("S0-32 P-R-2 an action is started by a click, and its progress is seen while it runs", async () => {
  await using page = await open();
  const steps = await recordProgress(page);
  await page.getByRole("button", { name: "Import chores" }).click();
  await page.getByLabel("progress").filter({ hasText: "5 of 5" }).waitFor();
  expect(await steps()).toEqual([1, 2, 3, 4, 5].map((step) => `${step} of 5`));
  await page.getByRole("listitem").filter({ hasText: "Call the bank" }).waitFor();
  await page.getByRole("button", { name: "Write a report" }).click();
  const report = page.getByLabel("report").filter({ hasText: /^home: \d+ open, \d+ done$/ });
  await report.waitFor();
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, "example.png"), fullPage: true });
});

test("P-R-7 a mutation is shown before the backend has answered", async () => {
  await using page = await open();
  await add(page, "optimistic");
  const task = page.getByRole("listitem").filter({ hasText: "optimistic" });
  await page.context().setOffline(true);
  await task.getByRole("checkbox").check();
  await page.locator("li.done", { hasText: "optimistic" }).waitFor();
  await page.context().setOffline(false);
});

/** One grey pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

test("S0-17 P-B-1 P-B-4 F6 F7 a page uploads a file, every page shows it, and it is gone when it is removed", async () => {
  await using one = await open();
  await using other = await open();
  await one.getByLabel("Upload a file").setInputFiles({ name: "pixel.png", mimeType: "image/png", buffer: PNG });
  const file = other.getByRole("list", { name: "files" }).getByRole("listitem");
  await file.getByRole("link", { name: `image/png, ${PNG.length} bytes` }).waitFor();
  const shown = `(async (image) => { await image.decode(); return image.naturalWidth; })(document.images[0])`;
  expect(await other.evaluate(shown)).toBe(1);
  const address = (await file.getByRole("img").getAttribute("src")) ?? "";
  expect(Buffer.from(await (await fetch(address)).arrayBuffer())).toEqual(PNG);
  await file.getByRole("button", { name: "Remove" }).click();
  await one.getByRole("img").waitFor({ state: "detached" });
  expect((await fetch(address)).status).toBe(404);
});

test("P-H-4 what a webhook brings is on the page, and only when its sender signed it", async () => {
  await using page = await open();
  const changes = await fetch(`${backend.url}/api/update_environment_variables`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${backend.adminKey}` },
    body: JSON.stringify({ changes: [{ name: "WEBHOOK_SECRET", value: "s3cret" }] }),
  });
  expect(changes.status).toBe(200);
  const send = async (secret: string, title: string): Promise<number> => {
    const body = JSON.stringify({ project: "home", tasks: [{ id: title, title }] });
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    const headers = { "x-signature": signature, "content-type": "application/json" };
    return (await fetch(`${backend.siteUrl}/webhooks/tasks`, { method: "POST", headers, body })).status;
  };
  expect(await send("guess", "forged by a stranger")).toBe(401);
  expect(await send("s3cret", "sent by a webhook")).toBe(200);
  await page.getByRole("listitem").filter({ hasText: "sent by a webhook" }).waitFor();
  expect((await titles(page)).filter((title) => title.includes("forged"))).toEqual([]);
});
