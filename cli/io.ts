/**
 * Input and output of a command.
 *
 * @module
 */

/** Standard output or standard error. */
export interface CommandOutput {
  /** Columns of the terminal; `undefined` where it is none. */
  readonly columns?: number;
  /** True if a terminal shows colours and moves its cursor. */
  readonly styled?: boolean;
  /** Resolves once more may be written. */
  write(data: string | Uint8Array): void | Promise<void>;
}

/** Input and output of a command. */
export interface CommandIO {
  /** Standard input. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Where results go. */
  readonly stdout: CommandOutput;
  /** Where messages and progress go. */
  readonly stderr: CommandOutput;
  /** True if a person at a terminal answers questions on standard input. */
  readonly interactive?: boolean;
  /** Ends long work early. */
  readonly signal?: AbortSignal;
}
