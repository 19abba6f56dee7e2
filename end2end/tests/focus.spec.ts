// The focus is not lost when the button that opened a dialog has gone by the time it is closed.
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { act, untilState } from "../support/rest.ts";

test("a dialog whose button has gone gives the focus to the page's content", async ({ lab, panel, page }) => {
  const runs = [1, 2].map((n) => Run.push(lab, { leaf: `Run_${n}` }));
  for (const run of runs) await untilState(run, "sync_verified");
  const [leaving] = runs as [Run, Run];
  await panel.open();
  await panel.button(leaving, "Clear…").click();
  await panel.confirmClear();
  await expect(panel.dialog.getByRole("status")).toContainText(/cleared/i, { timeout: 30_000 });
  await expect(panel.row(leaving)).toBeHidden();
  await page.keyboard.press("Escape");
  await expect(panel.dialog).toBeHidden();
  expect(await page.evaluate(() => document.activeElement?.tagName), "not the body: Tab would begin at the top").not.toBe("BODY");
});

test("when the line that holds the focus leaves, the list takes it", async ({ lab, panel, page }) => {
  const runs = [1, 2].map((n) => Run.push(lab, { leaf: `Run_${n}` }));
  for (const run of runs) await untilState(run, "sync_verified");
  const [leaving] = runs as [Run, Run];
  await panel.open();
  await panel.row(leaving).getByRole("checkbox").focus();
  expect((await act(leaving, "clear")).status).toBe(200);
  await expect(panel.row(leaving)).toBeHidden();
  await expect(page.getByRole("region", { name: "Runs" })).toBeFocused();
});
