// A view lives in its address: it can be bookmarked, shared, and gone back from.
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { untilState } from "../support/rest.ts";

test("filters narrow the table, stand in the address, and survive reload and back", async ({ lab, panel, page }) => {
  const confocal = Run.push(lab, { leaf: "Run_confocal" });
  const flow = Run.push(lab, { equipment: "FLOW_01", project: "Liver atlas", leaf: "Run_flow", finished: false });
  await untilState(confocal, "sync_verified");
  await untilState(flow, "staging");

  await panel.open();
  await expect(panel.row(confocal)).toBeVisible();
  await expect(panel.row(flow)).toBeVisible();

  await page.getByRole("searchbox").fill("liver");
  await expect(panel.row(confocal)).toBeHidden();
  await expect(panel.row(flow)).toBeVisible();
  await expect(page).toHaveURL(/[?&]q=liver/);
  await page.reload();
  await panel.alive();
  await expect(page.getByRole("searchbox")).toHaveValue("liver");
  await expect(panel.row(confocal)).toBeHidden();

  await panel.open("/staging?state=sync_verified");
  await expect(panel.row(confocal)).toBeVisible();
  await expect(panel.row(flow)).toBeHidden();
  await panel.open("/staging?equipment=FLOW_01");
  await expect(panel.row(confocal)).toBeHidden();
  await expect(panel.row(flow)).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/state=sync_verified/);
  await expect(panel.row(confocal)).toBeVisible();
  await expect(panel.row(flow)).toBeHidden();
});

test("a view that matches nothing says so, and shows the way back", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  await panel.open("/staging?q=nothing-is-called-so");
  await expect(panel.row(run)).toBeHidden();
  await expect(page.getByRole("main")).toContainText(/no run matches/i);
});

test("an empty staging tree says so", async ({ panel, page }) => {
  await panel.open();
  await expect(page.getByRole("main")).toContainText(/nothing is staged/i);
});
