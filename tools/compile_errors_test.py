#!/usr/bin/env python3
"""Compiles each case of the `*_must_not_compile.cpp` files alone: it must fail, with the text of its comment.

A case is `#if defined(name)` or `#elif defined(name)` and, in the lines after it, a comment with the expected text.
"""

import argparse
import os
import re
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CASE = re.compile(r"^#(?:el)?if defined\((\w+)\)\n((?:[ \t]*//[^\n]*\n)+)", re.MULTILINE)
arguments = argparse.Namespace()


def cases_of(source: str) -> dict[str, str]:
    """Name and expected text of each case."""
    return {match.group(1): " ".join(line.strip().removeprefix("//").strip() for line in match.group(2).splitlines())
            for match in CASE.finditer(source)}


def compile_case(file: Path, case: str | None) -> tuple[int, str]:
    """Exit status and messages of the compiler, quotes made plain: g++ and clang set them differently."""
    command = [arguments.compiler, "-std=c++23", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               f"-I{PROJECT / 'core/include'}", str(file)]
    done = subprocess.run(command + ([f"-D{case}"] if case else []), capture_output=True, text=True, check=False,
                          env=os.environ | {"LC_ALL": "C.UTF-8"})
    return done.returncode, re.sub("[‘’]", "'", done.stderr)


class CompileErrors(unittest.TestCase):
    def test_each_case_is_refused_with_its_text(self):
        files = sorted(PROJECT.glob("core/src/*/*_must_not_compile.cpp"))
        self.assertTrue(files)
        for file in files:
            cases = cases_of(file.read_text(encoding="utf-8"))
            self.assertTrue(cases)
            self.assertEqual(len(cases), len(re.findall(r"\bdefined\(", file.read_text(encoding="utf-8"))))
            with ThreadPoolExecutor(max_workers=2) as compilers:
                results = list(compilers.map(lambda case, file=file: compile_case(file, case), [None, *cases]))
            self.assertEqual(results[0], (0, ""), "without any case it must compile")
            for (case, text), (status, messages) in zip(cases.items(), results[1:], strict=True):
                with self.subTest(file=file.name, case=case):
                    self.assertNotEqual(status, 0, "it compiles")
                    self.assertIn(text, messages)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="c++")
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=["compile_errors_test", *rest])
