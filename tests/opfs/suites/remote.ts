/**
 * Stands in for `src/blob_store/blob_store.ts` where the suites of the blob store run through a
 * port: what is opened is served there, and used from here.
 *
 * @module
 */

import { RemoteBlobStore, serveBlobStore } from "../../../backends/opfs/mod.ts";
import type { BackingStore } from "../../../src/arena/backing_store.ts";
import { BlobStore as CoreStore } from "../../../src/blob_store/blob_store.ts";
import type { BlobStoreOptions } from "../../../src/blob_store/types.ts";

/** Opens a store, and returns it as the other side of a port has it. */
export const BlobStore = {
  async open(store: BackingStore, options?: BlobStoreOptions): Promise<RemoteBlobStore> {
    const { port1, port2 } = new MessageChannel();
    serveBlobStore(CoreStore.open(store, options), port1);
    return await RemoteBlobStore.connect(port2);
  },
};
