/**
 * Suites of the blob store that run through a port: the store is in a worker, and what the tests
 * use is a `RemoteBlobStore`.
 *
 * @module
 */

import { runSuites } from "./run_suites.ts";

runSuites({
  "blob_store through a port": () => import("../../blob_store/blob_store_test.ts"),
  "streams through a port": () => import("../../blob_store/streams_test.ts"),
});
