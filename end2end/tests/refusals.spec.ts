// What must not be cleared is not cleared, and the panel says why. Numbers are those of the hazard table in ARCHITECTURE.md.
import fs from "node:fs";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { act, rowOf, until, untilState } from "../support/rest.ts";

test("an action that is not possible is disabled and says why", async ({ lab, panel }) => {
  const run = Run.push(lab, { finished: false });
  await panel.open();
  const clear = panel.button(run, "Clear…");
  await expect(clear).toBeDisabled();
  await expect(clear).toHaveAccessibleDescription(/not been proven to hold this run|has not finished this run/);
});

test("D2 a run that is still pushed is not cleared on request", async ({ lab }) => {
  const run = Run.push(lab, { finished: false });
  await untilState(run, "staging");
  const { status, body } = await act(run, "clear");
  expect([status, body.code]).toEqual([409, "staging_not_sync_verified"]);
  expect(fs.existsSync(run.folder)).toBe(true);
});

test("D3 a late file holds a verified run back and is named", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  run.write("raw/late/straggler.tif", 5_000);
  const { status, body } = await act(run, "clear");
  expect([status, body.code]).toEqual([409, "staging_not_proven"]);
  expect(JSON.stringify(body)).toContain("raw/late/straggler.tif");
  expect(fs.existsSync(`${run.folder}/raw/late/straggler.tif`)).toBe(true);

  await panel.open();
  await expect(panel.row(run)).toContainText("1 late file");
  const clear = panel.button(run, "Clear…");
  await expect(clear).toBeDisabled();
  await expect(clear).toHaveAccessibleDescription(/arrived or changed after the proof/);
  await panel.row(run).getByRole("link", { name: run.leaf, exact: true }).click();
  await expect(page.getByText("raw/late/straggler.tif").first()).toBeVisible();

  // The way out that the sentence names: force a sync, after which the late file is proven too.
  await panel.open();
  await panel.button(run, "Force sync").click();
  await until(run, (row) => row.current_state === "sync_verified" && row.late_files === 0 && row.actions.clear.allowed, "verified anew");
  await expect(clear).toBeEnabled();
  expect(run.nasDigests()).toEqual(run.digests());
});

test("D8 bytes that rot on the NAS after the proof keep the local copy", async ({ lab, panel }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  const before = run.digests();
  await panel.open();
  await panel.button(run, "Clear…").click();
  run.tamperNas("raw/stack_001.tif");
  await panel.confirmClear();
  await expect(panel.page.getByText("raw/stack_001.tif").first(), "the file is named").toBeVisible({ timeout: 30_000 });
  expect(run.digests(), "everything is kept").toEqual(before);
  expect((await rowOf(run))?.current_state).toBe("sync_verified");
});

test("D1 paths that leave the staging tree are refused", async ({ lab }) => {
  const bait = `${lab.folder}/bait`;
  fs.mkdirSync(bait);
  for (const target of ["..%2Fbait", "%2e%2e/bait", encodeURIComponent(bait), "CONFOCAL_01", "", "CONFOCAL_01//Runs/Run_x", "CONFOCAL_01/p/Runs/Run_x/"]) {
    const answer = await fetch(`${lab.url}/api/v1/staging/${target}/clear`, { method: "POST" });
    expect([400, 404], `${target} gave ${answer.status}`).toContain(answer.status);
  }
  expect(fs.existsSync(bait)).toBe(true);
});
