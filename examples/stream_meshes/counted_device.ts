/**
 * A device that counts what is asked of it.
 *
 * @module
 */

import type { GpuDeviceLike } from "@suballoc/offset-allocator/webgpu";

/** What was asked of a device. */
export interface DeviceCounts {
  /** Buffers made. */
  made: number;
  /** Calls of `writeBuffer`. */
  writes: number;
  /** Bytes written by them. */
  bytesWritten: number;
}

/** The part of a device that an arena uses, counted. An arena asks for no more than this. */
export function countedDevice(device: GPUDevice): {
  device: GpuDeviceLike<GPUBuffer>;
  counts: DeviceCounts;
} {
  const counts: DeviceCounts = { made: 0, writes: 0, bytesWritten: 0 };
  const { queue } = device;
  return {
    counts,
    device: {
      limits: device.limits,
      lost: device.lost,
      queue: {
        writeBuffer: (buffer, offset, data, start, size) => {
          counts.writes++;
          counts.bytesWritten += size ?? data.length;
          queue.writeBuffer(buffer, offset, data, start, size);
        },
        submit: (commandBuffers) => queue.submit(commandBuffers),
        onSubmittedWorkDone: () => queue.onSubmittedWorkDone(),
      },
      createBuffer: (descriptor) => {
        counts.made++;
        return device.createBuffer(descriptor);
      },
      createCommandEncoder: () => device.createCommandEncoder(),
      pushErrorScope: (filter) => device.pushErrorScope(filter),
      popErrorScope: () => device.popErrorScope(),
    },
  };
}
