// A laboratory for one test: a staging tree, a folder standing for the mounted NAS, a config, a state folder, and the real binary on a
// free port of 127.0.0.1. It ends by its process id, and must end well: exit code 0 is asserted.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { expect } from "@playwright/test";

export interface LabOptions {
  /** False: a config without a staging root, so that the orchestrator is off. */
  orchestrator?: boolean;
  /** Further lines at the end of config.yaml. */
  config?: string;
  /** Leave the identity markers out, as on a NAS that nobody has prepared. */
  uninitialised?: boolean;
}

export const EQUIPMENT = ["CONFOCAL_01", "FLOW_01"] as const;
export type Equipment = (typeof EQUIPMENT)[number];

/** On a disk, beside what cargo builds: a /tmp in memory could not be read past the page cache. */
const LABS = path.resolve(import.meta.dirname, "../../target/end2end");

export class Lab {
  readonly folder: string;
  port = 0;
  private server: ChildProcess | undefined;
  private log = "";

  private constructor(private readonly options: LabOptions) {
    fs.mkdirSync(LABS, { recursive: true });
    this.folder = fs.mkdtempSync(path.join(LABS, "lab-"));
  }

  /** Makes the folders and the config, prepares the NAS, starts the server and waits until it is ready. */
  static async open(options: LabOptions = {}): Promise<Lab> {
    const lab = new Lab(options);
    try {
      await lab.prepare();
      await lab.start();
    } catch (error) {
      await lab.close().catch(() => {});
      throw error;
    }
    return lab;
  }

  private async prepare(): Promise<void> {
    for (const folder of [this.staging, this.state, ...EQUIPMENT.map((id) => this.nas(id))]) fs.mkdirSync(folder, { recursive: true });
    this.port = await freePort();
    this.writeConfig();
    if (this.options.orchestrator === false || this.options.uninitialised) return;
    for (const id of EQUIPMENT) await this.call("nas", "init", id);
  }

  get staging(): string {
    return path.join(this.folder, "staging");
  }

  get state(): string {
    return path.join(this.folder, "state");
  }

  nas(...below: string[]): string {
    return path.join(this.folder, "nas", ...below);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the server has said so far. */
  get words(): string {
    return this.log;
  }

  private get configFile(): string {
    return path.join(this.folder, "config.yaml");
  }

  private get environment(): NodeJS.ProcessEnv {
    return { ...process.env, XDG_STATE_HOME: this.state, RUST_BACKTRACE: "1" };
  }

  private writeConfig(): void {
    const lines = [`server:`, `  listen: 127.0.0.1:${this.port}`];
    if (this.options.orchestrator !== false) {
      lines.push(`orchestrator:`, `  label: End-to-end laboratory`, `  staging_root: '${this.staging}'`, `equipment:`);
      const signals = {
        CONFOCAL_01: [`completeness_signal: sentinel_file`, `sentinel_filename: acquisition_complete.flag`],
        FLOW_01: [`completeness_signal: manifest`, `manifest_filename: run_manifest.json`],
      };
      for (const id of EQUIPMENT) {
        lines.push(`  - id: ${id}`, `    label: ${id.toLowerCase()}`, `    settle_seconds: 1`);
        lines.push(...signals[id].map((line) => `    ${line}`), `    transport:`, `      type: mount`, `      path: '${this.nas(id)}'`);
      }
    }
    fs.writeFileSync(this.configFile, [...lines, this.options.config ?? "", ""].join("\n"));
  }

  /** Runs a command of the program to its end; gives its standard output. */
  async call(...args: string[]): Promise<string> {
    const child = spawn(binary(), [...args, "--config", this.configFile], { env: this.environment, stdio: ["ignore", "pipe", "pipe"] });
    let [out, errors] = ["", ""];
    child.stdout.on("data", (bytes) => (out += bytes));
    child.stderr.on("data", (bytes) => (errors += bytes));
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`exlab-orchestrator ${args.join(" ")} ended with ${code}: ${errors || out}`);
    return out;
  }

  /** Starts the server on its port and waits for /readyz. */
  async start(): Promise<void> {
    const server = spawn(binary(), ["serve", "--config", this.configFile], { env: this.environment, stdio: ["ignore", "pipe", "pipe"] });
    this.server = server;
    const keep = (bytes: Buffer) => (this.log += bytes.toString());
    server.stdout.on("data", keep);
    server.stderr.on("data", keep);
    const probe = this.options.orchestrator === false ? "/healthz" : "/readyz";
    await expect(async () => {
      expect(server.exitCode, `the server ended by itself:\n${this.log}`).toBeNull();
      expect((await fetch(this.url + probe)).status).toBe(200);
    }).toPass({ timeout: 20_000, intervals: [50] });
  }

  /** Ends the server as a service manager does, and asserts that it ended well. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (!server) return;
    if (server.exitCode === null && server.signalCode === null) {
      const ended = once(server, "exit");
      server.kill("SIGTERM");
      const impatience = setTimeout(() => server.kill("SIGKILL"), 15_000);
      await ended;
      clearTimeout(impatience);
    }
    expect({ code: server.exitCode, signal: server.signalCode }, `the server must end well:\n${this.log}`).toEqual({ code: 0, signal: null });
  }

  /** Ends the server and removes the folder. */
  async close(): Promise<void> {
    try {
      await this.stop();
    } finally {
      fs.rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

function binary(): string {
  const file = process.env.EXLAB_BINARY ?? path.resolve(import.meta.dirname, "../../target/release/exlab-orchestrator");
  if (!fs.existsSync(file)) throw new Error(`there is no ${file}: \`cargo xtask build\` makes it, EXLAB_BINARY names another one`);
  return file;
}

async function freePort(): Promise<number> {
  const listener = net.createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  await once(listener, "close");
  return port;
}
