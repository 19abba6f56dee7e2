// Only our own pages may act: other origins, and names that are not ours, are refused.
import http from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import fs from "node:fs";
import { expect, test } from "../support/test.ts";
import { Run } from "../support/run.ts";
import { act, actUrl, untilState } from "../support/rest.ts";

test("S12 S15 a foreign Origin is refused, another loopback port too", async ({ lab }) => {
  const run = Run.push(lab);
  await untilState(run, "sync_verified");
  for (const origin of ["https://evil.example", "http://127.0.0.1:8888", `http://localhost:${lab.port}`, "null"]) {
    const { status, body } = await act(run, "clear", { origin });
    expect([origin, status, body.code]).toEqual([origin, 403, "forbidden"]);
  }
  expect(fs.existsSync(run.folder)).toBe(true);
});

test("S12 a name that is not ours is refused (DNS rebinding)", async ({ lab }) => {
  const request = http.request({ host: "127.0.0.1", port: lab.port, path: "/api/v1/staging", headers: { host: "evil.example" } });
  request.end();
  const [answer] = (await once(request, "response")) as [http.IncomingMessage];
  answer.resume();
  expect(answer.statusCode).toBe(403);
});

test.describe("from a page of another server on this machine", () => {
  test.use({ expectedErrors: /blocked by CORS|Failed to load resource|ERR_FAILED/ });

  test("S15 a script and a form cannot clear a run", async ({ lab, page }) => {
    const run = Run.push(lab);
    await untilState(run, "sync_verified");
    const form = `<form method="post" action="${actUrl(run, "clear")}"><button>innocent</button></form>`;
    const foreign = http.createServer((_, answer) => answer.setHeader("content-type", "text/html").end(form)).listen(0, "127.0.0.1");
    await once(foreign, "listening");
    try {
      await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
      await page.evaluate((url) => fetch(url, { method: "POST", mode: "no-cors" }).catch(() => {}), actUrl(run, "clear"));
      const answered = page.waitForResponse(actUrl(run, "clear"));
      await page.getByRole("button", { name: "innocent" }).click();
      expect((await answered).status()).toBe(403);
    } finally {
      foreign.close();
    }
    expect(fs.existsSync(run.folder)).toBe(true);
  });
});
