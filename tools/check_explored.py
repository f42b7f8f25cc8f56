#!/usr/bin/env python3
"""Whether the table of docs/exploring.md says what `explore` printed: check_explored.py OUTPUT [DOCUMENT].

A row begins with the name of its part, up to a colon; behind it stand tests, states, interleavings and mutants.
"""

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_TEST = re.compile(r"^  \S.*? +(\d+) states +(\S+) interleavings  complete")
_MUTANT = re.compile(r"^  mutant: .* caught: ")
_PART = re.compile(r"^[a-z][a-z ,-]*$")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def printed(output: str) -> dict[str, list[str]]:
    """What the cells of each part's row have to say."""
    parts: dict[str, list] = {}
    for line in output.splitlines():
        if _PART.match(line):
            counts = parts[line] = [0, 0, 0.0, 0]
        elif test := _TEST.match(line):
            counts[0], counts[1], counts[2] = counts[0] + 1, counts[1] + int(test[1]), counts[2] + float(test[2])
        elif _MUTANT.match(line):
            counts[3] += 1
    return {part: [str(tests), f"{states:,}", _rounded(interleavings), str(mutants)]
            for part, (tests, states, interleavings, mutants) in parts.items()}


def _rounded(count: float) -> str:
    digits, exponent = f"{count:.1e}".split("e")
    return f"{digits} · 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def written(document: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in document.splitlines()
            if line.startswith("| ")]
    return {row[0].split(":")[0]: row[1:] for row in rows[1:]}


def problems(output: str, document: str) -> list[str]:
    table, counts = written(document), printed(output)
    found = [f"{part}: the document says {table.get(part)}, explore printed {cells}"
             for part, cells in counts.items() if table.get(part) != cells]
    return found + [f"{part}: not a part that explore knows" for part in table if part not in counts]


def main() -> int:
    document = Path(sys.argv[2]) if len(sys.argv) > 2 else PROJECT / "docs/exploring.md"
    found = problems(Path(sys.argv[1]).read_text(encoding="utf-8"), document.read_text(encoding="utf-8"))
    for problem in found:
        print(f"{document.name}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
