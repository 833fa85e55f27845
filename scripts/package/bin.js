#!/usr/bin/env node
import { run } from "../esm/cli/mod.js";

run();
