#!/usr/bin/env python3
"""Runs clang-tidy over every file of a compile database: check_lint.py [BUILD_FOLDER]; what for, .clang-tidy says.

A file is looked at again only when it, a header of ours that it reaches, its command or .clang-tidy has changed.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from source_tree import report

LINTER = "clang-tidy-19"
PROJECT = Path(__file__).resolve().parent.parent

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)
_FINDING = re.compile(r"^(/.+?):(\d+):\d+: (?:error|warning): (.*)", re.MULTILINE)


def problems(root: Path, build: Path) -> list[str]:
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    remembered = build / "lint_results.json"
    clean = json.loads(remembered.read_text(encoding="utf-8")) if remembered.exists() else {}
    keys = {entry["file"]: _key(root, entry) for entry in entries}
    # The largest first: the last one to end should be a short one.
    due = sorted((file for file, key in keys.items() if clean.get(file) != key), key=_weight, reverse=True)
    with ThreadPoolExecutor(max_workers=int(os.environ.get("JOBS", os.cpu_count() or 1))) as linters:
        results = dict(zip(due, linters.map(lambda file: _lint(root, build, file), due), strict=True))
    remembered.write_text(json.dumps({file: key for file, key in keys.items() if not results.get(file)}, indent=1),
                          encoding="utf-8")
    return sorted({finding for findings in results.values() for finding in findings})


def _lint(root: Path, build: Path, file: str) -> list[str]:
    done = subprocess.run([LINTER, "--quiet", f"--config-file={root / '.clang-tidy'}", "-p", str(build), file],
                          capture_output=True, text=True, check=False)
    found = [f"{Path(name).relative_to(root) if Path(name).is_relative_to(root) else name}:{line}: {message}"
             for name, line, message in _FINDING.findall(done.stdout)]
    if done.returncode != 0 and not found:
        return [f"{file}:1: {LINTER} failed with {done.returncode}: {done.stderr.strip()[-500:]}"]
    return found


def _weight(file: str) -> int:
    """A file that CMake made of many others takes longest."""
    return 0 if "/Unity/" not in file else 1


def _key(root: Path, entry: dict) -> str:
    command = shlex.split(entry["command"])
    folders = [Path(part.removeprefix("-I")) for part in command if part.startswith("-I")]
    digest = hashlib.sha256(entry["command"].encode())
    digest.update((root / ".clang-tidy").read_bytes())
    for file in sorted(_reached(root, Path(entry["file"]), folders)):
        digest.update(str(file).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _reached(root: Path, first: Path, folders: list[Path]) -> set[Path]:
    """The file and every file of the project that it includes, directly or not."""
    reached, waiting = set(), [first]
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        for include in _INCLUDE.findall(file.read_text(encoding="utf-8")):
            candidates = [folder / include for folder in (file.parent, *folders)]
            waiting += [path for path in candidates if path.is_file() and path.is_relative_to(root)][:1]
    return reached


if __name__ == "__main__":
    sys.exit(report("lint", problems(PROJECT, (PROJECT / (sys.argv[1] if len(sys.argv) > 1 else "build/lint")))))
