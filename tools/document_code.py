#!/usr/bin/env python3
"""The C++ in documents, compiled and run: one program for a document, one for the examples in headers.

    document_code.py translate OUT FILE...     writes the program of a document, or of all the headers given
    document_code.py run PROGRAM FILE...       runs it: each block must print what its document says

A ```cpp block with a main is a program as it stands. Every other block is the body of a function in which `resilience`
and `std::chrono_literals` are open; what it needs stands at namespace scope in front of it, in a comment right above
the block that begins with `<!-- given`. A block is run when its document says what it prints, in one of three ways:

    It prints `paid`                            the paragraph after the block begins so
    It prints:                                  ... and a fenced block follows
    std::cout << x;  // prints: 5               in the block itself, once for each line

and when it has an EXPECT_ of GoogleTest in it. Everything else is only compiled, so that it may open ports and wait.

An example in a header is an indented part of a comment with an empty comment line before it; tools/example_world.hpp
has what it is about. Left out are JSON, templates, member functions without their class, and what has an ellipsis in
its code.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from source_tree import line_of, report

WORLD = "example_world.hpp"
SPACE = "example_world"

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_GIVEN = re.compile(r"<!-- given\b[^\n]*\n((?:(?!-->).)*)-->\s*\Z", re.DOTALL)
_PRINTS_SPAN = re.compile(r"\s*It prints `([^`\n]*)`")
_PRINTS_FENCE = re.compile(r"\s*It prints:\s*\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PRINTS_HERE = re.compile(r"// prints: (.*)$", re.MULTILINE)
_MAIN = re.compile(r"^int main\([^)]*\)", re.MULTILINE)
_INCLUDE = re.compile(r"^#include [^\n]*$", re.MULTILINE)
_EXAMPLE = re.compile(r"(?:(?<=\n)|^)[ \t]*//\n((?:[ \t]*//     [^\n]*\n)+)")
_NO_BODY = re.compile(r'template\b|\w+ operator\(\)|\{"')
_TRAILING_COMMENT = re.compile(r"\s*//[^\n]*")


@dataclass
class Block:
    """A piece of C++ and where it stands."""
    file: Path
    line: int
    code: str
    given: str = ""
    given_line: int = 0
    prints: str | None = None
    is_program: bool = field(init=False)

    def __post_init__(self):
        self.is_program = _MAIN.search(self.code) is not None

    @property
    def is_run(self) -> bool:
        return self.prints is not None or "EXPECT_" in self.code


def blocks_of(file: Path) -> list[Block]:
    text = file.read_text(encoding="utf-8")
    return _blocks_of_document(file, text) if file.suffix == ".md" else _blocks_of_header(file, text)


def _blocks_of_document(file: Path, text: str) -> list[Block]:
    found = []
    for fence in _FENCE.finditer(text):
        if fence.group(1) != "cpp":
            continue
        given = _GIVEN.search(text, 0, fence.start())
        code = fence.group(2)
        block = Block(file, line_of(text, fence.start(2)), code, prints=_said(code, text, fence.end()))
        if given:
            block.given, block.given_line = given.group(1), line_of(text, given.start(1))
        found.append(block)
    return found


def _said(code: str, text: str, end: int) -> str | None:
    """What the document says that the block which ends there prints."""
    for form in (_PRINTS_SPAN, _PRINTS_FENCE):
        if match := form.match(text, end):
            return match.group(1).rstrip("\n")
    lines = _PRINTS_HERE.findall(code)
    return "\n".join(lines) if lines else None


def _blocks_of_header(file: Path, text: str) -> list[Block]:
    found = []
    for match in _EXAMPLE.finditer(text):
        code = re.sub(r"^[ \t]*//     ", "", match.group(1), flags=re.MULTILINE)
        bare = [_TRAILING_COMMENT.sub("", line).rstrip() for line in code.splitlines()]
        is_code = bare[-1].endswith((";", "}"))
        left_out = any("…" in line for line in bare) or _NO_BODY.match(bare[0])
        if is_code and not left_out:
            found.append(Block(file, line_of(text, match.start(1)), code))
    return found


def translation_unit(blocks: list[Block]) -> str:
    """One C++ program; its first argument says which block to run."""
    in_headers = any(block.file.suffix == ".hpp" for block in blocks)
    includes = sorted({include for block in blocks for include in _INCLUDE.findall(block.given + "\n" + block.code)})
    parts = ["#include <resilience/resilience.hpp>", "#include <resilience/testing.hpp>"]
    if any("EXPECT_" in block.code for block in blocks):
        parts.append("#include <gtest/gtest.h>")
    parts += ["#include <cstdlib>", "#include <iostream>", *includes]
    if in_headers:
        parts += [f"#include <{name}>" for name in sorted({_include_name(block.file) for block in blocks})]
        parts.append(f'#include "{WORLD}"')
    parts += [f"namespace {SPACE} {{", *(_in_namespace(number, block) for number, block in enumerate(blocks)), "}"]
    cases = [f"    if (block == {number}) {{ static_cast<void>({SPACE}::block_{number}::run()); }}"
             for number in range(len(blocks))]
    failed = "testing::Test::HasFailure() ? 1 : 0" if "#include <gtest/gtest.h>" in parts else "0"
    parts += ["#line 1 \"the program of the document\"", "int main(int, char** arguments) {",
              "    const int block = std::atoi(arguments[1]);", *cases, f"    return {failed};", "}", ""]
    return "\n".join(parts)


def _include_name(header: Path) -> str:
    return str(header).rpartition("/include/")[2]


def _in_namespace(number: int, block: Block) -> str:
    code = _INCLUDE.sub("", block.code)
    here = f'#line {block.line} "{block.file}"'
    if block.is_program:
        return f"namespace block_{number} {{\n{here}\n{_main_as_run(code)}\n}}"
    given = f'#line {block.given_line} "{block.file}"\n{_INCLUDE.sub("", block.given)}' if block.given else ""
    result, end = ("Anything", "return {};") if block.file.suffix == ".hpp" else ("void", "")
    opened = "using namespace resilience;\nusing namespace std::chrono_literals;\n"
    return (f"namespace block_{number} {{\n{opened}{given}\n{result} run() {{\n{here}\n{code}\n{end}}}\n}}")


def _main_as_run(code: str) -> str:
    """main under a name that may stand in a namespace, with the return that only main may leave out."""
    begin = _MAIN.search(code)
    head, body = code[:begin.start()] + "int run()", code[begin.end():]
    one_line = re.match(r" \{[^\n]*\}$", body, re.MULTILINE)
    close = one_line.end() - 1 if one_line else re.search(r"^\}", body, re.MULTILINE).start()
    return f"{head}{body[:close]}return 0; {body[close:]}"


def differences(program: Path, blocks: list[Block]) -> list[str]:
    """Runs what is to be run and says where it prints something else than its document."""
    found = []
    for number, block in enumerate(blocks):
        if not block.is_run:
            continue
        done = subprocess.run([str(program), str(number)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=60)
        printed = done.stdout.rstrip("\n")
        if done.returncode != 0:
            found.append(f"{block.file}:{block.line}: ended with {done.returncode}: {printed}")
        elif block.prints is not None and printed != block.prints:
            found.append(f"{block.file}:{block.line}: prints '{printed}', the document says '{block.prints}'")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, file in (("translate", "out"), ("run", "program")):
        command = commands.add_parser(name)
        command.add_argument(file, type=Path)
        command.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    blocks = [block for file in arguments.files for block in blocks_of(file)]
    if arguments.command == "translate":
        arguments.out.write_text(translation_unit(blocks), encoding="utf-8")
        return 0
    run = sum(block.is_run for block in blocks)
    return report(f"{len(blocks)} blocks compiled, {run} run", differences(arguments.program, blocks))


if __name__ == "__main__":
    sys.exit(main())
