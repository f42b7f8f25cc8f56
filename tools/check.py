#!/usr/bin/env python3
"""Runs every check on the project, or on the folder given: check.py [FOLDER]; exits 1 when one finds something."""

import sys
from pathlib import Path

import check_documents
import check_format
import check_house
import check_layers
import check_words
from source_tree import report

CHECKS = {
    "format": check_format,
    "layers": check_layers,
    "house": check_house,
    "words": check_words,
    "documents": check_documents,
}


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    return max(report(title, check.problems(root)) for title, check in CHECKS.items())


if __name__ == "__main__":
    sys.exit(main())
