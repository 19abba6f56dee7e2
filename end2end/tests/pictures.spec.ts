// Pictures of every page, kept as artefacts; and the one in the README, made only when EXLAB_README_PICTURE is set, so that tests leave
// the checkout as it was.
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "../support/test.ts";
import type { Lab } from "../support/lab.ts";
import { Run } from "../support/run.ts";
import { act, until, untilState } from "../support/rest.ts";

const ARTIFACTS = path.resolve(import.meta.dirname, "../artifacts");

const VIEWS = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  { name: "phone", colorScheme: "light", viewport: { width: 360, height: 740 } },
] as const;

/** Runs in different states, for a page that shows something. */
async function busyLaboratory(lab: Lab): Promise<Run> {
  const verified = Run.push(lab, { files: { "raw/stack_000.tif": 2_000_000, "raw/stack_001.tif": 1_400_000, "notes.txt": "two stacks\n" } });
  const late = Run.push(lab, { project: "Liver atlas", leaf: "Run_2026-04-18T09-05" });
  Run.push(lab, { project: "Liver atlas", leaf: "TestRun_2026-04-18T08-50" });
  const growing = Run.push(lab, { equipment: "FLOW_01", project: "Cell cycle", leaf: "Run_2026-04-18T10-40", finished: false });
  await untilState(verified, "sync_verified");
  await untilState(late, "sync_verified");
  await untilState(growing, "staging");
  late.write("straggler.tif", 12_000);
  await until(late, (row) => row.late_files > 0, "a late file");
  return verified;
}

for (const { name, colorScheme, viewport } of VIEWS) {
  test.describe(name, () => {
    test.use({ colorScheme, viewport });

    test(`pictures of staging, dialog, a run's page and the overview (${name})`, async ({ lab, panel, page }) => {
      const run = await busyLaboratory(lab);
      const take = (what: string) => page.screenshot({ path: path.join(ARTIFACTS, `${what}-${name}.png`), animations: "disabled" });
      await panel.open();
      await expect(panel.row(run)).toContainText("Verified");
      const sideways = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(await sideways(), "the page never scrolls sideways").toBeLessThanOrEqual(0);
      await take("staging");
      await panel.button(run, "Clear…").click();
      await expect(panel.dialog).toContainText(run.leaf);
      await take("clear");
      await page.keyboard.press("Escape");
      await panel.row(run).getByRole("link", { name: run.leaf, exact: true }).click();
      await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
      expect(await sideways()).toBeLessThanOrEqual(0);
      await take("run");
      const held = Run.push(lab, { leaf: "Run_held", files: { "raw/<sample>.tif": 100, "raw/{{ n }}.tif": 100 } });
      await untilState(held, "complete");
      await panel.open("/problems");
      await expect(page.locator("mark")).toHaveCount(2);
      expect(await sideways()).toBeLessThanOrEqual(0);
      await take("problems");
      await panel.open("/overview");
      await expect(page.getByRole("region", { name: "Needs you" })).toContainText(/late or changed files/i);
      expect(await sideways()).toBeLessThanOrEqual(0);
      await take("overview");
      await panel.open(`/certificate/${run.runPath.split("/").map(encodeURIComponent).join("/")}`);
      await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
      expect(await sideways()).toBeLessThanOrEqual(0);
      await take("certificate");
      expect((await act(run, "clear")).status).toBe(200);
      await panel.open("/cleared");
      await expect(page.getByRole("main")).toContainText(run.leaf);
      expect(await sideways()).toBeLessThanOrEqual(0);
      await take("cleared");
    });
  });
}

if (process.env.EXLAB_README_PICTURE) {
  test.describe("README", () => {
    test.use({ viewport: { width: 1280, height: 720 }, deviceScaleFactor: 2 });

    test("the picture of the README", async ({ lab, panel, page }) => {
      const run = await busyLaboratory(lab);
      const held = Run.push(lab, { project: "Liver atlas", leaf: "Run_2026-04-18T11-20", files: { "raw/<sample>.tif": 640_000 } });
      await untilState(held, "complete");
      fs.renameSync(lab.nas("FLOW_01"), `${lab.nas("FLOW_01")} away`);
      const leaf = "Run_2026-04-18T11-45";
      fs.mkdirSync(path.join(lab.nas("CONFOCAL_01"), "Cortex Q3 Pilot/Runs", leaf), { recursive: true });
      fs.writeFileSync(path.join(lab.nas("CONFOCAL_01"), "Cortex Q3 Pilot/Runs", leaf, "notes.txt"), "another's notes\n");
      const failed = Run.push(lab, { leaf, files: { "raw/stack_000.tif": 410_000, "notes.txt": "one stack\n" } });
      await until(failed, (row) => row.job?.state === "failed", "a name that is taken");
      const arriving = Run.push(lab, { leaf: "Run_2026-04-18T12-05.tmp", finished: false });
      await until(arriving, (row) => /still arriving/.test(row.waiting_for ?? ""), "still arriving");
      const waiting = Run.push(lab, { equipment: "FLOW_01", project: "Cell cycle", leaf: "Run_2026-04-18T09-50" });
      await until(waiting, (row) => row.job?.error?.code === "destination_unreachable", "waiting for its NAS");
      await panel.open();
      await expect(panel.row(run)).toContainText("Verified");
      // Where the laboratory of this test lies is nobody's business.
      await page.evaluate((root) => {
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let text = texts.nextNode(); text; text = texts.nextNode()) {
          if (text.nodeValue?.includes(root)) text.nodeValue = text.nodeValue.replaceAll(root, "/mnt");
        }
      }, lab.folder);
      await page.screenshot({ path: path.resolve(import.meta.dirname, "../../docs/panel.png"), animations: "disabled" });
    });
  });
}
