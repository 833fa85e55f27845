/**
 * Completion of command lines in a shell, made from the descriptions of the commands.
 *
 * @module
 */

import { type Command, COMMON, PROGRAM } from "./command.ts";

/** Other names of the program. */
const ALIASES = ["offset-allocator"];

/** Shells that can be served. */
export const SHELLS = ["bash", "zsh"] as const;

/**
 * A script that completes names of commands, options and files.
 *
 * @param shell The shell that reads it.
 * @param commands All commands.
 */
export function completionFor(
  shell: typeof SHELLS[number],
  commands: readonly Command[],
): string {
  const names = [PROGRAM, ...ALIASES].join(" ");
  return shell === "bash" ? bash(names, commands) : zsh(names, commands);
}

function bash(names: string, commands: readonly Command[]): string {
  const cases = commands.map((command) =>
    `    ${command.name}) options="${optionsOf(command).map(([name]) => name).join(" ")}" ;;`
  );
  return `# Completion for bash: source this file, or put it where bash-completion looks.
_${PROGRAM}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" options=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${wordsOf(commands)}" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
  esac
}
complete -o default -F _${PROGRAM} ${names}
`;
}

function zsh(names: string, commands: readonly Command[]): string {
  const quote = (text: string) => `'${text.split("'").join("'\\''")}'`;
  const described = commands.map(({ name, summary }) => `      ${quote(`${name}:${summary}`)}`);
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map(([name, help, value]) => {
      const text = help.replace(/[\[\]:\\]/g, "\\$&");
      return quote(`${name}${value === undefined ? "" : "="}[${text}]${value ? `:${value}:` : ""}`);
    });
    return `      ${command.name}) _arguments ${[...specs, "'*:file:_files'"].join(" ")} ;;`;
  });
  return `#compdef ${names}
# Completion for zsh: put this file into a folder of $fpath as _${PROGRAM}, or source it.
_${PROGRAM}() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${described.join("\n")}
    )
    _describe command commands
  else
    case "$words[2]" in
${cases.join("\n")}
    esac
  fi
}
compdef _${PROGRAM} ${names}
`;
}

function wordsOf(commands: readonly Command[]): string {
  return [...commands.map(({ name }) => name), "--help", "--version"].join(" ");
}

/** The options of a command, each with its purpose and the name of its value. */
function optionsOf(command: Command): [name: string, help: string, value?: string][] {
  return Object.entries({ ...command.options, ...COMMON })
    .map(([name, { help, value }]) => [`--${name}`, help, value?.replace(/[[\]:]/g, " ")]);
}
