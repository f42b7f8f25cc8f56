"""Files, functions and lines stay short; every header says first what it is."""

import ast
import re
from pathlib import Path

from source_tree import CPP, line_of, project_files, text_of, without_comments_and_strings

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_WIDTH = 120
CODE = CPP | {".py", ".sh", ".cmake", ".js", ".css", ".html"}
CODE_NAMES = {"CMakeLists.txt", "Makefile"}

_SCOPE = re.compile(
    r"^(?:(?:inline|export|typedef|static|const|constexpr|friend)\s+)*"
    r"(?:namespace|class|struct|union|enum|extern\s*\"\")(?!\w)")
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_MEMBER_INITIALIZER = re.compile(r"\)\s*(?:noexcept(?:\([^{}]*\))?\s*)?:(?!:).*[\w>]\s*$", re.DOTALL)
_BEFORE_FUNCTION = re.compile(r"^\s*(?:(?:public|private|protected)\s*:\s*)*")
_TEMPLATE = re.compile(r"^template\s*<")
_UNNAMED = re.compile(r"^namespace \{$", re.MULTILINE)
_SHELL_FUNCTION = re.compile(r"^(?:function\s+)?\w+\s*\(\)\s*\{$.*?^\}$", re.MULTILINE | re.DOTALL)


def problems(root: Path) -> list[str]:
    found = []
    for path in project_files(root):
        text = text_of(path)
        name = path.relative_to(root)
        if text is None or not (path.suffix in CODE or path.name in CODE_NAMES or name.parts[0] == ".ci"):
            continue
        lines = text.splitlines()
        if len(lines) > MAX_FILE_LINES:
            found.append(f"{name}:{MAX_FILE_LINES + 1}: {len(lines)} lines, at most {MAX_FILE_LINES}")
        found += [f"{name}:{number}: {len(line)} characters wide, at most {MAX_WIDTH}"
                  for number, line in enumerate(lines, 1) if len(line) > MAX_WIDTH]
        found += [f"{name}:{first}: a function of {last - first + 1} lines, at most {MAX_FUNCTION_LINES}"
                  for first, last in _functions(path, text) if last - first + 1 > MAX_FUNCTION_LINES]
        if path.suffix == ".hpp" and (reason := _bad_header_start(text)):
            found.append(f"{name}:1: {reason}")
        if path.name.endswith("_test.cpp"):
            found += [f"{name}:{line_of(text, match.start())}: a test's own names live in namespace {path.stem}"
                      for match in _UNNAMED.finditer(text)]
    return found


def _bad_header_start(text: str) -> str | None:
    if not text.startswith("#pragma once\n"):
        return "a header starts with #pragma once"
    comment = re.match(r"\s*(//[^\n]*(?:\n[ \t]*//[^\n]*)*|/\*.*?\*/)", text[len("#pragma once"):], re.DOTALL)
    if not comment:
        return "a header says in a comment, right after #pragma once, what it is"
    words = re.sub(r"[/*]+", " ", comment.group(1))
    sentence = re.match(r"\s*[\"'`]?\w.*?\w+\W+\w+.*?[.:](?:\s|$)", words, re.DOTALL)
    return None if sentence else "the header's first comment has no first sentence"


def _functions(path: Path, text: str) -> list[tuple[int, int]]:
    """First and last line of every function of a file."""
    if path.suffix in CPP:
        return cpp_functions(text)
    if path.suffix == ".py":
        return [(node.lineno, node.end_lineno) for node in ast.walk(ast.parse(text))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if path.suffix == ".sh":
        return [(line_of(text, match.start()), line_of(text, match.end())) for match in _SHELL_FUNCTION.finditer(text)]
    return []


def cpp_functions(text: str) -> list[tuple[int, int]]:
    """Finds function bodies by their braces: what stands before a brace tells a scope from a function.

    A lambda inside a function is part of it.
    """
    code = _PREPROCESSOR.sub(lambda match: "\n" * match.group(0).count("\n"), without_comments_and_strings(text))
    found, kinds, parentheses, head_start = [], [], 0, 0
    for match in re.finditer(r"[(){};]", code):
        mark, offset = match.group(0), match.start()
        if "function" not in kinds and mark in "()":
            parentheses += 1 if mark == "(" else -1
        elif mark == "{":
            kinds.append(_kind_of_brace(code[head_start:offset], kinds, parentheses))
            if kinds[-1] == "scope":
                head_start = offset + 1
        elif mark == "}" and kinds:
            kind = kinds.pop()
            if kind == "function":
                head = code[head_start:offset]
                first = head_start + len(_BEFORE_FUNCTION.match(head).group(0))
                found.append((line_of(code, first), line_of(code, offset)))
            if kind in ("function", "scope"):
                head_start = offset + 1
        elif mark == ";" and not parentheses and (not kinds or kinds[-1] == "scope"):
            head_start = offset + 1
    return found


def _kind_of_brace(head: str, outer: list[str], parentheses: int) -> str:
    if "function" in outer or "value" in outer or parentheses > 0 or _MEMBER_INITIALIZER.search(head):
        return "value"
    return "function" if _opens_function(head) else ("scope" if _is_scope(head) else "value")


def _opens_function(head: str) -> bool:
    return "(" in head and not _is_scope(head)


def _is_scope(head: str) -> bool:
    head = _BEFORE_FUNCTION.sub("", head)
    while _TEMPLATE.match(head):
        head = _after_angle_brackets(head).strip()
        head = re.sub(r"^requires\s*\([^()]*\)\s*", "", head)
    return _SCOPE.match(re.sub(r"^\[\[[^\]]*\]\]\s*", "", head)) is not None


def _after_angle_brackets(head: str) -> str:
    depth = 0
    for index, character in enumerate(head):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == ">" and depth == 0:
            return head[index + 1:]
    return ""
