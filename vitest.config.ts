import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      // Some type-check or bundle a project: a busy machine takes longer than the five seconds that vitest allows.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      // Real parts: miniflare's D1, Durable Objects, R2 and loaded isolates.
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      // The whole backend as a black box, driven by the official clients and the official CLI.
      {
        test: {
          name: "compat",
          include: ["test/compat/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: ["test/support/build.ts"],
        },
      },
      // The Node service for "use node" actions, real processes and all.
      {
        test: {
          name: "node",
          include: ["test/node-actions/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          globalSetup: ["test/support/node-service/build.ts"],
        },
      },
      // The example's page in the system's Chromium: `npm run test:browser`.
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          globalSetup: ["test/support/build.ts"],
          maxWorkers: 1,
        },
      },
      // Crashes, two writers at once, faults and load: minutes, and both cores. One file at a time, after all others.
      {
        test: {
          name: "proof",
          include: ["test/proof/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          globalSetup: ["test/support/build.ts"],
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
        },
      },
    ],
    maxWorkers: 2,
  },
});
