// Acts over many runs: one confirmation that says what it would do, how much, and what is left out and why; then how it went.
import fs from "node:fs";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";

test("what a filter shows is cleared with one confirmation, and what stays is named with its reason", async ({ lab, panel, page }) => {
  const runs = [1, 2, 3].map((n) => Run.push(lab, { leaf: `Run_${n}`, files: { "raw/a.tif": 10_000 * n } }));
  const held = Run.push(lab, { leaf: "Run_held", files: { "raw/<sample>.tif": 500 } });
  for (const run of runs) await untilState(run, "sync_verified");
  await until(held, (row) => row.current_state === "complete", "held back");
  // One of them rots on the NAS after its proof: the dialog cannot know, the clear finds it.
  runs[2]?.tamperNas("raw/a.tif");

  await panel.open("/staging?sort=bytes");
  await page.getByRole("checkbox", { name: "Select everything shown" }).check();
  const selection = page.getByRole("region", { name: "Selection" });
  await expect(selection).toContainText("4 runs selected");
  await selection.getByRole("button", { name: /^Clear/ }).click();
  await expect(panel.dialog).toContainText("3 runs");
  await expect(panel.dialog.getByRole("row")).toHaveCount(4);
  await panel.dialog.getByText("1 run is left out").click();
  await expect(panel.dialog).toContainText("Run_held The NAS has not been proven to hold this run yet.");
  expect(runs.every((run) => fs.existsSync(run.folder)), "asking clears nothing").toBe(true);

  await panel.dialog.getByRole("button", { name: /^Clear 3 runs and free/ }).click();
  await expect(panel.dialog.getByRole("status")).toContainText(/Cleared 2 runs.*1 run was refused/, { timeout: 30_000 });
  const kept = panel.dialog.getByRole("listitem").filter({ hasText: "Run_3" });
  await expect(kept).toContainText("Kept:");
  await expect(kept).toContainText("raw/a.tif");
  await page.keyboard.press("Escape");
  await expect(panel.row(runs[0] as Run)).toBeHidden();
  expect(fs.existsSync((runs[2] as Run).folder), "the only good copy stays").toBe(true);
  expect(fs.existsSync(held.folder)).toBe(true);
});

test("an act over many that is no clear asks first, too", async ({ lab, panel, page }) => {
  const runs = [1, 2].map((n) => Run.push(lab, { leaf: `Run_${n}` }));
  const pushing = Run.push(lab, { leaf: "Run_pushing", finished: false });
  for (const run of runs) await untilState(run, "sync_verified");
  await panel.open();
  await expect(panel.row(pushing)).toBeVisible();
  await page.getByRole("checkbox", { name: "Select everything shown" }).check();
  await page.getByRole("region", { name: "Selection" }).getByRole("button", { name: /^Verify/ }).click();
  await expect(panel.dialog).toContainText("Nothing is changed");
  await expect(panel.dialog).toContainText("1 run is left out");
  await page.keyboard.press("Escape");
  await expect(panel.dialog).toBeHidden();
  expect((await until(runs[0] as Run, () => true, "there")).job?.verify_passes, "nothing was asked yet").toBe(1);
  await page.getByRole("region", { name: "Selection" }).getByRole("button", { name: /^Verify/ }).click();
  await panel.dialog.getByRole("button", { name: "Verify of 2 runs" }).click();
  await expect(panel.dialog.getByRole("status")).toContainText("Verified 2 runs", { timeout: 30_000 });
  for (const run of runs) await until(run, (row) => row.job?.verify_passes === 2, "proven again");
});

test("a plan over REST acts on nothing", async ({ lab }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  const ask = async (body: object) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${lab.url}/api/v1/acts/plan`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { runs: { run_path: string }[]; left_out: { reason: string }[] };
  };
  expect((await ask({ kind: "clear", matching: "state=sync_verified" })).runs.map((run) => run.run_path)).toEqual([run.runPath]);
  expect((await ask({ kind: "retry", runs: [run.runPath, "CONFOCAL_01/P/Runs/Run_never"] })).left_out.map((left) => left.reason).sort()).toEqual(["not_failed", "not_found"]);
  expect(fs.existsSync(run.folder)).toBe(true);
});
