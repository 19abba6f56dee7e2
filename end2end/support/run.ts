// Runs as instruments push them: real files, real bytes, a signal at the end.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Equipment, Lab } from "./lab.ts";

export interface RunOptions {
  equipment?: Equipment;
  project?: string;
  /** Leaf of the path; its prefix says which kind of run it is. */
  leaf?: string;
  /** Path inside the run to content; a number stands for that many bytes. */
  files?: Record<string, string | number>;
  /** Give the signal at once. Default true. */
  finished?: boolean;
}

const FILES = { "raw/stack_000.tif": 40_000, "raw/stack_001.tif": 40_000, "notes.txt": "seen through the eyepiece\n" };

/** One run in the staging tree. */
export class Run {
  private constructor(
    readonly lab: Lab,
    readonly equipment: Equipment,
    /** Relative to the staging root. */
    readonly runPath: string,
  ) {}

  /** Pushes a run. */
  static push(lab: Lab, options: RunOptions = {}): Run {
    const { equipment = "CONFOCAL_01", project = "Cortex Q3 Pilot", leaf = "Run_2026-04-17T14-32", files = FILES } = options;
    const shelf = leaf.startsWith("TestRun_") ? "TestRuns" : "Runs";
    const run = new Run(lab, equipment, [equipment, project, shelf, leaf].join("/"));
    run.write(".exlab-wizard/creation.json", JSON.stringify(creation(project, shelf === "TestRuns"), null, 2));
    for (const [name, content] of Object.entries(files)) run.write(name, content);
    if (options.finished !== false) run.finish();
    return run;
  }

  get leaf(): string {
    return path.basename(this.runPath);
  }

  get folder(): string {
    return path.join(this.lab.staging, this.runPath);
  }

  /** Where the NAS holds it. */
  get nasFolder(): string {
    return this.lab.nas(this.runPath);
  }

  /** Writes one file of the run, parents included. */
  write(name: string, content: string | number): void {
    const file = path.join(this.folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, typeof content === "number" ? bytes(name, content) : content);
  }

  /** Gives the completeness signal of its equipment. */
  finish(): void {
    if (this.equipment === "FLOW_01") {
      const files = this.data().map((name) => ({ path: name, size: fs.statSync(path.join(this.folder, name)).size }));
      this.write("run_manifest.json", JSON.stringify({ files }));
    } else {
      this.write("acquisition_complete.flag", "");
    }
  }

  /** Data files, relative to the run, sorted. */
  data(): string[] {
    return listed(this.folder);
  }

  /** SHA-256 of every data file here. */
  digests(): Record<string, string> {
    return digests(this.folder);
  }

  /** SHA-256 of every data file on the NAS. */
  nasDigests(): Record<string, string> {
    return digests(this.nasFolder);
  }

  /** Flips one bit of a file on the NAS, as a rotting disk does: size and time stay. */
  tamperNas(name: string): void {
    const file = path.join(this.nasFolder, name);
    const { atime, mtime } = fs.statSync(file);
    const content = fs.readFileSync(file);
    content[0] = (content[0] ?? 0) ^ 1;
    const handle = fs.openSync(file, "r+");
    fs.writeSync(handle, content, 0, 1, 0);
    fs.fsyncSync(handle);
    fs.closeSync(handle);
    fs.utimesSync(file, atime, mtime);
  }
}

function listed(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith(".exlab-wizard/"))
    .sort();
}

function digests(folder: string): Record<string, string> {
  const one = (name: string) => createHash("sha256").update(fs.readFileSync(path.join(folder, name))).digest("hex");
  return Object.fromEntries(listed(folder).map((name) => [name, one(name)]));
}

/** Bytes that differ from name to name and cannot be compressed away. */
function bytes(seed: string, count: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(count / 64) }, (_, n) => createHash("sha512").update(`${seed} ${n}`).digest());
  return Buffer.concat(blocks).subarray(0, count);
}

function creation(project: string, test: boolean): object {
  return {
    schema_version: "1.9",
    created_at: "2026-04-17T14:32:00Z",
    created_by: "asmith",
    level: "run",
    run_kind: test ? "test" : "experimental",
    lims_project: { uid: "8c7e9d2f-1a4b-4e6c-9b3d-7f2a1e5d8c4b", short_id: "PROJ-0042", name_at_creation: project },
    template: { name: "confocal_run_v2", version: "2.1", source_path: "templates/confocal_run_v2", run_scope: "both" },
    variables: { operator: "asmith" },
    plugins_applied: [],
  };
}
