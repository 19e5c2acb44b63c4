/** Tables for the terminal and, in Markdown, for docs/benchmarks.md. */

export interface Table {
  readonly title: string;
  /** What was done, in a sentence. */
  readonly note: string;
  /** Headings; the first is that of the row names. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** The figures of one contender, or the reason why there are none. */
export type Row =
  | { readonly title: string; readonly cells: readonly string[] }
  | { readonly title: string; readonly absent: string };

export function plain(table: Table): string {
  const rows = table.rows.filter((row) => "cells" in row).map((row) => [row.title, ...row.cells]);
  const widths = table.columns.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]!.length))
  );
  const first = Math.max(widths[0]!, ...table.rows.map((row) => row.title.length));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => column === 0 ? cell.padEnd(first) : cell.padStart(widths[column]!)).join(
      "  ",
    );
  return [
    table.title,
    table.note,
    "",
    line(table.columns),
    ...table.rows.map((row) =>
      "cells" in row ? line([row.title, ...row.cells]) : `${row.title.padEnd(first)}  (${row.absent})`
    ),
  ].join("\n");
}

export function markdown(table: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    `### ${table.title}`,
    "",
    table.note,
    "",
    line(table.columns),
    line(table.columns.map((_, column) => column === 0 ? "---" : "---:")),
    ...table.rows.map((row) =>
      line([
        row.title,
        ...("cells" in row ? row.cells : [row.absent, ...table.columns.slice(2).map(() => "")]),
      ])
    ),
  ].join("\n");
}

/** A number with so many decimals, or a dash where there is none. */
export function number(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : "–";
}

/** A ratio as `1.25 ×`. */
export function times(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(value < 10 ? 2 : 1)} ×` : "–";
}
