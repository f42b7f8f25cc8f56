"""What documents point at exists: links and their anchors, make targets and variables, presets, paths, programs' flags.

The C++ in documents is compiled and run by tools/document_code.py.
"""

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
_VARIABLE = re.compile(r"(?<![\w-])make [a-z-]+((?: [A-Z_]+=\S*)+)|(?<![\w-])make ((?:[A-Z_]+=\S+ )+)[a-z]")
_PROGRAM = re.compile(r"(?<![\w./-])(?:build/release/bin/)?resilience ([a-z]+)((?: +[^\s#|>;&]+)*)")
_SCRIPT = re.compile(r"(?:^|\s)(?:python3|bash) ([\w./-]+)")
_PATH = re.compile(r"[\w.+-]+(?:/[\w.+-]+)+/?")


def problems(root: Path) -> list[str]:
    found = []
    names = Names(root)
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
            found += [f"{name}:{line}: {reason}" for reason in names.unknown_in(code)]
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


class Names:
    """What the commands in documents may name."""

    def __init__(self, root: Path):
        self._root = root
        makefile = self._text("Makefile")
        self._targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
        self._variables = set(re.findall(r"\b([A-Z_]+)\b", makefile))
        presets = json.loads(self._text("CMakePresets.json") or "{}")
        self._presets = {preset["name"] for preset in presets.get("configurePresets", [])}
        self._program = self._text("apps/resilience/command_line.cpp")

    def _text(self, name: str) -> str:
        return (self._root / name).read_text(encoding="utf-8") if (self._root / name).exists() else ""

    def unknown_in(self, code: str) -> list[str]:
        command = code.split("#", 1)[0]
        found = [f"there is no 'make {name}'" for _, name in _MAKE.findall(command) if name not in self._targets]
        for match in _VARIABLE.finditer(command):
            given = re.findall(r"([A-Z_]+)=", match.group(1) or match.group(2))
            found += [f"make knows no {name}=" for name in given if name not in self._variables]
        found += [f"there is no preset '{name}'" for name in _PRESET.findall(code) if name not in self._presets]
        for name, rest in _PROGRAM.findall(command):
            flags = [flag for flag in re.findall(r"(?<=\s)--([a-z-]+)", rest) if f"--{flag}" not in self._program]
            found += [f"the program knows no --{flag}" for flag in flags]
            if f'"{name}"' not in self._program:
                found.append(f"the program has no command '{name}'")
        found += [f"'{name}' does not exist" for name in _SCRIPT.findall(command) if self._is_missing(name)]
        path = code.strip()
        return found + ([f"'{path}' does not exist"] if _PATH.fullmatch(path) and self._is_missing(path) else [])

    def _is_missing(self, path: str) -> bool:
        """A path is ours when it starts with one of our folders; what a build makes is not looked for."""
        first = path.split("/")[0]
        return first != "build" and (self._root / first).is_dir() and not (self._root / path).exists()
