"""What all checks share: which files belong to the project, how a problem is printed, how C++ is stripped."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

CPP = {".cpp", ".hpp"}
IGNORED_FOLDERS = {".git", "build", "node_modules", "__pycache__"}

# In this order, so that a quote inside a comment and a comment inside a string are both taken for what they are.
_CPP_TEXT = re.compile(
    r'R"(?P<raw>[^()\\\s]{0,16})\(.*?\)(?P=raw)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'"
    r"|//[^\n]*"
    r"|/\*.*?\*/",
    re.DOTALL,
)


def project_files(root: Path) -> list[Path]:
    """Every file that is or may be committed: git's answer in a clone; without git, all but what builds leave."""
    listing = None
    if (root / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(
            ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            check=False, capture_output=True, text=True)
    if listing and listing.returncode == 0:
        found = [root / name for name in listing.stdout.split("\0") if name]
    else:
        found = list(root.rglob("*"))
    inside = (path for path in found if not IGNORED_FOLDERS & set(path.relative_to(root).parts[:-1]))
    return sorted(path for path in inside if path.is_file())


def text_of(path: Path) -> str | None:
    """The file's text, or None when it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def without_comments_and_strings(code: str) -> str:
    """C++ with comments and literals blanked out; line numbers stay what they were."""
    def blank(match: re.Match) -> str:
        text = match.group(0)
        newlines = "\n" * text.count("\n")
        return newlines if text.startswith("/") else '""' + newlines
    return _CPP_TEXT.sub(blank, code)


def line_of(text: str, offset: int) -> int:
    """The line, from 1, in which a character stands."""
    return text.count("\n", 0, offset) + 1


def report(title: str, problems: list[str]) -> int:
    """Prints the problems, or one line that says there are none; the exit status of a check."""
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{title}: {'ok' if not problems else f'{len(problems)} problems'}", flush=True)
    return 1 if problems else 0
