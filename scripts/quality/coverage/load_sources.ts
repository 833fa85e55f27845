/**
 * Loads the modules named on the command line, so that one which no test imports is counted.
 *
 * @module
 */

for (const path of Deno.args) await import(new URL(`../../${path}`, import.meta.url).href);
