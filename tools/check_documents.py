"""What documents point at exists: relative links and their anchors, make targets, presets, paths."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

from source_tree import line_of, project_files

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)|!\[[^\]]*\]\(([^)\s]+)[^)]*\)")
_FENCE = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^|(?<=\n))(?: {4}|\t)[^\n]*")
_SPAN = re.compile(r"`([^`\n]+)`")
_MAKE = re.compile(r"(?<![\w-])make ((?:[A-Z_]+=\S+ )*)([a-z][a-z-]*)")
_PRESET = re.compile(r"--preset[ =]([\w-]+)")
_PATH = re.compile(r"[\w.+-]+(?:/[\w.+-]+)+/?")


def problems(root: Path) -> list[str]:
    found = []
    targets = _make_targets(root)
    presets = _presets(root)
    for path in project_files(root):
        if path.suffix != ".md":
            continue
        name, text = path.relative_to(root), path.read_text(encoding="utf-8")
        prose = _SPAN.sub(lambda match: " " * len(match.group(0)), _FENCE.sub(_newlines_only, text))
        for match in _LINK.finditer(prose):
            reason = _bad_link(path, root, match.group(1) or match.group(2))
            if reason:
                found.append(f"{name}:{line_of(prose, match.start())}: {reason}")
        for line, code in _code_in(text):
            found += [f"{name}:{line}: {reason}" for reason in _bad_names(root, code, targets, presets)]
    return found


def _newlines_only(match: re.Match) -> str:
    return "\n" * match.group(0).count("\n")


def _bad_link(document: Path, root: Path, link: str) -> str | None:
    if re.match(r"[a-z][a-z+.-]*:", link):
        return None
    target_name, _, anchor = unquote(link).partition("#")
    target = (document.parent / target_name) if target_name else document
    if not target.exists():
        return f"link to '{link}': there is no such file"
    if not target.resolve().is_relative_to(root.resolve()):
        return f"link to '{link}' leaves the project"
    if anchor and target.suffix == ".md" and anchor not in _anchors(target.read_text(encoding="utf-8")):
        return f"link to '{link}': there is no such heading"
    return None


def _anchors(text: str) -> set[str]:
    """Headings as GitHub turns them into anchors."""
    found = set()
    for match in re.finditer(r"^#{1,6}\s+(.*?)\s*#*$", _FENCE.sub("", text), re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match.group(1)).lower()
        slug = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        repeated = sum(1 for other in found if other == slug or re.fullmatch(re.escape(slug) + r"-\d+", other))
        found.add(f"{slug}-{repeated}" if repeated else slug)
    return found


def _code_in(text: str) -> list[tuple[int, str]]:
    """Line and text of each code span, each fenced and each indented line."""
    found = []
    for fence in _FENCE.finditer(text):
        first = line_of(text, fence.start())
        found += [(first + offset, line) for offset, line in enumerate(fence.group(0).splitlines())]
    rest = _FENCE.sub(_newlines_only, text)
    found += [(line_of(rest, match.start()), match.group(0)) for match in _INDENTED.finditer(rest)]
    found += [(line_of(rest, match.start()), match.group(1)) for match in _SPAN.finditer(rest)]
    return found


def _bad_names(root: Path, code: str, targets: set[str], presets: set[str]) -> list[str]:
    found = []
    for match in _MAKE.finditer(code.split("#", 1)[0]):
        if match.group(2) not in targets:
            found.append(f"there is no 'make {match.group(2)}'")
    found += [f"there is no preset '{match.group(1)}'"
              for match in _PRESET.finditer(code) if match.group(1) not in presets]
    # A path is ours when it starts with one of our folders; what a build makes is not looked for.
    if _PATH.fullmatch(code.strip()):
        first = code.strip().split("/")[0]
        if first != "build" and (root / first).is_dir() and not (root / code.strip()).exists():
            found.append(f"'{code.strip()}' does not exist")
    return found


def _make_targets(root: Path) -> set[str]:
    makefile = root / "Makefile"
    if not makefile.exists():
        return set()
    return set(re.findall(r"^([a-z][\w-]*):", makefile.read_text(encoding="utf-8"), re.MULTILINE))


def _presets(root: Path) -> set[str]:
    file = root / "CMakePresets.json"
    if not file.exists():
        return set()
    return {preset["name"] for preset in json.loads(file.read_text(encoding="utf-8")).get("configurePresets", [])}
