#!/usr/bin/env python3
"""Whether docs/performance.md says what was measured: check_measured.py COUNTS [DOCUMENT].

COUNTS is what `instruction_gates.py --json` wrote. A row of the document names its row there as `breaker_healthy`;
the cell behind it is what was measured, and may differ by a fiftieth: another C library counts a little differently.
"""

import json
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
NEAR = 0.02
_ROW = re.compile(r"^\|[^|]*\| `(\w+)` \| ([\d.,]+) \|", re.MULTILINE)


def problems(counts: dict[str, dict[str, float]], document: str) -> list[str]:
    found = []
    for title in ("instructions", "bytes"):
        section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL | re.IGNORECASE)
        said = {row: float(figure.replace(",", "")) for row, figure in _ROW.findall(section[1] if section else "")}
        found += [f"{title}: `{row}` is {said.get(row, 'missing')}, measured {figure:.6g}"
                  for row, figure in counts[title].items()
                  if row not in said or abs(said[row] - figure) > NEAR * figure]
        found += [f"{title}: `{row}` is not measured" for row in said if row not in counts[title]]
    return found


def main() -> int:
    document = Path(sys.argv[2]) if len(sys.argv) > 2 else PROJECT / "docs/performance.md"
    counts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    found = problems(counts, document.read_text(encoding="utf-8"))
    for problem in found:
        print(f"{document.name}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
