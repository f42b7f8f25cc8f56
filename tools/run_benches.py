#!/usr/bin/env python3
"""Runs every bench program, shows its tables and keeps them under build/bench/; fails when a gate is missed."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = PROJECT / "build/release/bin"
RESULTS = PROJECT / "build/bench"


def run(command: list[str], result: Path) -> int:
    """Runs a command, printing what it says while it says it, and keeping a copy."""
    with result.open("w", encoding="utf-8") as copy, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            copy.write(line)
    return process.returncode


def main() -> int:
    RESULTS.mkdir(parents=True, exist_ok=True)
    programs = [source.stem for source in sorted((PROJECT / "benches").glob("*.cpp"))]
    commands = {name: [str(PROGRAMS / name)] for name in programs}
    commands["instruction_gates"] = [sys.executable, str(PROJECT / "tools/instruction_gates.py")]
    failed = [name for name, command in commands.items() if run(command, RESULTS / f"{name}.txt") != 0]
    if failed:
        print(f"gates missed or programs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
