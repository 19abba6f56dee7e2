// The pages beside the staging table are parts of their own: fetched when they are shown, and missed with a word.
import { expect, test } from "../support/test.ts";

/** Parts, not the panel's own files, which lie directly in /pkg. */
const PARTS = /\/pkg\/[^/]+\/.*\.wasm$/;

test.describe("fetched", () => {
  test("the first page comes alive without the parts of others, and they come by themselves", async ({ panel, page }) => {
    const asked: string[] = [];
    page.on("request", (request) => {
      if (PARTS.test(request.url())) asked.push(request.url());
    });
    await panel.open();
    expect(asked, "nothing but the first page").toEqual([]);
    await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Overview");
    expect(asked.filter((url) => url.endsWith("/overview.wasm"))).toHaveLength(1);
    await expect.poll(() => asked.some((url) => url.endsWith("/runs.wasm")), { timeout: 10_000 }).toBe(true);
    expect(new Set(asked).size, "none twice").toBe(asked.length);
  });

  test("a page opened directly comes alive with its part", async ({ panel, page }) => {
    for (const [address, heading] of [
      ["/overview", "Overview"],
      ["/problems", "Problems"],
      ["/cleared", "Cleared"],
    ]) {
      await panel.open(address);
      await expect(page.getByRole("heading", { level: 1 })).toContainText(heading!);
    }
  });
});

test.describe("missed", () => {
  test.use({ expectedErrors: /Failed to fetch|Failed to load resource|TypeError/ });

  test("a part that cannot be fetched is said in its place, and comes when it is asked for anew", async ({ panel, page }) => {
    await page.route(PARTS, (route) => route.abort());
    await panel.open();
    await page.getByRole("navigation").getByRole("link", { name: "Problems" }).click();
    await expect(page.getByRole("alert")).toContainText(/could not be loaded/i);
    await page.unroute(PARTS);
    await page.getByRole("button", { name: "Load it anew" }).click();
    await panel.alive();
    await expect(page).toHaveURL(/\/problems/);
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Problems");
  });
});
