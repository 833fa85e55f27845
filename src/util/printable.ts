/**
 * Text that is safe to print.
 *
 * @module
 */

/** Characters that move the cursor, change colours or the direction of writing. */
const CONTROLS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/**
 * A text as one line that does nothing to a terminal: a key or a label may hold
 * anything, an escape sequence too.
 *
 * @param text The text.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, (control) => {
    const code = control.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
  });
}
