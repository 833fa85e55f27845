/**
 * How a command fails, and what a person and a program are told of it.
 *
 * @module
 */

import { quoted } from "./format.ts";

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name: string = "UsageError";
}

/** The command failed for an expected reason: exit code 1. */
export class Failure extends Error {
  /** The name of the class. */
  override readonly name: string = "Failure";
}

/** A file could not be read or written. */
export class FileFailure extends Failure {
  /** The name of the class. */
  override readonly name: string = "FileFailure";
  /** Its code by the system, such as ENOSPC. */
  readonly code: string | undefined;

  /**
   * Makes the error for a file.
   *
   * @param verb The failed operation: `read`, `write`.
   * @param path The file.
   * @param cause The error of the system.
   */
  constructor(verb: string, path: string, cause: unknown) {
    super(`Cannot ${verb} ${quoted(path)}: ${reasonOf(cause)}`, { cause });
    this.code = codeOf(cause);
  }
}

/** The reader of standard output has closed it, as `head` does. */
export class ClosedOutput extends Error {
  /** The name of the class. */
  override readonly name: string = "ClosedOutput";
}

/**
 * Runs a call of the system; its failure names the file.
 *
 * @param verb The operation: `read`, `write`.
 * @param path The file.
 * @param call The call.
 * @throws {FileFailure} The call failed.
 */
export function naming<T>(verb: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new FileFailure(verb, path, cause);
  }
}

/** Tells whether Deno refused a permission: only another flag helps. */
export function isNotPermitted(error: unknown): boolean {
  return error instanceof Error && /--allow-[a-z]/.test(error.message);
}

/** The code of an error by the system, such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

/** The system's message, without the call and the path, which a message names itself. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (isNotPermitted(error)) return message;
  const reason = message.replace(/, [a-z]+(?: '[^]*')?$/, "");
  const code = codeOf(error);
  return code === undefined || reason.includes(code) ? reason : `${code}: ${reason}`;
}

/** An error as `--json` prints it, on every command. */
export interface ErrorReport {
  /** The kind of error, such as `StoreLockedError`. */
  readonly name: string;
  /** The message of standard error. */
  readonly message: string;
  /** Its code by the system, such as `ENOSPC`, if it came from the system. */
  readonly code?: string;
}

/**
 * An error for a program.
 *
 * @param error The error.
 */
export function reportOf(error: unknown): ErrorReport {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, cause } = error;
  return { name, message, code: codeOf(error) ?? (cause ? codeOf(cause) : undefined) };
}
