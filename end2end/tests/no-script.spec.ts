// Without JavaScript the panel is read-only, but readable.
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { untilState } from "../support/rest.ts";

test.use({ javaScriptEnabled: false });

test("rows, filters and a run's page are served as HTML", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  const other = Run.push(lab, { equipment: "FLOW_01", leaf: "Run_other", finished: false });
  await untilState(other, "staging");
  await page.goto(`${lab.url}/staging`);
  await expect(panel.row(run)).toContainText("Verified");
  await expect(panel.row(run).locator("time").first(), "times are UTC").toHaveAttribute("datetime", /Z$/);
  await page.goto(`${lab.url}/staging?state=sync_verified`);
  await expect(panel.row(run)).toBeVisible();
  await expect(panel.row(other)).toBeHidden();
  await panel.row(run).getByRole("link", { name: run.leaf, exact: true }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
  await expect(page.getByRole("main")).toContainText(/verified/i);
});
