// The lists of a run's page: its files and its log, searched, paged, and as text whatever stands in them.
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";

function pageOf(run: Run, query = ""): string {
  return `/runs/${run.runPath.split("/").map(encodeURIComponent).join("/")}${query}`;
}

/** More files than fit into one page. */
function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`raw/frame_${String(n).padStart(4, "0")}.tif`, `frame ${n}`]));
}

test("files are paged, found by text, and say how they stand", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { files: { ...many(150), "notes <b >bold.txt": "seen" } });
  await untilState(run, "sync_verified");
  await panel.open(pageOf(run));
  const files = page.getByRole("region", { name: "Files", exact: true });
  await expect(files).toContainText(/1–100 of 15\d files/);
  await expect(files.getByText("notes <b >bold.txt")).toBeVisible();
  await expect(files.getByRole("row").filter({ hasText: "frame_0000.tif" })).toContainText("Proven");
  await files.getByRole("link", { name: "Next files" }).click();
  await expect(page).toHaveURL(/[?&]from=100/);
  await expect(files.getByText("raw/frame_0149.tif")).toBeVisible();

  await files.getByRole("searchbox", { name: "Search files" }).fill("FRAME_0007");
  await expect(page).toHaveURL(/[?&]file=FRAME_0007/);
  await expect(files).toContainText(/1–1 of 1 found in/);
  await page.reload();
  await panel.alive();
  await expect(files.getByRole("searchbox", { name: "Search files" })).toHaveValue("FRAME_0007");
  await expect(files.getByText("raw/frame_0007.tif")).toBeVisible();

  run.write("straggler.tif", 2_000);
  await until(run, (row) => row.late_files > 0, "a late file");
  await panel.open(pageOf(run, "?files=late"));
  await expect(files.getByRole("row").filter({ hasText: "straggler.tif" })).toContainText("Late");
});

test("the log is shown from its end, by level and text, and can be taken away", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  const record = path.join(run.folder, ".exlab-wizard");
  const name = fs.readdirSync(record).find((file) => /^wizard\..*\.log$/.test(file));
  expect(name, "the run has a log").toBeDefined();
  fs.appendFileSync(path.join(record, name as string), "2026-04-17T14:32:00Z [ERROR] <script>document.title = 'owned'</script>\n");
  await panel.open(pageOf(run));
  const log = page.getByRole("region", { name: "Log", exact: true });
  await expect(log).toContainText("NAS sync verified");
  await expect(log, "text stays text").toContainText("<script>document.title = 'owned'</script>");
  await log.getByRole("combobox", { name: "Level" }).selectOption("error");
  await expect(page).toHaveURL(/[?&]level=error/);
  await expect(log).not.toContainText("NAS sync verified");
  await expect(log).toContainText("document.title");
  await log.getByRole("combobox", { name: "Level" }).selectOption("");
  await log.getByRole("searchbox", { name: "Search the log" }).fill("sync verified");
  await expect(log).not.toContainText("document.title");

  const download = page.waitForEvent("download");
  await log.getByRole("link", { name: /^Download wizard/ }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe(name);
  expect(fs.readFileSync(await file.path(), "utf8")).toContain("NAS sync verified");
});

test("the certificate of custody is reached from the run and from what is cleared", async ({ lab, panel, page }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  await panel.open(pageOf(run));
  await page.getByRole("link", { name: "Certificate of custody" }).click();
  await expect(page).toHaveURL(/\/certificate\//);
  await expect(page.getByRole("heading", { level: 1 })).toContainText(run.leaf);
  await expect(page.getByRole("main")).toContainText("Every sealed byte was proven on the NAS.");
  await expect(page.getByRole("main")).toContainText("Still here");

  await panel.open();
  await panel.button(run, "Clear…").click();
  await panel.confirmClear();
  await expect(panel.row(run)).toBeHidden({ timeout: 30_000 });
  await panel.open("/cleared");
  await page.getByRole("link", { name: `Certificate of ${run.leaf}` }).click();
  await expect(page.getByRole("main")).toContainText(/Cleared .* freed/);
  await expect(page.getByRole("main")).toContainText("Every sealed byte was proven on the NAS.");
  await page.emulateMedia({ media: "print" });
  await expect(page.getByRole("banner")).toBeHidden();
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("files page by links, the log by its form, the certificate is served", async ({ lab, page }) => {
    const run = Run.push(lab, { files: many(120) });
    await untilState(run, "sync_verified");
    await page.goto(lab.url + pageOf(run));
    const files = page.getByRole("region", { name: "Files", exact: true });
    await files.getByRole("link", { name: "Next files" }).click();
    await expect(files.getByText("raw/frame_0119.tif")).toBeVisible();
    const log = page.getByRole("region", { name: "Log", exact: true });
    await log.getByRole("combobox", { name: "Level" }).selectOption("error");
    await log.getByRole("button", { name: "Apply" }).click();
    await expect(page).toHaveURL(/[?&]level=error/);
    await expect(log).toContainText(/no line matches/i);
    await files.getByRole("searchbox").fill("frame_0119");
    await files.getByRole("button", { name: "Apply" }).click();
    await expect(page, "the form of one list keeps the view of the other").toHaveURL(/file=frame_0119.*level=error|level=error.*file=frame_0119/);
    await expect(files.getByText("raw/frame_0119.tif")).toBeVisible();
    await page.getByRole("link", { name: "Certificate of custody" }).click();
    await expect(page.getByRole("main")).toContainText("Every sealed byte was proven on the NAS.");
  });
});
