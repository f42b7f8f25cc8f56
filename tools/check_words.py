"""Words and calls that do not belong here: unfinished work, vague names, machine paths, tests that sleep or hide."""

import io
import re
import tokenize
from pathlib import Path

from source_tree import CPP, line_of, project_files, text_of, without_comments_and_strings

# Written in two halves, so that this file passes its own check.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:wor" r"k|far" r"m)/")
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc"}
ANYWHERE = [
    (UNFINISHED, "unfinished work is finished, or an issue"),
    (MACHINE_PATH, "a path of one machine"),
]
IN_CPP = [
    (re.compile(r"\bGTEST_" r"SKIP\b"), "a test that skips itself hides what it should say"),
    (re.compile(r"\bDISABLED_" r"\w"), "a disabled test hides what it should say"),
    (re.compile(r"\batomic_" r"thread_fence\b"), "ThreadSanitizer does not see fences; order with the operations"),
]
IN_TESTS = [(re.compile(r"\bsleep_(?:for|until)\b"), "a test never sleeps for its result")]
IN_SCRIPTS = [(re.compile(r"\|\|\s*tr" r"ue\b"), "a failure is swallowed")]
# Names of the standard library that contain a vague word.
_STANDARD_NAME = re.compile(r"\bcommon_(?:type|reference|iterator|range)(?:_t|_with)?\b")


def problems(root: Path) -> list[str]:
    found = []
    for path in project_files(root):
        name = path.relative_to(root)
        text = text_of(path)
        if any(_is_vague(part) for part in name.parts):
            found.append(f"{name}:1: a vague name; say what is in it")
        if text is None:
            continue
        for pattern, reason in _rules_for(path):
            found += [f"{name}:{line_of(text, match.start())}: '{match.group(0)}': {reason}"
                      for match in pattern.finditer(text)]
        found += [f"{name}:{line}: '{word}' is a vague name; say what it does"
                  for line, word in _vague_words(path, text)]
    return found


def _rules_for(path: Path) -> list:
    rules = list(ANYWHERE)
    if path.suffix in CPP:
        rules += IN_CPP
        if path.stem.endswith("_test"):
            rules += IN_TESTS
    if path.suffix in {".sh", ".yml"} or path.name in {"Makefile", "run"}:
        rules += IN_SCRIPTS
    return rules


def _is_vague(identifier: str) -> bool:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)
    return any(word.lower() in VAGUE for word in words)


def _vague_words(path: Path, text: str) -> list[tuple[int, str]]:
    """Line and name of each identifier with a vague word in it; prose may use such words."""
    if path.suffix in CPP:
        code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", without_comments_and_strings(text), flags=re.MULTILINE)
        names = [(line_of(code, match.start()), match.group(0)) for match in re.finditer(r"\b[A-Za-z_]\w*", code)]
    elif path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        names = [(token.start[0], token.string) for token in tokens if token.type == tokenize.NAME]
    else:
        names = []
    return [(line, name) for line, name in names if _is_vague(name) and not _STANDARD_NAME.fullmatch(name)]
