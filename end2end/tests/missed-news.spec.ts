// What happens after the server has rendered a page, and before the page listens, reaches it all the same.
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";
import type { Lab } from "../support/lab.ts";
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

function addressOf(lab: Lab, run: Run): string {
  return `${lab.url}/runs/${run.runPath.split("/").map(encodeURIComponent).join("/")}`;
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
  const release = await rendered(page, addressOf(lab, run));
  run.finish();
  await until(run, (row) => row.actions.clear.allowed, "it may be cleared");
  release();
  await expect(page.getByRole("button", { name: /^clear/i })).toBeEnabled();
});

test("the page of a run that goes on while it is asked for", async ({ lab, page, panel: _ }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  await page.goto(addressOf(lab, run));
  await expect(page.locator("html[data-hydrated]")).toBeAttached();
  // What is answered is old when it comes, and the row has changed meanwhile, again and again.
  await page.route("**/api/v1/fn/run_detail", async (route) => {
    const response = await route.fetch();
    await until(run, (row) => row.actions.clear.allowed, "it may be cleared");
    await route.fulfill({ response });
  });
  run.finish();
  await expect(page.getByRole("button", { name: /^clear/i })).toBeEnabled();
  await expect(page.getByText("It can be cleared")).toBeVisible();
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
