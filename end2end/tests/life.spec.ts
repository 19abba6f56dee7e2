// The life of a run, as an operator sees it: it lands, is verified, is cleared, and the NAS has every byte.
import fs from "node:fs";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { rowOf, untilState } from "../support/rest.ts";

test("a run appears while it is pushed, is verified, and is let go", async ({ lab, panel, page }) => {
  await panel.open();
  const run = Run.push(lab, { finished: false });
  const row = panel.row(run);
  await expect(row, "it appears by itself").toBeVisible();
  await expect(row).toContainText("Staging");
  await expect(row).toContainText("CONFOCAL_01");
  await expect(row).toContainText("Cortex Q3 Pilot");

  run.finish();
  await expect(row).toContainText("Verified", { timeout: 30_000 });
  const before = run.digests();
  expect(run.nasDigests(), "the NAS holds what staging holds").toEqual(before);

  await panel.button(run, "Clear…").click();
  await expect(panel.dialog).toContainText(run.leaf);
  expect(fs.existsSync(run.folder), "asking is not clearing").toBe(true);
  await panel.confirmClear();
  await expect(row, "the row goes").toBeHidden({ timeout: 30_000 });

  await expect.poll(() => fs.existsSync(run.folder)).toBe(false);
  expect(run.nasDigests(), "the NAS still holds every byte").toEqual(before);
  await panel.open(`/runs/${run.runPath.split("/").map(encodeURIComponent).join("/")}`);
  await expect(page.getByRole("main"), "its history outlives its folder").toContainText(/cleared/i);
});

test("a dialog that is cancelled changes nothing", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  await panel.open();
  await panel.button(run, "Clear…").click();
  await expect(panel.dialog).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(panel.dialog).toBeHidden();
  await expect(panel.row(run)).toContainText("Verified");
  expect((await rowOf(run))?.current_state).toBe("sync_verified");
});

test("a manifest run and a test run are told apart and both verified", async ({ lab, panel }) => {
  const flow = Run.push(lab, { equipment: "FLOW_01", project: "Liver atlas", leaf: "Run_2026-05-02T09-10" });
  const trial = Run.push(lab, { leaf: "TestRun_2026-05-02T08-00" });
  await panel.open();
  await expect(panel.row(flow)).toContainText("Verified", { timeout: 30_000 });
  await expect(panel.row(trial)).toContainText("Verified", { timeout: 30_000 });
  await expect(panel.row(trial).getByText("Test", { exact: true })).toBeVisible();
  await expect(panel.row(flow).getByText("Test", { exact: true })).toBeHidden();
});

test("names with blanks, percent signs and other scripts reach the NAS and their pages", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { project: "R&D 50% Größe", leaf: "Run_a%41 b", files: { "Säule #1?.txt": "x".repeat(10) } });
  await expect(async () => expect((await rowOf(run))?.current_state).toBeDefined()).toPass();
  await panel.open();
  await panel.row(run).getByRole("link", { name: run.leaf }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
  await page.reload();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
});
