/**
 * What may be wrong with a built package, whoever built it: looked for in its folder, after each
 * build. An emitter that rewrites the command, adds polyfills or leaves a specifier that leads
 * nowhere is found here, not by a user.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix, relative } from "node:path";
import process from "node:process";

/** The entries that a page loads: nothing that they reach names a module of a runtime. */
const FOR_PAGES = [
  ...[
    ".",
    "./pool",
    "./shared",
    "./report",
    "./trace",
    "./testing",
    "./webgpu",
    "./webgl",
    "./three",
    "./postgres",
    "./opfs",
    "./blob-store/core",
    "./http",
    "./unstorage",
    "./keyv",
  ],
];

/** What emitters put in place of what a runtime may lack, or look for to do so. */
const POLYFILLED = new RegExp(
  [
    String.raw`\bimport\.meta\.(?:main|dirname|filename|resolve)\b`,
    String.raw`\bObject\.hasOwn\b|\bPromise\.withResolvers\b|\bArray\.fromAsync\b`,
    String.raw`\.findLast(?:Index)?\(|\.replaceAll\(|(?<!\.\.)\.cause\b`,
  ].join("|"),
);

/** How a rewritten `import.meta.main` looks. */
const MAIN_BY_PATH = /import\.meta\.url\s*===?[^;]*process\.argv/;

const SPECIFIER =
  /(?:^(?:import|export)\b[^;"']*?\bfrom\s*|^import\s*|\bimport\s*\(\s*)["']([^"'\s]+)["']/gm;

/** The part of a manifest that is looked at. */
interface Manifest {
  readonly version: string;
  readonly main?: string;
  readonly types?: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

/** What is wrong with the package in a folder, a line each; nothing where it is sound. */
export async function checkBuilt(folder: string): Promise<string[]> {
  const texts = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/");
    if (entry.isFile()) texts.set(path, readFileSync(join(folder, path), "utf8"));
  }
  const manifest: Manifest = JSON.parse(texts.get("package.json") ?? "{}");
  return await Promise.all([
    faultsOfManifest(manifest, texts),
    ...Array.from(texts, ([path, text]) => faultsOfModule(path, text, texts)),
    faultsOfPages(manifest, texts),
    faultsOfStubs(manifest, texts),
    faultsOfBins(folder, manifest, texts),
  ]).then((faults) => faults.flat());
}

/** Files that the manifest names and that are not there. */
function faultsOfManifest(manifest: Manifest, texts: ReadonlyMap<string, string>): string[] {
  const named = [manifest.main, manifest.types, ...Object.values(manifest.bin ?? {})];
  for (const target of Object.values(manifest.exports ?? {})) {
    if (typeof target === "string") named.push(target);
    else {
      named.push(...Object.values(target));
      if (target.types === undefined) named.push("the types of an export");
    }
  }
  return named
    .filter((path) => path === undefined || !texts.has(posix.normalize(path)))
    .map((path) => `package.json: ${path} is not there`);
}

function faultsOfModule(path: string, text: string, texts: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const complain = (what: string) => faults.push(`${path}: ${what}`);
  if (/(?:^|\/)_dnt\./.test(path)) complain("a file of an emitter");
  const isModule = /^esm\/.*\.js$/.test(path), isTypes = /^esm\/.*\.d\.ts$/.test(path);
  if (!isModule && !isTypes) return faults;
  const code = text.replace(/\/\*[\s\S]*?\*\/|(?<![:"])\/\/.*/g, "");
  for (const [, specifier] of code.matchAll(SPECIFIER)) {
    if (!specifier.startsWith(".")) {
      if (!specifier.startsWith("node:")) complain(`imports ${specifier}`);
      continue;
    }
    const target = posix.join(posix.dirname(path), specifier);
    const needed = isTypes ? target.replace(/\.js$/, ".d.ts") : target;
    if (!specifier.endsWith(".js") || !texts.has(needed)) complain(`${specifier} leads nowhere`);
  }
  if (isTypes && /\bdeclare\s+global\b/.test(code)) complain("changes global types");
  if (!isModule) return faults;
  if (/^#!|^!\/usr/m.test(text)) complain("a shebang in a module");
  const polyfilled = code.match(POLYFILLED) ?? text.match(MAIN_BY_PATH);
  if (polyfilled) complain(`uses ${polyfilled[0]}, which emitters rewrite`);
  if (/^(?:const .* = |void )?await\b/m.test(code)) complain("a top-level await");
  return faults;
}

/** Modules of a runtime that an entry for pages reaches. */
function faultsOfPages(manifest: Manifest, texts: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const start = (entry: string, path: string | undefined) => {
    const seen = new Set<string>(), queue = path === undefined ? [] : [posix.normalize(path)];
    for (const at of queue) {
      if (seen.has(at)) continue;
      seen.add(at);
      for (const [, specifier] of (texts.get(at) ?? "").matchAll(SPECIFIER)) {
        if (specifier.startsWith("node:")) faults.push(`${entry}: ${at} imports ${specifier}`);
        else if (specifier.startsWith(".")) queue.push(posix.join(posix.dirname(at), specifier));
      }
    }
  };
  for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === "string") continue;
    if (FOR_PAGES.includes(entry)) start(entry, target.default);
    if (target.browser !== undefined) start(`${entry} in a page`, target.browser);
  }
  return faults;
}

/** Manifests of sub-paths that are missing or name no file. */
function faultsOfStubs(manifest: Manifest, texts: ReadonlyMap<string, string>): string[] {
  const entries = Object.keys(manifest.exports ?? {})
    .filter((entry) => entry !== "." && entry !== "./package.json");
  return entries.flatMap((entry) => {
    const folder = entry.slice(2), text = texts.get(`${folder}/package.json`);
    if (text === undefined) return [`${folder}/package.json is not there`];
    const { main, types, browser } = JSON.parse(text);
    return [main, types, ...browser === undefined ? [] : [browser]]
      .filter((path) => !texts.has(posix.join(folder, path ?? "")))
      .map((path) => `${folder}/package.json: ${path} is not there`);
  });
}

/** Commands that do not start, or say another version. */
function faultsOfBins(
  folder: string,
  { bin = {}, version }: Manifest,
  texts: ReadonlyMap<string, string>,
): string[] {
  return Object.entries(bin).flatMap(([name, path]) => {
    const text = texts.get(path);
    if (text === undefined) return [];
    if (!text.startsWith("#!/usr/bin/env node\n")) return [`${path}: begins with no shebang`];
    // As npm does: the command is a symbolic link in another folder.
    const links = mkdtempSync(join(tmpdir(), "bin-")), link = join(links, name);
    try {
      if (process.platform === "win32") return []; // no links there, and npm makes scripts
      symlinkSync(join(folder, path), link);
      const printed = execFileSync("node", [link, "--version"], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
      return printed.trim() === version ? [] : [`${path}: --version printed ${printed.trim()}`];
    } catch (error) {
      return [`${path}: ${(error as Error).message.split("\n").slice(0, 6).join(" ")}`];
    } finally {
      rmSync(links, { recursive: true });
    }
  });
}
