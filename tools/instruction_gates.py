#!/usr/bin/env python3
"""Instructions, allocations and bytes of every hot path against benches/ceilings.json; fails above a ceiling.

Instructions are callgrind's, as the difference of two run lengths: the same figure on a busy machine as on an idle one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CEILINGS = PROJECT / "benches/ceilings.json"
LENGTHS = (1000, 2000)
MEASURED = "measured_"


def output_of(command: list[str]) -> str:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def inclusive_costs(profile: Path) -> Counter:
    """Instructions of each measured function and all it called, by row."""
    costs, called = Counter(), ""
    lines = iter(profile.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith("cfn="):
            called = line.removeprefix("cfn=")
        elif line.startswith("calls="):
            cost = int(next(lines).split()[-1])
            if called.startswith(MEASURED) and called.endswith("(long)"):
                costs[called.removeprefix(MEASURED).removesuffix("(long)")] += cost
    return costs


def count_instructions(program: Path) -> dict[str, float]:
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for length in LENGTHS:
            profile = Path(folder) / f"{length}.profile"
            output_of(["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={MEASURED}*(long)",
                       "--compress-strings=no", f"--callgrind-out-file={profile}", str(program), str(length)])
            costs.append(inclusive_costs(profile))
    short, long = costs
    return {row: (long[row] - short[row]) / (LENGTHS[1] - LENGTHS[0]) for row in output_of([str(program)]).split()}


def count_allocations(program: Path) -> dict[str, dict[str, float]]:
    counts = {"allocations": {}, "bytes": {}}
    for line in output_of([str(program)]).splitlines():
        kind, row, count = line.split()
        counts[kind][row] = int(count)
    return counts


def differences(rows: dict[str, float], ceilings: dict) -> dict[str, float]:
    """Rows that are the difference of two others: what one stage adds to a pipeline."""
    return {row: rows[entry["of"]] - rows[entry["without"]] for row, entry in ceilings.items() if "of" in entry}


def report(title: str, rows: dict[str, float], ceilings: dict) -> list[str]:
    """Prints a table and returns what is wrong with it. A row without a ceiling is wrong, and so is the reverse."""
    missed = []
    print(f"\n{title:<28}{'measured':>10}{'ceiling':>10}")
    for row in rows | ceilings:
        if row not in rows or row not in ceilings:
            missed.append(f"{row} is {'not measured' if row in ceilings else 'without a ceiling'}")
            continue
        ceiling = ceilings[row]["ceiling"]
        verdict = "" if ceiling is None else ("ok" if rows[row] <= ceiling else "ABOVE")
        print(f"{row:<28}{rows[row]:>10.6g}{'-' if ceiling is None else ceiling:>10}  {verdict}")
        if verdict == "ABOVE":
            missed.append(f"{row}: {rows[row]:.6g} {title}, ceiling {ceiling}")
        # A loop whose work the compiler took out costs two or three instructions.
        if title == "instructions" and rows[row] < 5:
            missed.append(f"{row}: {rows[row]:.6g} instructions: its work is gone")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, default=PROJECT / "build/release/bin")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    arguments = parser.parse_args()
    ceilings = json.loads(CEILINGS.read_text(encoding="utf-8"))
    measured = {"instructions": count_instructions(arguments.programs / "instruction_counts"),
                **count_allocations(arguments.programs / "allocation_counts")}
    measured["instructions"] |= differences(measured["instructions"], ceilings["instructions"])
    missed = [problem for title, rows in measured.items() for problem in report(title, rows, ceilings[title])]
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    for problem in missed:
        print(f"gate missed: {problem}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
