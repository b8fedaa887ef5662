// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vite";

export default defineConfig({
  // Relative, so that the report also works below a prefix of a reverse proxy.
  base: "./",
  build: {
    outDir: "../wsgiapm/report/static",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    // The Content-Security-Policy allows files of our own origin and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": "http://127.0.0.1:4318", "/login": "http://127.0.0.1:4318" } },
});
