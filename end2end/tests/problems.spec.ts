// The Problems page: what the gate found, filtered by address; overridden, revoked, marked known; and names shown as text.
import fs from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { until, untilState } from "../support/rest.ts";

const FILES = { "raw/<sample>.tif": 2_000, "raw/{{ n }}.tif": 2_000, "notes.txt": "as planned\n" };

function blocked(row: { current_state: string }): boolean {
  return row.current_state === "complete";
}

test("a class is overridden, revoked and overridden again, and the run follows at once", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { files: FILES });
  await until(run, blocked, "held back");
  await panel.open("/problems");
  const placeholder = page.getByRole("row").filter({ hasText: "Unresolved placeholder token" });
  const marker = page.getByRole("row").filter({ hasText: "Leftover jinja marker" });
  await expect(placeholder.locator("mark")).toHaveText("<sample>");
  await expect(marker.locator("mark")).toHaveText("{{ n }}");
  await expect(page.getByRole("link", { name: /Problems/ })).toContainText("2");

  await placeholder.getByRole("button", { name: /Override/ }).click();
  const confirm = panel.dialog.getByRole("button", { name: "Override" });
  await expect(confirm).toBeDisabled();
  await panel.dialog.getByLabel("Operator").fill("kim");
  await panel.dialog.getByRole("textbox", { name: "Reason" }).fill("too short");
  await expect(panel.dialog).toContainText("9 of 500 characters");
  await expect(confirm).toBeDisabled();
  await panel.dialog.getByRole("textbox", { name: "Reason" }).fill("The vendor names files so.");
  await panel.dialog.getByLabel("7 days").check();
  await expect(confirm).toBeDisabled();
  await panel.dialog.getByRole("checkbox").check();
  await confirm.click();
  await expect(panel.dialog.getByRole("status")).toContainText(/Let through until \d{4}-/);
  await panel.dialog.getByRole("button", { name: "Close" }).last().click();
  await expect(placeholder, "overridden ones are not open").toBeHidden();
  expect((await untilState(run, "complete")).job).toBeNull();

  const document = () => JSON.parse(fs.readFileSync(`${run.folder}/.exlab-wizard/creation.json`, "utf8")) as { validation_overrides: unknown[] };
  expect(document().validation_overrides).toHaveLength(1);

  await page.getByRole("link", { name: /^Overridden/ }).click();
  await expect(page).toHaveURL(/scope=overridden/);
  await placeholder.getByRole("button", { name: /Revoke/ }).click();
  await expect(panel.dialog).toContainText("The vendor names files so.");
  await panel.dialog.getByRole("textbox", { name: "Reason" }).fill("No longer needed at all.");
  await panel.dialog.getByRole("button", { name: "Revoke" }).click();
  await expect(panel.dialog.getByRole("status")).toContainText("Revoked");
  await page.keyboard.press("Escape");
  await expect(placeholder).toBeHidden();
  expect(document().validation_overrides, "append-only").toHaveLength(2);

  await panel.open("/problems");
  for (const row of [placeholder, marker]) {
    await row.getByRole("button", { name: /Override/ }).click();
    await panel.dialog.getByRole("textbox", { name: "Reason" }).fill("The vendor names files so.");
    await panel.dialog.getByRole("checkbox").check();
    await panel.dialog.getByRole("button", { name: "Override" }).click();
    await expect(panel.dialog.getByRole("status")).toContainText("Let through");
    await page.keyboard.press("Escape");
    await expect(row).toBeHidden();
  }
  await untilState(run, "sync_verified");
});

test("a mark takes a finding out of sight and lets nothing through", async ({ lab, panel, page }) => {
  const run = Run.push(lab, { files: FILES });
  await until(run, blocked, "held back");
  await panel.open("/problems?rule=leftover_jinja_marker");
  const marker = page.getByRole("row").filter({ hasText: "Leftover jinja marker" });
  await marker.getByRole("button", { name: /Mark known/ }).click();
  await expect(marker).toBeHidden();
  await page.getByRole("link", { name: /^Known/ }).click();
  await expect(marker).toContainText("known");
  await expect(page, "filters live in the address").toHaveURL(/scope=known&rule=leftover_jinja_marker/);
  await page.reload();
  await panel.alive();
  await expect(marker).toBeVisible();
  await untilState(run, "complete");
  await marker.getByRole("button", { name: /Not known/ }).click();
  await expect(marker).toBeHidden();
});

test("new findings come by themselves and are announced once", async ({ lab, panel, page }) => {
  await panel.open("/problems");
  await expect(page.getByText("Nothing is wrong")).toBeVisible();
  Run.push(lab, { files: { "raw/<sample>.tif": 100 } });
  await expect(page.locator("mark")).toHaveText("<sample>", { timeout: 30_000 });
  await expect(page.getByText("1 new problem holds runs back.")).toBeAttached();
});

test("names are text, whatever they hold, and axe finds nothing", async ({ lab, panel, page }) => {
  const name = "raw/<img src=x onerror=alert(1)><b>.tif";
  const run = Run.push(lab, { files: { [name]: 100 } });
  await until(run, blocked, "held back");
  let alerted = false;
  page.on("dialog", () => (alerted = true));
  await panel.open("/problems?scope=all");
  await expect(page.getByRole("table")).toContainText(name);
  expect(await page.locator("table img, table b").count()).toBe(0);
  expect(alerted).toBe(false);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => ({ id, where: nodes.slice(0, 3).map((node) => node.html) }))).toEqual([]);
  await page.getByRole("button", { name: /Override/ }).first().click();
  const opened = await new AxeBuilder({ page }).analyze();
  expect(opened.violations.map(({ id, nodes }) => ({ id, where: nodes.slice(0, 3).map((node) => node.html) }))).toEqual([]);
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("it is read-only and pages and filters work", async ({ lab, page }) => {
    const files = Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`raw/${String(n).padStart(3, "0")} <x>.tif`, 10]));
    const run = Run.push(lab, { files });
    await until(run, blocked, "held back");
    await page.goto(`${lab.url}/problems`);
    await expect(page.getByRole("row")).toHaveCount(101);
    await expect(page.getByRole("button", { name: /Override/ })).toBeHidden();
    await page.getByRole("link", { name: "Next" }).click();
    await expect(page.getByRole("row")).toHaveCount(21);
    await page.goto(`${lab.url}/problems?q=119`);
    await expect(page.getByRole("row")).toHaveCount(2);
  });
});
