/**
 * A port for a server that is about to start.
 *
 * @module
 */

/** A port that nobody listens to. */
export function freePort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}
