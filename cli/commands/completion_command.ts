/**
 * The command that helps a shell: completion.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { completionFor, SHELLS } from "../completion.ts";
import { UsageError } from "../errors.ts";

/**
 * Makes the command `completion`.
 *
 * @param commands All commands, itself among them.
 */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    operands: "<bash|zsh>",
    summary: "Print a script that completes commands, options and files.",
    examples: [
      ["source <(blobs completion bash)", "completes in this shell, bash"],
      ["blobs completion zsh > ~/.zfunc/_blobs", "completes in zsh, with ~/.zfunc in $fpath"],
    ],
    async run(invocation) {
      const [given] = invocation.operands;
      const shell = SHELLS.find((name) => name === given);
      if (shell === undefined) {
        throw new UsageError(`<bash|zsh> must be one of these, got ${JSON.stringify(given)}`);
      }
      const script = completionFor(shell, commands());
      if (invocation.flag("json")) await invocation.printJson({ shell, script });
      else await invocation.print(script.trimEnd());
      return 0;
    },
  };
}
