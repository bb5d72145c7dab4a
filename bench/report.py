#!/usr/bin/env python3
"""Prints the results of a run of criterion as Markdown tables.

    cargo bench --bench codec && python3 bench/report.py
    python3 bench/report.py path/to/target

Times are medians. Of what is ours a row has the time; of every floor and of every other
implementation it has the time and how many times longer ours takes. Results that are more than an
hour older than the newest of their group are of another run and left out.
"""

import json
import os
import pathlib
import sys

HOUR = 3600


def read(folder):
    """{group: {row: {name: (ns, age, elements)}}} in the order of measuring."""
    groups = {}
    files = sorted(folder.glob("criterion/**/new/benchmark.json"), key=lambda p: p.stat().st_mtime)
    for file in files:
        about = json.loads(file.read_text())
        estimates = json.loads((file.parent / "estimates.json").read_text())
        throughput = about.get("throughput") or {}
        row = about["function_id"], about["value_str"]
        if None in row:
            continue
        rows = groups.setdefault(about["group_id"], {})
        rows.setdefault(row[0], {})[row[1]] = (
            estimates["median"]["point_estimate"],
            file.stat().st_mtime,
            throughput.get("Elements", 1),
        )
    for rows in groups.values():
        newest = max(time for cells in rows.values() for _, time, _ in cells.values())
        for cells in rows.values():
            for name in [name for name, cell in cells.items() if cell[1] < newest - HOUR]:
                del cells[name]
    return groups


def time(ns):
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if ns >= 10 * size:
            return f"{ns / size:,.0f} {unit}"
        if ns >= size:
            return f"{ns / size:.2f} {unit}"
    return f"{ns:.0f} ns" if ns >= 100 else f"{ns:.1f} ns"


def table(title, rows):
    names = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    own = [name for name in names if name.startswith("ours")]
    others = [name for name in names if name not in own]
    print(f"\n### {title}\n")
    print("| " + " | ".join(["", *own, *others]) + " |")
    print("| --- |" + " ---: |" * len(names))
    for row, cells in rows.items():
        line = [row]
        elements = max((cell[2] for cell in cells.values()), default=1)
        for name in own:
            line.append(time(cells[name][0]) if name in cells else "")
            if name in cells and elements > 1:
                line[-1] += f" ({time(cells[name][0] / elements)} each)"
        mine = [cells[name][0] for name in own if name in cells]
        for name in others:
            if name not in cells or not mine:
                line.append("")
                continue
            # The first of ours: a text that is shared.
            line.append(f"{time(cells[name][0])} (× {mine[0] / cells[name][0]:.2f})")
        print("| " + " | ".join(line) + " |")


def main():
    default = os.environ.get("CARGO_TARGET_DIR", "target")
    groups = read(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default))
    if not groups:
        sys.exit("no results: run `cargo bench` first, or name the target directory")
    for title, rows in groups.items():
        table(title, rows)


if __name__ == "__main__":
    main()
