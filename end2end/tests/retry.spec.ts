// A failed job is visible, says what to do, and goes on when an operator asks.
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until } from "../support/rest.ts";

test("S4 V1 a foreign file under a target name fails visibly, is kept, and a retry succeeds once it is away", async ({ lab, panel }) => {
  const run = Run.push(lab, { finished: false });
  const foreign = path.join(run.nasFolder, "notes.txt");
  fs.mkdirSync(run.nasFolder, { recursive: true });
  fs.writeFileSync(foreign, "somebody else's notes\n");
  run.finish();
  const failed = await until(run, (row) => row.job?.state === "failed", "a failed job");
  expect(failed.job?.error?.code).toBe("conflict");
  expect(fs.readFileSync(foreign, "utf8"), "never overwritten").toBe("somebody else's notes\n");

  await panel.open();
  await expect(panel.row(run)).toContainText("Failed");
  await expect(panel.row(run)).not.toContainText("Verified");
  fs.rmSync(foreign);
  await panel.button(run, "Retry").click();
  await expect(panel.row(run)).toContainText("Verified", { timeout: 30_000 });
  expect(run.nasDigests()).toEqual(run.digests());
});

test.describe("a NAS that nobody has prepared", () => {
  test.use({ labOptions: { uninitialised: true } });

  test("V10 nothing is written to a folder without the identity marker; it goes on by itself once it is there", async ({ lab, panel }) => {
    const run = Run.push(lab);
    await panel.open();
    await expect(panel.row(run)).toContainText(/Waiting for NAS/, { timeout: 30_000 });
    expect(fs.readdirSync(lab.nas("CONFOCAL_01"))).toEqual([]);
    await lab.call("nas", "init", "CONFOCAL_01");
    await panel.button(run, "Force sync").click();
    await expect(panel.row(run)).toContainText("Verified", { timeout: 30_000 });
  });
});
