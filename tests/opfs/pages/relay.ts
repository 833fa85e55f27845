/**
 * The shared worker of the pages of these tests: it passes ports between their workers.
 *
 * @module
 */

import { relayTabs } from "../../../backends/opfs/mod.ts";

relayTabs();
