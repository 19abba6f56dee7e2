// How the panel feels with many runs, for `cargo xtask bench --only panel`: takes the panel's address, prints one JSON object.
//
// What is measured is measured in the page: when an event of the stream arrived and when the frame that shows it was painted; frames while
// it scrolls; the layout shifts that the browser itself counts.
import { chromium } from "@playwright/test";

const [address] = process.argv.slice(2);
if (!address) throw new Error("usage: panel.mjs ADDRESS");

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--no-proxy-server", "--no-first-run", "--disable-background-networking"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.addInitScript(() => {
  const seen = { arrived: new Map(), shifts: 0 };
  Object.assign(window, { seen });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.hadRecentInput) seen.shifts += entry.value;
    }
  }).observe({ type: "layout-shift", buffered: true });
  const setter = Object.getOwnPropertyDescriptor(EventSource.prototype, "onmessage");
  Object.defineProperty(EventSource.prototype, "onmessage", {
    ...setter,
    set(handler) {
      const listening = (event) => {
        const path = /"run_path":"([^"]*)"/.exec(event.data)?.[1];
        if (path && !seen.arrived.has(path)) seen.arrived.set(path, performance.now());
        handler?.call(this, event);
      };
      setter?.set?.call(this, handler && listening);
    },
  });
});

const began = Date.now();
await page.goto(`${address}/staging`, { waitUntil: "commit" });
await page.locator("tbody [role=row], tbody tr").first().waitFor();
const firstRow = Date.now() - began;
const hydratedAtFirstRow = await page.evaluate(() => document.documentElement.dataset.hydrated === "true");
await page.locator("html[data-hydrated=true]").waitFor({ state: "attached" });
const hydrated = Date.now() - began;
// All rows are here once the count is.
await page.waitForFunction(() => document.querySelector("tbody")?.scrollHeight !== undefined);
await page.waitForTimeout(2_000);

// Patches: an act on a run that is on the screen; its row changes.
const latencies = [];
const names = await page.locator("tbody a.run-link").evaluateAll((links) => links.slice(0, 10).map((link) => decodeURIComponent((link.getAttribute("href") ?? "").replace("/runs/", ""))));
for (const name of names) {
  const painted = page.evaluate(
    (name) =>
      new Promise((resolve) => {
        const { seen } = window;
        seen.arrived.delete(name);
        const link = [...document.querySelectorAll("tbody a.run-link")].find((link) => decodeURIComponent(link.getAttribute("href") ?? "").endsWith(name));
        const row = link?.closest("[role=row], tr");
        if (!row) return resolve(-1);
        const observer = new MutationObserver(() => {
          const arrived = seen.arrived.get(name);
          if (arrived === undefined) return;
          observer.disconnect();
          requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - arrived)));
        });
        observer.observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
        setTimeout(() => resolve(-1), 15_000);
      }),
    name,
  );
  await fetch(`${address}/api/v1/staging/${name.split("/").map(encodeURIComponent).join("/")}/verify`, { method: "POST", headers: { prefer: "respond-async" } });
  const took = await painted;
  if (took >= 0) latencies.push(took);
}

// Scrolling: two seconds through the whole table, a step each frame.
const frames = await page.evaluate(
  () =>
    new Promise((resolve) => {
      const scrolled = document.scrollingElement;
      const region = [...document.querySelectorAll("main *")].find((element) => element.scrollHeight > element.clientHeight + 5_000 && getComputedStyle(element).overflowY !== "visible") ?? scrolled;
      const times = [];
      let last = performance.now();
      const began = last;
      const step = (now) => {
        times.push(now - last);
        last = now;
        region.scrollTop += 180;
        if (now - began < 3_000) requestAnimationFrame(step);
        else resolve(times.slice(2));
      };
      requestAnimationFrame(step);
    }),
);
const shifts = await page.evaluate(() => window.seen.shifts);
await browser.close();

const sorted = (values) => [...values].sort((a, b) => a - b);
const at = (values, share) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? -1;
console.log(
  JSON.stringify({
    first_row_ms: firstRow,
    hydrated_ms: hydrated,
    first_row_before_hydration: !hydratedAtFirstRow,
    patches: latencies.length,
    patch_ms_p50: at(latencies, 0.5),
    patch_ms_max: at(latencies, 1),
    frames_per_second: (1_000 * frames.length) / frames.reduce((sum, frame) => sum + frame, 0),
    frame_ms_p95: at(frames, 0.95),
    layout_shift: shifts,
  }),
);
