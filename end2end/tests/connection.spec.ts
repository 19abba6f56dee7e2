// The panel survives its server: it says that it is cut off, and goes on by itself.
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";

test.use({ expectedErrors: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|Failed to load resource/ });

test("a server restart is shown and overcome without a reload", async ({ lab, panel, page }) => {
  const first = Run.push(lab, { leaf: "Run_before" });
  await panel.open();
  await expect(panel.row(first)).toContainText("Verified", { timeout: 30_000 });
  const connection = page.getByRole("banner");
  await expect(connection).toContainText(/live/i);

  await lab.stop();
  await expect(connection).toContainText(/reconnecting/i);
  await expect(panel.row(first), "what was known stays").toBeVisible();

  await lab.start();
  await expect(connection).toContainText(/live/i, { timeout: 40_000 });
  const second = Run.push(lab, { leaf: "Run_after" });
  await expect(panel.row(second), "it is live again").toBeVisible();
});

test("S14 two tabs agree on what one of them did", async ({ lab, panel, page, context }) => {
  const run = Run.push(lab);
  await panel.open();
  await expect(panel.row(run)).toContainText("Verified", { timeout: 30_000 });
  const other = await context.newPage();
  await other.goto(`${lab.url}/staging`);
  await expect(other.getByRole("link", { name: run.leaf, exact: true })).toBeVisible();
  await panel.button(run, "Clear…").click();
  await panel.confirmClear();
  await expect(panel.row(run)).toBeHidden({ timeout: 30_000 });
  await expect(other.getByRole("link", { name: run.leaf, exact: true }), "the other tab follows").toBeHidden();
  await expect(page).toHaveURL(/\/staging/);
});
