/**
 * The suites that run in a dedicated worker of a browser, over its private files: those of the
 * blob store, with stand-ins for memory, paths and the test library.
 *
 * @module
 */

import { runSuites } from "./run_suites.ts";

runSuites({
  opfs: () => import("../opfs_test.ts"),
  blob_source_store: () => import("../blob_source_store_test.ts"),
  remote_blob_store: () => import("../remote_blob_store_test.ts"),
  blob_store: () => import("../../blob_store/blob_store_test.ts"),
  streams: () => import("../../blob_store/streams_test.ts"),
  commit: () => import("../../blob_store/commit_test.ts"),
  full_disk: () => import("../../blob_store/full_disk_test.ts"),
  failures: () => import("../../blob_store/failures_test.ts"),
  compaction: () => import("../../blob_store/compaction_test.ts"),
});
