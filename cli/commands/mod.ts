/**
 * All commands, in the order of the help.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { blobCommands } from "./blob_commands.ts";
import { compareCommand } from "./compare_command.ts";
import { completionCommand } from "./completion_command.ts";
import { storeCommands } from "./store_commands.ts";
import { transferCommands } from "./transfer_commands.ts";

/** All commands. */
export function allCommands(): readonly Command[] {
  return [
    ...blobCommands,
    ...storeCommands,
    ...transferCommands,
    compareCommand,
    completionCommand(allCommands),
  ];
}
