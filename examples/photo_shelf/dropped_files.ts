/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * The files of what was dropped on a page, or chosen: those in folders, too.
 *
 * @module
 */

import type { NamedFile } from "./photos.ts";

/** The files that were dropped, with their paths from the dropped folders on. */
export async function droppedFiles({ items }: DataTransfer): Promise<NamedFile[]> {
  // All of them before anything is awaited: the list is empty then.
  const entries = Array.from(items, (item) => item.webkitGetAsEntry());
  const found: NamedFile[] = [];
  for (const entry of entries) if (entry !== null) await visit(entry, found);
  return found;
}

/** The files that were chosen in an input, which does not know them then. */
export function chosenFiles(input: HTMLInputElement): NamedFile[] {
  const files = Array.from(input.files ?? [], (file) => {
    return { path: file.webkitRelativePath || file.name, file };
  });
  input.value = ""; // so that the same ones can be chosen again
  return files;
}

async function visit(entry: FileSystemEntry, found: NamedFile[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    found.push({ path: entry.fullPath.slice(1), file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Some at a time, until none is left.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (entries.length === 0) return;
    for (const entry of entries) await visit(entry, found);
  }
}
