/**
 * The metrics' text, as Prometheus reads it.
 */
import { expect, test } from "bun:test";
import { Metrics } from "../../src/policy/metrics.ts";

test("a counter, a reading and a histogram", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("a_total", "Counts a.", ["kind", "text"]);
  counter.add("x", 'quote " and \\ and\nline');
  counter.add("x", 'quote " and \\ and\nline');
  counter.add("y", "");
  metrics.reading("gauge", "b", "Reads b.", () => [{ value: 7 }, { labels: { of: "c" }, value: 0.5 }]);
  const seconds = metrics.histogram("c_seconds", "Times c.", ["of"]);
  for (const value of [0.00005, 0.0001, 0.7, 100]) seconds.of("d").observe(value);
  expect(metrics.text()).toBe(
    `# HELP a_total Counts a.
# TYPE a_total counter
a_total{kind="x",text="quote \\" and \\\\ and\\nline"} 2
a_total{kind="y",text=""} 1
# HELP b Reads b.
# TYPE b gauge
b 7
b{of="c"} 0.5
# HELP c_seconds Times c.
# TYPE c_seconds histogram
c_seconds_bucket{of="d",le="0.0001"} 2
c_seconds_bucket{of="d",le="0.001"} 2
c_seconds_bucket{of="d",le="0.01"} 2
c_seconds_bucket{of="d",le="0.1"} 2
c_seconds_bucket{of="d",le="0.5"} 2
c_seconds_bucket{of="d",le="1"} 3
c_seconds_bucket{of="d",le="2.5"} 3
c_seconds_bucket{of="d",le="5"} 3
c_seconds_bucket{of="d",le="10"} 3
c_seconds_bucket{of="d",le="30"} 3
c_seconds_bucket{of="d",le="+Inf"} 4
c_seconds_sum{of="d"} ${0.00005 + 0.0001 + 0.7 + 100}
c_seconds_count{of="d"} 4
`,
  );
});

test("the same name is the same metric", () => {
  const metrics = new Metrics();
  metrics.counter("a_total", "Counts a.").add();
  metrics.counter("a_total", "Counts a.").add();
  expect(metrics.text()).toContain("\na_total 2\n");
});

test("labels from the wire are bounded: past the bound all others are counted together", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("a_total", "Counts a.", ["zone"], 3);
  for (let i = 0; i < 10; i++) counter.add(`zone-${i}`);
  const lines = metrics.text().trim().split("\n").slice(2);
  expect(lines).toEqual([
    'a_total{zone="zone-0"} 1',
    'a_total{zone="zone-1"} 1',
    'a_total{zone="zone-2"} 1',
    'a_total{zone="other"} 7',
  ]);
});
