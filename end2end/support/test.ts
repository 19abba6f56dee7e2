// The fixtures of all tests: `lab` (see lab.ts) and `panel` (see panel.ts). A page that logs an error fails its test.
import { test as base, expect } from "@playwright/test";
import { Lab, type LabOptions } from "./lab.ts";
import { Panel } from "./panel.ts";

interface Fixtures {
  /** Set by `test.use({ labOptions: … })`. */
  labOptions: LabOptions;
  lab: Lab;
  panel: Panel;
  /** Errors a test expects in the browser's console, e.g. lost connections while the server restarts. */
  expectedErrors: RegExp | undefined;
}

export const test = base.extend<Fixtures>({
  labOptions: [{}, { option: true }],
  expectedErrors: [undefined, { option: true }],

  lab: async ({ labOptions }, use, info) => {
    const lab = await Lab.open(labOptions);
    await use(lab);
    if (info.status !== info.expectedStatus) await info.attach("server.log", { body: lab.words, contentType: "text/plain" });
    await lab.close();
  },

  panel: async ({ page, context, lab, expectedErrors }, use) => {
    const errors: string[] = [];
    // Of every tab.
    context.on("weberror", (error) => errors.push(String(error.error())));
    context.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await use(new Panel(page, lab));
    const unexpected = errors.filter((error) => !expectedErrors?.test(error));
    expect(unexpected, "the browser's console must stay free of errors").toEqual([]);
  },
});

export { expect };
