// The overview: what needs someone stands first and leads to the runs it is about; it follows by itself.
import type { Locator } from "@playwright/test";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";

/** Nothing needs anybody; how full the disk of this computer is, is its own matter, and is said as such. */
async function expectNothingToDo(attention: Locator) {
  const items = attention.getByRole("listitem");
  await expect(items.filter({ hasNotText: /the staging disk is almost full/i })).toHaveCount(0);
  await expect(attention).toContainText(/nothing needs you|the staging disk is almost full/i);
}

test("nothing to do is said, and a late file asks for someone without a reload", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  await panel.open("/overview");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Overview");
  await expect(page).toHaveTitle(/^Overview/);
  const attention = page.getByRole("region", { name: "Needs you" });
  await expectNothingToDo(attention);

  const confocal = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: /CONFOCAL_01/ }) });
  await expect(confocal).toContainText(run.leaf);
  await expect(confocal).toContainText("1 Verified");
  await expect(confocal).toContainText("Reachable");

  const disk = page.getByRole("region", { name: "Staging disk" });
  await expect(disk).toContainText(/not enough history yet/i);
  await expect(disk.getByRole("link", { name: /clear 1 run to gain/i })).toHaveAttribute("href", "/staging?state=sync_verified");
  await expect(page.getByRole("img", { name: /^Received: .* in 24 hours/ })).toBeVisible();
  await expect(page.getByRole("img", { name: /^Proven on the NAS: .* in 24 hours/ })).toBeVisible();
  await expect(page.getByRole("img", { name: /^Cleared: nothing/ })).toBeVisible();

  const table = page.getByText("The same as a table");
  await table.click();
  await expect(page.getByRole("columnheader", { name: "Hour from" })).toBeVisible();

  run.write("straggler.tif", 2_000);
  await until(run, (row) => row.late_files > 0, "a late file");
  await expect(attention).toContainText(/1 run has late or changed files/i, { timeout: 15_000 });
  await expect(page.getByRole("columnheader", { name: "Hour from" }), "what was opened stays open").toBeVisible();

  const late = attention.getByRole("listitem").filter({ hasText: /late or changed files/i });
  await late.getByRole("link", { name: /show 1 run/i }).click();
  await expect(page).toHaveURL(/\/staging\?why=late/);
  await expect(panel.row(run)).toBeVisible();
  await page.getByRole("link", { name: /late files only/i }).click();
  await expect(page).toHaveURL(/\/staging$/);
});

test("a destination that is gone is named with the way out", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  const { renameSync } = await import("node:fs");
  renameSync(lab.nas("CONFOCAL_01"), lab.nas("CONFOCAL_01.away"));
  run.finish();
  await until(run, (row) => row.job !== null, "a job");
  await panel.open("/overview");
  const attention = page.getByRole("region", { name: "Needs you" });
  await expect(attention).toContainText("CONFOCAL_01", { timeout: 30_000 });
  renameSync(lab.nas("CONFOCAL_01.away"), lab.nas("CONFOCAL_01"));
});

test("a script in a failure's text is text", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { leaf: "Run_<img src=x onerror=alert(1)>", finished: false });
  await untilState(run, "staging");
  await panel.open("/overview");
  await expect(page.getByRole("link", { name: run.leaf })).toBeVisible();
  await expect(page.locator("main img[src=x]")).toHaveCount(0);
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("the overview is served as HTML", async ({ lab, page }) => {
    const run = Run.push(lab);
    await untilState(run, "sync_verified");
    await page.goto(`${lab.url}/overview`);
    await expect(page.getByRole("main")).toContainText(run.leaf);
    await expectNothingToDo(page.getByRole("region", { name: "Needs you" }));
    await page.getByRole("link", { name: "1 Verified" }).click();
    await expect(page).toHaveURL(/state=sync_verified/);
  });
});
