// bun only: scripts are Bun's
import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { spfReport } from "../../scripts/spf_report.ts";
import { suiteMissing } from "../support/spf_suite.ts";

const skipped = suiteMissing === undefined ? "" : `: skipped, ${suiteMissing}`;
test.skipIf(suiteMissing !== undefined)(
  `the page of spf shows the report as it is made now${skipped}`,
  async () => {
    const page = readFileSync(new URL("../../docs/plugins/spf.md", import.meta.url), "utf8");
    const report = await spfReport();
    expect(report).toContain("| **all** | 203 | 203 | 105 |");
    expect(page).toContain(report);
  },
);
