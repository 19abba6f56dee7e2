// A valid config without a staging root: the orchestrator is off, and everything says so.
import { expect, test } from "../support/test.ts";

test.use({ labOptions: { orchestrator: false }, expectedErrors: /503/ });

test("the panel says that the orchestrator is off and how to switch it on", async ({ panel, page }) => {
  await page.goto(panel.lab.url + "/staging");
  await expect(page.getByRole("main")).toContainText(/orchestrator is off/i);
  await expect(page.getByRole("main")).toContainText("staging_root");
});

test("REST says orchestrator_disabled, health checks stay green", async ({ lab }) => {
  const answer = await fetch(`${lab.url}/staging`);
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, "orchestrator_disabled"]);
  expect((await fetch(`${lab.url}/healthz`)).status).toBe(200);
});
