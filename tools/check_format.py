"""Every C++ file is formatted as .clang-format says, by version 19 of clang-format."""

import re
import subprocess
from pathlib import Path

from source_tree import CPP, project_files

FORMATTER = "clang-format-19"


def problems(root: Path) -> list[str]:
    files = [str(path) for path in project_files(root) if path.suffix in CPP]
    if not files:
        return []
    style = f"--style=file:{root / '.clang-format'}"
    run = subprocess.run([FORMATTER, "--dry-run", style, *files], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return [run.stderr.strip() or f"{FORMATTER} failed with {run.returncode}"]
    unformatted = {}
    for match in re.finditer(r"^(.+?):(\d+):\d+: warning: code should be clang-formatted", run.stderr, re.MULTILINE):
        unformatted.setdefault(match.group(1), match.group(2))
    return [f"{Path(name).relative_to(root)}:{line}: not formatted; run {FORMATTER} -i on it"
            for name, line in unformatted.items()]
