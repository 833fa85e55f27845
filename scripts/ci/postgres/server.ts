/**
 * A PostgreSQL of its own for tests: found or installed, started in a temporary folder, on a port
 * that nobody has, and stopped at the end.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { appendFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { canInstall, install, updateLists } from "../debian.ts";

/** Where Debian and Ubuntu have it, a folder a version. */
const DEBIAN = "/usr/lib/postgresql";
/** The package of that name is whatever version the system has. */
const PACKAGE = "postgresql";
const PROGRAMS = ["initdb", "postgres", "pg_basebackup"];

/** The folder of the programs of PostgreSQL; undefined where there are none. */
export function findPostgres(): string | undefined {
  const { stdout, status } = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => +b - +a) : [];
  const folders = [
    ...status === 0 ? [stdout.trim()] : [],
    ...versions.map((version) => join(DEBIAN, version, "bin")),
  ];
  return folders.find((folder) => PROGRAMS.every((program) => existsSync(join(folder, program))));
}

/** The same, installed first where that can be done. */
export function needPostgres(): string | undefined {
  const found = findPostgres();
  if (found !== undefined || !canInstall()) return found;
  updateLists();
  install([PACKAGE]);
  return findPostgres();
}

/** The user that runs a server, where this one is root: a server refuses root. */
function otherUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = readFileSync("/etc/passwd", "utf8").match(
      new RegExp(`^(${name}):[^:]*:(\\d+):(\\d+)`, "m"),
    ) ??
      [];
    if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("A server does not run as root, and there is no user postgres or nobody");
}

/** Settings of a server whose tests are short: the disk is as it must be, the rest is small. */
const SETTINGS = [
  "shared_buffers = 32MB",
  "max_connections = 60",
  "max_wal_senders = 6",
  "wal_level = replica",
  "hot_standby = on",
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  "log_min_messages = fatal",
];

/** A server. */
export class PostgresServer {
  readonly folder: string;
  readonly #bin: string;
  readonly #user: { uid: number; gid: number } | undefined;
  #child: ChildProcess | undefined;
  #end: Promise<void> | undefined;
  #port = 0;

  private constructor(bin: string) {
    this.#bin = bin;
    this.#user = otherUser();
    this.folder = mkdtempSync(join(tmpdir(), "suballoc-postgres-"));
    if (this.#user !== undefined) chownSync(this.folder, this.#user.uid, this.#user.gid);
  }

  /** Makes a server, and starts it. */
  static async start(bin: string, settings: readonly string[] = []): Promise<PostgresServer> {
    const server = new PostgresServer(bin);
    try {
      server.#run("initdb", ["-D", server.data, "-U", "tester", "-A", "trust", "--no-sync"]);
      await server.#configure([...SETTINGS, ...settings]);
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /** Makes a standby of this server, and starts it. */
  async standby(name: string): Promise<PostgresServer> {
    const standby = new PostgresServer(this.#bin);
    const source = `host=127.0.0.1 port=${this.port} user=tester application_name=${name}`;
    try {
      standby.#run("pg_basebackup", ["-D", standby.data, "-d", source, "-R", "-c", "fast"]);
      await standby.#configure([]);
    } catch (error) {
      await standby.remove();
      throw error;
    }
    return standby;
  }

  get data(): string {
    return join(this.folder, "data");
  }

  get port(): number {
    return this.#port;
  }

  /** The process of the server that starts all others. */
  get pid(): number {
    return this.#child!.pid!;
  }

  /** How clients connect. */
  get url(): string {
    return `postgres://tester@127.0.0.1:${this.#port}/postgres`;
  }

  /** Starts the server on its port, and waits until it answers. */
  async begin(): Promise<void> {
    const child = spawn(join(this.#bin, "postgres"), ["-D", this.data, "-p", `${this.#port}`], {
      ...this.#user,
      cwd: this.folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let said = "";
    child.stderr!.on("data", (text) => said = (said + text).slice(-4000));
    this.#end = new Promise((resolve) => child.once("exit", () => resolve()));
    for (let attempt = 0;; attempt++) {
      if (child.exitCode !== null) throw new Error(`The server ended: ${said}`);
      const ready = spawnSync(join(this.#bin, "pg_isready"), [
        "-h",
        "127.0.0.1",
        "-p",
        `${this.#port}`,
      ]);
      if (ready.status === 0) return;
      if (attempt > 600) throw new Error(`The server does not answer: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends the server and all its processes at once, as a failure of the machine does. */
  async kill(): Promise<void> {
    const pids = this.pids();
    for (const pid of pids) signal(pid, "SIGKILL");
    await this.#end;
    // A new server refuses to start while processes of the old one use its memory.
    for (let i = 0; pids.some(isAlive) && i < 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    rmSync(join(this.data, "postmaster.pid"), { force: true });
  }

  /** Stops or continues all processes of the server. */
  pause(isPaused: boolean): void {
    for (const pid of this.pids()) signal(pid, isPaused ? "SIGSTOP" : "SIGCONT");
  }

  /** Makes a standby the primary. */
  promote(): void {
    this.#run("pg_ctl", ["promote", "-D", this.data, "-w", "-t", "30"]);
  }

  /** The processes of the server. */
  pids(): number[] {
    const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(this.pid)], {
      encoding: "utf8",
    });
    return [this.pid, ...stdout.split(/\s+/).filter((pid) => pid !== "").map(Number)];
  }

  /** Adds settings and has the server read them. */
  configure(settings: readonly string[]): void {
    appendFileSync(join(this.data, "postgresql.conf"), settings.join("\n") + "\n");
    if (this.#child !== undefined) signal(this.pid, "SIGHUP");
  }

  /** Stops the server, and removes what it left. */
  async remove(): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) {
      this.pause(false);
      this.#child.kill("SIGQUIT");
      await this.#end;
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #configure(settings: readonly string[]): Promise<void> {
    this.configure(settings);
    this.#port = await freePort();
    await this.begin();
  }

  #run(program: string, args: readonly string[]): void {
    const options = { ...this.#user, cwd: this.folder, encoding: "utf8" } as const;
    const { status, stderr, error } = spawnSync(join(this.#bin, program), args, options);
    if (status !== 0) throw new Error(`${program} failed: ${stderr ?? error}`);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A port that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A way to a server that can be cut, before or after a number of bytes went through. */
export class Proxy {
  readonly #server: ReturnType<typeof createServer>;
  /** Called with each piece from the client; what it returns goes on, undefined cuts. */
  onRequest: (data: Uint8Array) => Uint8Array | undefined = (data) => data;
  /** Called with each piece from the server. */
  onAnswer: (data: Uint8Array) => Uint8Array | undefined = (data) => data;
  /** Where connections go that are made from now on. */
  target: number;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => {
      const server = createConnection(this.target, "127.0.0.1");
      const cut = () => {
        client.destroy();
        server.destroy();
      };
      const pass = (from: typeof client, to: typeof client, isRequest: boolean) => {
        from.on("data", (data: Uint8Array) => {
          const rest = isRequest ? this.onRequest(data) : this.onAnswer(data);
          if (rest === undefined) return cut();
          to.write(rest);
          if (rest.length < data.length) to.end(cut);
        });
        from.on("error", cut);
        from.on("close", cut);
      };
      pass(client, server, true);
      pass(server, client, false);
    });
  }

  /** Opens a way to a port. */
  static async open(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Takes no more connections. */
  close(): void {
    this.#server.close();
  }
}
