// What happens after the server has rendered a page, and before the page listens, reaches it all the same.
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";
import type { Page } from "@playwright/test";

/** Shows what the server rendered, without its programs, and without any event; the answer lets the programs come. */
async function rendered(page: Page, address: string): Promise<() => void> {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route(/\/pkg\/.*\.(js|wasm)/, async (route) => {
    await held;
    await route.continue();
  });
  await page.route("**/api/v1/events**", () => {});
  await page.goto(address, { waitUntil: "commit" });
  await expect(page.getByRole("heading", { level: 1 })).toBeAttached();
  return release;
}

test("the overview", async ({ lab, page, panel: _ }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  const release = await rendered(page, `${lab.url}/overview`);
  run.finish();
  await until(run, (row) => row.actions.clear.allowed, "it may be cleared");
  release();
  await expect(page.getByRole("link", { name: /clear 1 run to gain/i })).toBeVisible();
});

test("the page of a run", async ({ lab, page, panel: _ }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  const release = await rendered(page, `${lab.url}/runs/${run.runPath.split("/").map(encodeURIComponent).join("/")}`);
  run.finish();
  await until(run, (row) => row.actions.clear.allowed, "it may be cleared");
  release();
  await expect(page.getByRole("button", { name: /^clear/i })).toBeEnabled();
});

test("the problems", async ({ lab, page, panel: _ }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  const release = await rendered(page, `${lab.url}/problems`);
  run.write("raw/<sample_name>.tif", "left over");
  run.finish();
  await until(run, (row) => row.findings.blocking > 0, "a finding");
  release();
  await expect(page.getByText("<sample_name>").first()).toBeVisible();
});
