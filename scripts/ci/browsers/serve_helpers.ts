/**
 * Serves a page that can start workers which do what they are told with blob stores.
 *
 * @module
 */

import type { Serve } from "../browser/isolated_server.ts";
import { bundleWorker } from "./bundle_worker.ts";

/** What there is at `/helpers`, and what that page needs. */
export async function serveHelpers(): Promise<Serve> {
  const worker = await bundleWorker("tests/opfs/pages/worker.ts");
  const relay = await bundleWorker("tests/opfs/pages/relay.ts");
  const page = await bundleWorker("tests/opfs/pages/page.ts");
  return ({ pathname }) => {
    if (pathname === "/worker.js") return { type: "text/javascript", body: worker };
    if (pathname === "/relay.js") return { type: "text/javascript", body: relay };
    if (pathname === "/page.js") return { type: "text/javascript", body: page };
    if (pathname !== "/helpers") return undefined;
    const body =
      `<!doctype html><title>Helpers</title><script type="module" src="/page.js"></script>`;
    return { type: "text/html", body };
  };
}
