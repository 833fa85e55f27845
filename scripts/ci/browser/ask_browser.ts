/**
 * Opens a page in a browser as it is installed, and waits for what the page posts to `/answer`.
 * Nothing drives the browser, so that any will do.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Serve, startServer } from "./isolated_server.ts";

/** Longest that a page may take, in milliseconds. */
const TIME_LIMIT = 1_800_000;
/** Longest that a browser may take to end, in milliseconds. */
const END_LIMIT = 5_000;
/** How much of what a browser said is told where it failed. */
const SAID_CHARACTERS = 2_000;

/** How a browser is found and started. */
interface Browser {
  /** Where Debian has it, and Ubuntu. */
  readonly paths: readonly string[];
  /** The variable that names another path. */
  readonly variable: string;
  /** Debian's package. */
  readonly name: string;
  /** The arguments before the address of the page. */
  readonly args: (profile: string) => string[];
  /** What a new profile has: preferences. */
  readonly preferences?: Readonly<Record<string, boolean | number | string>>;
  /** What is added to its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What starts it. */
  readonly launcher?: readonly string[];
}

/** Chromium without a window, a GPU and work besides. */
export const CHROMIUM_ARGS: readonly string[] = [
  "--headless",
  "--no-sandbox",
  "--no-first-run",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
];

/** Firefox, without a window. */
const FIREFOX: Browser = {
  paths: ["/usr/bin/firefox-esr", "/usr/bin/firefox"],
  variable: "FIREFOX_PATH",
  name: "firefox-esr",
  args: (profile) => ["--headless", "--no-remote", "--profile", profile],
  preferences: {
    // The clock steps by 50 ns in a page that is isolated, not by 20 µs.
    "privacy.reduceTimerPrecision": false,
    "privacy.reduceTimerPrecision.unconditional": false,
    "privacy.resistFingerprinting": false,
    // Tests open tabs without a click.
    "dom.disable_open_during_load": false,
    // No page but the one that is asked for.
    "browser.aboutwelcome.enabled": false,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.shell.checkDefaultBrowser": false,
    "termsofuse.bypassNotification": true,
    "datareporting.policy.dataSubmissionEnabled": false,
    // No work besides.
    "app.normandy.enabled": false,
    "app.update.disabledForTesting": true,
    "browser.safebrowsing.malware.enabled": false,
    "browser.safebrowsing.phishing.enabled": false,
    "extensions.update.enabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": false,
    "toolkit.telemetry.server": "data:,",
  },
};

const BROWSERS: Readonly<Record<string, Browser>> = {
  chromium: {
    paths: ["/usr/bin/chromium"],
    variable: "CHROMIUM_PATH",
    name: "chromium",
    args: (profile) => [
      ...CHROMIUM_ARGS,
      "--disable-popup-blocking", // tests open tabs without a click
      "--disable-background-timer-throttling", // else timers of the tab behind run once a minute
      "--disable-renderer-backgrounding",
      `--user-data-dir=${profile}`,
    ],
  },
  firefox: FIREFOX,
  // Without a screen it has no WebGL.
  "firefox-webgl": {
    ...FIREFOX,
    args: (profile) => ["--no-remote", "--profile", profile],
    preferences: { ...FIREFOX.preferences, "webgl.force-enabled": true },
    env: { LIBGL_ALWAYS_SOFTWARE: "1" },
    launcher: ["xvfb-run", "-a", "--"],
  },
  webkit: {
    paths: [
      "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
      "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.0/MiniBrowser",
    ],
    variable: "WEBKIT_PATH",
    name: "webkit2gtk-driver",
    args: () => ["--private"],
    // Shared memory is off by default. There is no GPU, and no sandbox for root.
    env: {
      JSC_useSharedArrayBuffer: "1",
      WEBKIT_DISABLE_COMPOSITING_MODE: "1",
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
    },
    // It has no headless mode.
    launcher: ["xvfb-run", "-a", "dbus-run-session", "--"],
  },
};

/** The browsers by name. */
export const browsers: readonly string[] = Object.keys(BROWSERS);

/**
 * The path of a browser's program.
 *
 * @throws {Error} If there is no such browser, or it is not installed; says how to install it.
 */
export function programOf(browser: string): string {
  if (!Object.hasOwn(BROWSERS, browser)) {
    throw new Error(`No browser ${browser}: ${browsers.join(" or ")}`);
  }
  const { paths, variable, name } = BROWSERS[browser];
  const program = process.env[variable] ?? paths.find(existsSync) ?? paths[0];
  if (existsSync(program)) return program;
  throw new Error(
    `No ${browser} at ${program}: install it (\`apt-get install ${name}\`), ` +
      `or set ${variable} to the path of its program`,
  );
}

/**
 * Opens the page at `/` in a browser of its own, with an empty profile, and ends the browser when
 * the page has posted to `/answer`.
 *
 * @returns What the page posted.
 * @throws {Error} If the browser is not installed, ends before, or takes over half an hour.
 */
export async function askBrowser(browser: string, serve: Serve): Promise<string> {
  const program = programOf(browser),
    { args, preferences = {}, env, launcher = [] } = BROWSERS[browser];
  const { promise: answer, resolve, reject } = Promise.withResolvers<string>();
  const { origin, close } = await startServer((url, posted) => {
    if (url.pathname !== "/answer") return serve(url, posted);
    resolve(posted);
    return { type: "text/plain", body: "" };
  });
  const profile = mkdtempSync(join(tmpdir(), `${browser}-`));
  const lines = Object.entries(preferences)
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  if (lines.length > 0) writeFileSync(join(profile, "user.js"), lines.join(""));

  const [command, ...rest] = [...launcher, program, ...args(profile), `${origin}/`];
  const child = spawn(command, rest, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
    detached: launcher.length > 0, // so that all of them can be ended
  });
  const kill = (signal?: NodeJS.Signals) => {
    if (launcher.length > 0 && child.pid !== undefined) process.kill(-child.pid, signal);
    else child.kill(signal);
  };
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = (said + text).slice(-SAID_CHARACTERS);
  });
  const ended = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      reject(new Error(`${program} does not start`, { cause: error }));
      resolve();
    });
    child.on("close", (code, signal) => {
      reject(new Error(`${browser} ended with ${signal ?? code} and no answer:\n${said}`));
      resolve();
    });
  });
  const timer = setTimeout(
    () => reject(new Error(`${browser} gave no answer in ${TIME_LIMIT / 1000} s:\n${said}`)),
    TIME_LIMIT,
  );
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    if (child.exitCode === null) kill();
    const killer = setTimeout(() => kill("SIGKILL"), END_LIMIT);
    await ended;
    clearTimeout(killer);
    close();
    rmSync(profile, { recursive: true, maxRetries: 5, retryDelay: 200 }); // children end later
  }
}
