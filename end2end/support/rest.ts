// The REST face, as a script uses it: for waiting until a state is reached, and for asking what the panel does not show.
import { expect } from "@playwright/test";
import type { Lab } from "./lab.ts";
import type { Run } from "./run.ts";

/** A row of GET /api/v1/staging, as far as tests look at it. */
export interface Row {
  path: string;
  run_path: string;
  current_state: string;
  file_count: number;
  byte_total: number;
  late_files: number;
  findings: { blocking: number };
  /** What a run that is not complete waits for. */
  waiting_for?: string | null;
  job: { state: string; error: { code: string; message: string } | null; verify_passes: number } | null;
  actions: Record<"force_sync" | "clear" | "verify" | "retry", { allowed: boolean; reason: string | null }>;
}

/** All rows. */
export async function rows(lab: Lab): Promise<Row[]> {
  const answer = await fetch(`${lab.url}/api/v1/staging`);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { runs: Row[] }).runs;
}

/** The row of a run, if it is listed. */
export async function rowOf(run: Run): Promise<Row | undefined> {
  return (await rows(run.lab)).find((row) => row.run_path === run.runPath);
}

/** Waits until the run stands in this state. */
export async function untilState(run: Run, state: string): Promise<Row> {
  return until(run, (row) => row.current_state === state, `state ${state}`);
}

/** Waits until the row of the run says so. */
export async function until(run: Run, condition: (row: Row) => boolean, what: string): Promise<Row> {
  let last: Row | undefined;
  await expect(async () => {
    last = await rowOf(run);
    expect(last && condition(last), `${run.runPath}: ${what}; it is ${JSON.stringify(last)}`).toBe(true);
  }).toPass({ timeout: 40_000, intervals: [100] });
  return last as Row;
}

/** Where an act on a run is posted to. */
export function actUrl(run: Run, act: "force-sync" | "clear" | "verify" | "retry"): string {
  return `${run.lab.url}/api/v1/staging/${run.runPath.split("/").map(encodeURIComponent).join("/")}/${act}`;
}

/** Posts an act; gives status and body. */
export async function act(run: Run, kind: Parameters<typeof actUrl>[1], headers: Record<string, string> = {}) {
  const answer = await fetch(actUrl(run, kind), { method: "POST", headers: { "content-type": "application/json", ...headers }, body: "{}" });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
