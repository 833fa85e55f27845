/**
 * Whether "go to definition" leads from an import of the installed package to its TypeScript.
 *
 * @module
 */

import { join } from "node:path";
import ts from "typescript-5.9";

/** The part of a language service that maps declarations to sources; editors use it. */
interface Mapping {
  getSourceMapper(): {
    tryGetSourcePosition(at: { fileName: string; pos: number }):
      | { fileName: string; pos: number }
      | undefined;
  };
}

/** Names of entries, each to be found in a source. */
const NAMES: Readonly<Record<string, string>> = {
  "@suballoc/offset-allocator": "OffsetAllocator",
  "@suballoc/offset-allocator/pool": "SlotPool",
  "@suballoc/offset-allocator/file": "SyncFileStore",
  "@suballoc/offset-allocator/blob-store": "BlobStore",
};

/** The names in `folder`, where the package is installed, whose definition is not reached. */
export function lostDefinitions(folder: string): string[] {
  return Object.entries(NAMES).flatMap(([module, name]) => {
    const path = join(folder, "definition.ts");
    const text = `import { ${name} } from "${module}";\nconsole.log(${name});\n`;
    Deno.writeTextFileSync(path, text);
    const service = ts.createLanguageService({
      getScriptFileNames: () => [path],
      getScriptVersion: () => "1",
      getScriptSnapshot: (file) => {
        const found = ts.sys.readFile(file);
        return found === undefined ? undefined : ts.ScriptSnapshot.fromString(found);
      },
      getCurrentDirectory: () => folder,
      getCompilationSettings: () => ({
        module: ts.ModuleKind.NodeNext,
        target: ts.ScriptTarget.ES2022,
      }),
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      fileExists: ts.sys.fileExists,
      readFile: ts.sys.readFile,
      directoryExists: ts.sys.directoryExists,
    });
    const [found] = service.getDefinitionAtPosition(path, text.lastIndexOf(name)) ?? [];
    if (found === undefined) return [`${name} of ${module} has no definition`];
    const mapper = (service as unknown as Mapping).getSourceMapper();
    const at = { fileName: found.fileName, pos: found.textSpan.start };
    const source = mapper.tryGetSourcePosition(at);
    if (source === undefined) return [`${name} of ${module} ends in ${found.fileName}`];
    const there = Deno.readTextFileSync(source.fileName).slice(source.pos);
    const isThere = source.fileName.endsWith(".ts") && there.startsWith(name);
    return isThere
      ? []
      : [`${name} of ${module} leads to ${source.fileName}: ${there.slice(0, 40)}`];
  });
}
