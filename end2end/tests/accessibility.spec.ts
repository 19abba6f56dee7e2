// No finding of axe on any page, in light and dark; and the staging table works by keyboard alone.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";

async function findings(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 5).map((node) => node.html) }));
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });

    test("staging, dialog and a run's page are free of findings", async ({ lab, panel, page }) => {
      const run = Run.push(lab);
      await untilState(run, "sync_verified");
      const waiting = Run.push(lab, { equipment: "FLOW_01", leaf: "Run_waiting", finished: false });
      await untilState(waiting, "staging");
      await panel.open();
      await expect(panel.row(waiting)).toBeVisible();
      expect(await findings(page)).toEqual([]);
      await panel.button(run, "Clear…").click();
      await expect(panel.dialog).toContainText(run.leaf);
      expect(await findings(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await panel.row(run).getByRole("link", { name: run.leaf, exact: true }).click();
      await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
      expect(await findings(page)).toEqual([]);
      await page.getByRole("link", { name: "Certificate of custody" }).click();
      await expect(page.getByRole("main")).toContainText("Every sealed byte was proven on the NAS.");
      expect(await findings(page)).toEqual([]);
    });

    test("a run's page and the others are free of findings on a phone, where tables scroll", async ({ lab, panel, page }) => {
      const run = Run.push(lab);
      await untilState(run, "sync_verified");
      await page.setViewportSize({ width: 360, height: 740 });
      await panel.open();
      await panel.row(run).getByRole("link", { name: run.leaf, exact: true }).click();
      await expect(page.getByRole("region", { name: "Table of the ledger" })).toBeVisible();
      expect(await findings(page)).toEqual([]);
      await panel.open("/overview");
      await page.getByText("The same as a table").click();
      expect(await findings(page)).toEqual([]);
    });

    test("the overview is free of findings", async ({ lab, panel, page }) => {
      const run = Run.push(lab);
      await untilState(run, "sync_verified");
      run.write("straggler.tif", 1_000);
      await until(run, (row) => row.late_files > 0, "a late file");
      await panel.open("/overview");
      await expect(page.getByRole("region", { name: "Needs you" })).toContainText(/late or changed files/i);
      await page.getByText("The same as a table").click();
      expect(await findings(page)).toEqual([]);
    });

    test("an empty staging page is free of findings", async ({ panel, page }) => {
      await panel.open();
      expect(await findings(page)).toEqual([]);
    });
  });
}

test("a run can be cleared by keyboard alone", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  await panel.open();
  await panel.button(run, "Clear…").focus();
  await page.keyboard.press("Enter");
  await expect(panel.dialog).toBeVisible();
  expect(await panel.dialog.evaluate((dialog) => dialog.contains(document.activeElement)), "focus is inside the dialog").toBe(true);
  await panel.confirmButton.focus();
  await page.keyboard.press("Enter");
  await expect(panel.row(run)).toBeHidden({ timeout: 30_000 });
});
