/** What scripts/junit.ts reads of the two runners' reports. */
import { describe, expect, test } from "bun:test";
import { readReport } from "../../scripts/junit.ts";

describe("a report of Bun", () => {
  const cases = readReport(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4" failures="2" skipped="1">
  <testsuite name="test/a.test.ts" file="test/a.test.ts" tests="4">
    <testsuite name="outer &lt;x&gt;" file="test/a.test.ts" line="2">
      <testcase name="one &quot;1&quot;" classname="outer" file="test/a.test.ts" line="3" />
      <testsuite name="inner" file="test/a.test.ts" line="4">
        <testcase name="two" classname="inner" file="test/a.test.ts" line="5">
          <failure type="AssertionError" message="short">Error: 1 &lt; 2&#10;      at a.test.ts:5:76&#10;</failure>
        </testcase>
      </testsuite>
      <testcase name="hang" classname="outer" file="test/a.test.ts" line="9">
        <failure type="TimeoutError" message="test timed out" />
      </testcase>
    </testsuite>
    <testcase name="later" classname="" file="test/a.test.ts" time="0" line="12">
      <skipped message="TODO" />
    </testcase>
  </testsuite>
</testsuites>`);

  test("each case has its file, its groups, its outcome and its error", () => {
    const file = "test/a.test.ts";
    expect(cases).toEqual([
      { file, name: 'outer <x> > one "1"', outcome: "passed", detail: "" },
      {
        file,
        name: "outer <x> > inner > two",
        outcome: "failed",
        detail: "Error: 1 < 2\n      at a.test.ts:5:76\n",
      },
      { file, name: "outer <x> > hang", outcome: "failed", detail: "test timed out" },
      { file, name: "later", outcome: "skipped", detail: "" },
    ]);
  });
});

describe("a report of Deno", () => {
  const cases = readReport(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="1" time="0.635">
    <testsuite name="./test/support/bun_test_deno.ts" tests="4" disabled="1" errors="1" failures="1">
        <testcase name="test/a.test.ts &gt; outer &gt; one" classname="./x.ts" time="0.002" line="1" col="2">
        </testcase>
        <testcase name="test/a.test.ts &gt; two" classname="./x.ts" time="0.006" line="1" col="2">
            <failure message="Uncaught Error: x">Error: x
    at a.test.ts:15:49</failure>
        </testcase>
        <testcase name="test/b.test.ts &gt; three" classname="./x.ts" time="0.000" line="1" col="2">
            <skipped/>
        </testcase>
        <testcase name="test/b.test.ts &gt; four" classname="./x.ts" time="0.000" line="2" col="6">
            <error message="Cancelled"/>
        </testcase>
        <testcase name="test/b.test.ts &gt; five" classname="./x.ts" line="3" col="6">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>`);

  test("the file is cut off the name; a test cancelled or never come to has failed", () => {
    expect(cases).toEqual([
      { file: "test/a.test.ts", name: "outer > one", outcome: "passed", detail: "" },
      { file: "test/a.test.ts", name: "two", outcome: "failed", detail: "Error: x\n    at a.test.ts:15:49" },
      { file: "test/b.test.ts", name: "three", outcome: "skipped", detail: "" },
      { file: "test/b.test.ts", name: "four", outcome: "failed", detail: "Cancelled" },
      { file: "test/b.test.ts", name: "five", outcome: "failed", detail: "Cancelled" },
    ]);
  });
});
