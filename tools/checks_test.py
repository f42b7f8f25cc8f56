#!/usr/bin/env python3
"""The test of the checks: a clean tree passes, and one planted violation of each rule is caught where it stands."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import check_documents
import check_explored
import check_format
import check_house
import check_layers
import check_lint
import check_measured
import check_words
import document_code

PROJECT = Path(__file__).resolve().parent.parent
CHECKS = [check_format, check_layers, check_house, check_words, check_documents]

HEADER = "core/include/resilience/policies/gate.hpp"
CLEAN = {
    ".clang-format": (PROJECT / ".clang-format").read_text(encoding="utf-8"),
    "Makefile": "export JOBS ?= 1\ntest: ## Every test\n\t@true\n",
    "CMakePresets.json": '{"configurePresets": [{"name": "dev"}]}',
    "README.md": "# Gates\n\nRun `make test JOBS=2`, `resilience demo --script -` or `cmake --preset dev`; "
                 "see [the page](docs/gate.md#what-it-is), "
                 "`docs/gate.md`.\n",
    "docs/gate.md": "# Gate\n\n## What it is\n\nA common thing.\n",
    HEADER: "#pragma once\n\n// A gate lets calls through. It is free.\n\n#include <resilience/base/time.hpp>\n"
            "#include <type_traits>\n\nusing Both = std::common_type_t<int, long>;  // the common type\n",
    "core/include/resilience/base/time.hpp": "#pragma once\n\n// Time is an argument.\n",
    "core/src/policies/gate_test.cpp": "#include <gtest/gtest.h>\n\n#include <for_tests/counted.hpp>\n"
                                       "#include <resilience/policies/gate.hpp>\n\n"
                                       '#include "gate_fixture.hpp"\n',
    "core/src/for_tests/counted.hpp": "#pragma once\n\n// A counter for tests. It counts.\n",
    "core/src/policies/gate_fixture.hpp": "#pragma once\n\n// A gate for tests. It is open.\n\n"
                                          "#include <gtest/gtest.h>\n",
    "adapters/http/src/server.cpp": "#include <sys/socket.h>\n\n#include <boost/asio.hpp>\n"
                                    "#include <resilience/policies/gate.hpp>\n",
    "apps/resilience/command_line.cpp": 'const char* names[] = {"demo", "--script"};\n',
    "tools/run.sh": "#!/bin/bash\nset -e\n",
}


def including(include: str) -> str:
    return f"#include {include}\n"


def lines(count: int, line: str = "int x;") -> str:
    return f"{line}\n" * count


def header(text: str) -> str:
    return "#pragma once\n\n" + text


# What is planted: the check that must object, file, content, a piece of the objection.
VIOLATIONS = [
    (check_format, "core/src/base/a.cpp", "int  x;\n", "not formatted"),
    (check_format, "apps/resilience/a.hpp", header("// A thing. Two.\nint   x;\n"), "not formatted"),

    (check_layers, "core/src/base/a.cpp", including("<resilience/policies/gate.hpp>"), "stands to its right"),
    (check_layers, "core/include/resilience/measure/a.hpp",
     header("// A thing, measured.\n\n#include <resilience/pipeline/pipeline.hpp>\n"), "stands to its right"),
    (check_layers, "core/src/policies/a.cpp", including("<resilience/testing.hpp>"), "stands to its right"),
    (check_layers, "core/src/manager/a.cpp", including("<resilience/resilience.hpp>"), "stands to its right"),
    (check_layers, "core/src/base/a.cpp", including("<resilience/json/stats.hpp>"), "no part of the core"),
    (check_layers, "core/src/base/a.cpp", including("<boost/asio.hpp>"), "standard library only"),
    (check_layers, "core/src/base/a.cpp", including("<gtest/gtest.h>"), "standard library only"),
    (check_layers, "core/src/policies/a.cpp", including('"gate_fixture.hpp"'), "is for tests"),
    (check_layers, "core/src/policies/a.cpp", including("<for_tests/counted.hpp>"), "standard library only"),
    (check_layers, "core/src/base/a.cpp", including('"../policies/gate.hpp"'), "climbs"),
    (check_layers, "core/src/base/a.cpp", including('"policies/gate.hpp"'), "beside this one"),
    (check_layers, "adapters/json/src/a.cpp", including("<resilience/http/server.hpp>"), "includes adapter http"),
    (check_layers, "adapters/json/src/a.cpp", including("<boost/asio.hpp>"), "its library is nlohmann"),
    (check_layers, "adapters/new/src/a.cpp", including("<curl/curl.h>"), "not listed"),

    (check_house, "core/src/base/a.cpp", lines(401), "at most 400"),
    (check_house, "tools/a.py", lines(401, "x = 1"), "at most 400"),
    (check_house, "cmake/a.cmake", lines(401, "#"), "at most 400"),
    (check_house, "core/src/base/a.cpp", f"// {'x' * 120}\n", "characters wide"),
    (check_house, "core/CMakeLists.txt", f"# {'x' * 120}\n", "characters wide"),
    (check_house, "core/src/base/a.cpp", f"namespace n {{\nint f(X x = {{}}) {{\n{lines(60)}}}\n}}\n",
     "function of 62"),
    (check_house, "core/src/base/a.cpp",
     "template <class T>\nclass X : Y {\n  public:\n    X() : a{1}, b(2), c{[] { return 3; }} {\n"
     + lines(60) + "    }\n};\n",
     "function of 62"),
    (check_house, "core/src/base/a_test.cpp", f"TEST(X, y) {{\nif (a) {{\n{lines(60)}}}\n}}\n", "function of 64"),
    (check_house, "tools/a.py", f"def f():\n{lines(60, '    x = 1')}", "function of 61"),
    (check_house, "tools/a.sh", f"f() {{\n{lines(60, '  x=1')}}}\n", "function of 62"),
    (check_house, "core/src/base/a_test.cpp", "namespace {\n}  // namespace\n", "live in namespace a_test"),
    (check_house, HEADER, "// A gate lets calls through.\n#pragma once\n", "starts with #pragma once"),
    (check_house, HEADER, header("int x;\n// A gate lets calls through.\n"), "says in a comment"),
    (check_house, HEADER, header("// gate\n"), "no first sentence"),

    (check_words, "core/src/base/a.cpp", "// TO" "DO: later\n", "unfinished"),
    (check_words, "docs/a.md", "FIX" "ME\n", "unfinished"),
    (check_words, "tools/a.sh", "# XX" "X\n", "unfinished"),
    (check_words, "tools/a.py", "# a HA" "CK\n", "unfinished"),
    (check_words, "tools/a.sh", "cat /wor" "k/file\n", "one machine"),
    (check_words, "docs/a.md", "see /far" "m/file\n", "one machine"),
    (check_words, "core/src/base/gate_helper.cpp", "", "vague name"),
    (check_words, "core/src/util/a.cpp", "", "vague name"),
    (check_words, "core/src/base/a.cpp", "int common_gate;\n", "'common_gate'"),
    (check_words, "core/src/base/a.cpp", "struct GateHelper;\n", "'GateHelper'"),
    (check_words, "tools/a.py", "misc_names = 1\n", "'misc_names'"),
    (check_words, "core/src/base/a_test.cpp", "GTEST_" "SKIP();\n", "skips itself"),
    (check_words, "core/src/base/a_test.cpp", "TEST(X, DISABLED_" "y)\n", "disabled"),
    (check_words, "core/src/base/a_test.cpp", "std::this_thread::sleep_for(1s);\n", "never sleeps"),
    (check_words, "core/src/base/a_test.cpp", "std::this_thread::sleep_until(t);\n", "never sleeps"),
    (check_words, "core/src/base/a.cpp", "std::atomic_" "thread_fence(x);\n", "does not see fences"),
    (check_words, "tools/a.sh", "false || tr" "ue\n", "swallowed"),

    (check_documents, "docs/a.md", "[gate](gates.md)\n", "no such file"),
    (check_documents, "docs/a.md", "[gate](gate.md#what-it-was)\n", "no such heading"),
    (check_documents, "docs/a.md", "[away](../../)\n", "leaves the project"),
    (check_documents, "docs/a.md", "Run `make tests`.\n", "no 'make tests'"),
    (check_documents, "docs/a.md", "Run\n\n    make demo\n", "no 'make demo'"),
    (check_documents, "docs/a.md", "```\ncmake --preset debug\n```\n", "no preset 'debug'"),
    (check_documents, "docs/a.md", "Run `make test SECONDS=5`.\n", "make knows no SECONDS="),
    (check_documents, "docs/a.md", "Run `SECONDS=5 make test` or `make SECONDS=5 test`.\n", "make knows no SECONDS="),
    (check_documents, "docs/a.md", "See `core/src/base/none.cpp`.\n", "does not exist"),
    (check_documents, "docs/a.md", "```sh\npython3 tools/none.py --fast\n```\n", "'tools/none.py' does not exist"),
    (check_documents, "docs/a.md", "Run `resilience demo --fast`.\n", "knows no --fast"),
    (check_documents, "docs/a.md", "Run `build/release/bin/resilience dome`.\n", "no command 'dome'"),
]


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


class Checks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="checks_test_")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def test_a_clean_tree_passes(self):
        plant(self.root, CLEAN)
        for check in CHECKS:
            self.assertEqual(check.problems(self.root), [], check.__name__)

    def test_each_planted_violation_is_caught_where_it_stands(self):
        for check, name, text, objection in VIOLATIONS:
            with self.subTest(check=check.__name__, file=name, objection=objection):
                tree = Path(tempfile.mkdtemp(dir=self.root))
                plant(tree, CLEAN | {name: text})
                found = [problem for problem in check.problems(tree) if problem.startswith(f"{name}:")]
                self.assertEqual(len(found), 1, found)
                self.assertIn(objection, found[0])

    def test_an_objection_names_the_line(self):
        plant(self.root, CLEAN | {"core/src/base/a.cpp": "/* two\n   lines */\nint misc;\n"})
        self.assertEqual([problem.split(" ")[0] for problem in check_words.problems(self.root)],
                         ["core/src/base/a.cpp:3:"])

    def test_the_program_fails_when_one_check_does(self):
        plant(self.root, CLEAN)
        command = ["python3", str(PROJECT / "tools/check.py"), str(self.root)]
        self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 0)
        plant(self.root, {"docs/a.md": "[gate](gates.md)\n"})
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("docs/a.md:1:", run.stderr)


class HeadersAlone(unittest.TestCase):
    """The build compiles each public header by itself; a header that leans on its includer breaks it."""

    def test_a_header_that_misses_an_include_is_caught(self):
        with tempfile.TemporaryDirectory(prefix="checks_test_") as folder:
            root = Path(folder)
            for name in ("CMakeLists.txt", "cmake", "core/CMakeLists.txt"):
                copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
                (root / name).parent.mkdir(exist_ok=True)
                copy(PROJECT / name, root / name)
            plant(root, {HEADER: header("// A gate lets calls through.\n\nstd::string name();\n"),
                         "explore/CMakeLists.txt": "# Nothing to explore.\n"})
            others = [f"-DRESILIENCE_BUILD_{part}=OFF" for part in ("ADAPTERS", "APPS", "EXAMPLES", "BENCHES")]
            subprocess.run(["cmake", "-S", root, "-B", root / "build", "-G", "Ninja", *others],
                           check=True, capture_output=True)
            build = ["cmake", "--build", root / "build", "--target", "all_verify_interface_header_sets"]
            run = subprocess.run(build, capture_output=True, text=True, check=False)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("gate.hpp", run.stdout)
            plant(root, {HEADER: header("// A gate lets calls through.\n\n#include <string>\nstd::string name();\n")})
            self.assertEqual(subprocess.run(build, capture_output=True, check=False).returncode, 0)


class Lint(unittest.TestCase):
    """clang-tidy says what .clang-tidy asks for, in sources and in headers, and looks again when one has changed."""

    SOURCE = "#include <resilience/base/name.hpp>\n\nint length() { return 0; }\n"
    SOUND = "#pragma once\n\n// A name. It is moved once.\n\n#include <string>\n#include <utility>\n\n" \
            "inline std::string twice(std::string name) {\n    std::string kept = std::move(name);\n" \
            "    return kept + {};\n}\n"
    NAME, FILE = "core/include/resilience/base/name.hpp", "core/src/base/a.cpp"

    def test_a_planted_fault_is_found_and_a_mended_one_forgotten(self):
        with tempfile.TemporaryDirectory(prefix="checks_test_") as folder:
            root = Path(folder)
            command = {"directory": folder, "file": f"{folder}/{self.FILE}",
                       "command": f"c++ -std=c++23 -I{folder}/core/include -c {folder}/{self.FILE}"}
            plant(root, {".clang-tidy": (PROJECT / ".clang-tidy").read_text(encoding="utf-8"),
                         "build/compile_commands.json": json.dumps([command]), self.FILE: self.SOURCE})
            plant(root, {self.NAME: self.SOUND.replace("{}", "std::string()")})
            self.assertEqual(check_lint.problems(root, root / "build"), [])
            plant(root, {self.NAME: self.SOUND.replace("{}", "name")})
            (found,) = check_lint.problems(root, root / "build")
            self.assertTrue(found.startswith(f"{self.NAME}:10: 'name' used after it was moved"), found)
            self.assertEqual(len(check_lint.problems(root, root / "build")), 1, "a fault is not forgotten")
            plant(root, {self.FILE: '#include <cstring>\n\nconst char* why() { return std::strerror(1); }\n'})
            (found,) = check_lint.problems(root, root / "build")
            self.assertTrue(found.startswith(f"{self.FILE}:3: function is not thread safe"), found)
            plant(root, {self.FILE: "int number();\n"})
            self.assertEqual(check_lint.problems(root, root / "build"), [])

    def test_what_was_sound_is_not_looked_at_again(self):
        with tempfile.TemporaryDirectory(prefix="checks_test_") as folder:
            root = Path(folder)
            plant(root, {".clang-tidy": (PROJECT / ".clang-tidy").read_text(encoding="utf-8"), self.FILE: "int n;\n"})
            command = {"directory": folder, "file": f"{folder}/{self.FILE}", "command": f"c++ -c {folder}/{self.FILE}"}
            plant(root, {"build/compile_commands.json": json.dumps([command])})
            self.assertEqual(check_lint.problems(root, root / "build"), [])
            path = os.environ["PATH"]
            os.environ["PATH"] = folder  # no clang-tidy here
            self.addCleanup(os.environ.update, {"PATH": path})
            self.assertEqual(check_lint.problems(root, root / "build"), [])


class Explored(unittest.TestCase):
    """The table of docs/exploring.md says what `explore` printed."""

    OUTPUT = "gate\n  two open it       120 states   1.5e+10 interleavings  complete  0.1 s\n" \
             "  three open it    1000 states      5000 interleavings  complete  0.1 s\n" \
             "  mutant: opens twice     caught: two are in  [AAB]\nexplore: 2 tests\n"
    TABLE = "| part | tests | states | interleavings | mutants |\n|---|--:|--:|--:|--:|\n"

    def test_a_table_that_says_what_was_printed_passes(self):
        row = "| gate: open | 2 | 1,120 | 1.5 · 10¹⁰ | 1 |\n"
        self.assertEqual(check_explored.problems(self.OUTPUT, self.TABLE + row), [])

    def test_another_count_a_missing_row_and_an_unknown_part_are_caught(self):
        for rows in ("| gate: open | 2 | 1,121 | 1.5 · 10¹⁰ | 1 |\n", "",
                     "| gate: open | 2 | 1,120 | 1.5 · 10¹⁰ | 1 |\n| door: shut | 1 | 1 | 1.0 · 10¹ | 1 |\n"):
            self.assertEqual(len(check_explored.problems(self.OUTPUT, self.TABLE + rows)), 1, rows)


class Measured(unittest.TestCase):
    """The tables of docs/performance.md say what was measured."""

    COUNTS = {"instructions": {"gate": 100.0}, "bytes": {"gate": 4096}}
    DOCUMENT = "## Instructions\n\n| a gate | `gate` | 101 | 120 |\n\n" \
               "## Bytes\n\n| a gate | `gate` | 4,096 | 5,120 |\n"

    def test_tables_that_say_about_what_was_measured_pass(self):
        self.assertEqual(check_measured.problems(self.COUNTS, self.DOCUMENT), [])

    def test_a_figure_far_off_a_missing_row_and_one_that_nobody_measures_are_caught(self):
        for planted in (self.DOCUMENT.replace("101", "103"), self.DOCUMENT.replace("4,096", "409.6"),
                        self.DOCUMENT.replace("| a gate | `gate` | 101 | 120 |", ""),
                        self.DOCUMENT + "| a door | `door` | 1 | 1 |\n"):
            self.assertEqual(len(check_measured.problems(self.COUNTS, planted)), 1, planted)


class DocumentCode(unittest.TestCase):
    """A document's code is compiled where it stands and prints what the document says."""

    PROGRAM = "# Gates\n\n```cpp\n#include <string>\nstd::string pay() { return \"paid\"; }\n" \
              "int main() {\n    std::cout << pay();\n}\n```\n\nIt prints `paid`: at once.\n"
    PART = "\n<!-- given\nint gates = 4;\n-->\n\n```cpp\nif (gates > 3) std::cout << gates + 1;  // prints: 5\n```\n"
    FENCED = "\n```cpp\nstd::cout << 1 << '\\n' << 2 << '\\n';\n```\n\nIt prints:\n\n```text\n1\n2\n```\n"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="checks_test_")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        # The real headers take seconds to compile, and these blocks need none of them.
        plant(self.root, {"include/resilience/resilience.hpp": "#pragma once\n#include <chrono>\n",
                          "include/resilience/testing.hpp": "namespace resilience {}\n",
                          "include/example_world.hpp": "namespace example_world {\nstruct Anything {};\n}\n"})

    def outcome(self, name: str, text: str) -> tuple[str, list[str]]:
        """What the compiler says and, when that is nothing, what running it says."""
        plant(self.root, {name: text})
        blocks = document_code.blocks_of(self.root / name)
        self.assertTrue(blocks)
        plant(self.root, {"program.cpp": document_code.translation_unit(blocks)})
        done = subprocess.run(["c++", "-std=c++23", "-Wall", "-Werror", f"-I{self.root / 'include'}", "-o",
                               self.root / "program", self.root / "program.cpp"],
                              capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
        return done.stderr, [] if done.stderr else document_code.differences(self.root / "program", blocks)

    def test_a_document_that_is_right_passes(self):
        self.assertEqual(self.outcome("README.md", self.PROGRAM + self.PART + self.FENCED), ("", []))

    def test_a_wrong_output_is_caught(self):
        wrong = (self.PROGRAM + self.PART + self.FENCED).replace("`paid`", "`sold`").replace("prints: 5", "prints: 4")
        errors, found = self.outcome("README.md", wrong.replace("1\n2\n```", "1\n3\n```"))
        self.assertEqual(errors, "")
        self.assertEqual([problem.partition("README.md:")[2] for problem in found],
                         ["4: prints 'paid', the document says 'sold'", "18: prints '5', the document says '4'",
                          "22: prints '1\n2', the document says '1\n3'"])

    def test_a_block_that_does_not_compile_is_caught_where_it_stands(self):
        errors, _ = self.outcome("README.md", self.PROGRAM + self.PART.replace("gates > 3", "gate > 3"))
        self.assertRegex(errors, r"README\.md:18:\d+: error: 'gate' was not declared")

    def test_a_failing_program_is_caught(self):
        errors, found = self.outcome("README.md", self.PROGRAM.replace("std::cout << pay();", "std::abort();"))
        self.assertEqual((errors, len(found)), ("", 1))
        self.assertIn("README.md:4: ended with -", found[0])

    def test_an_example_in_a_header_that_does_not_compile_is_caught(self):
        text = header("// A gate opens. It closes too.\n//\n//     auto gate = open();\n//     return gate.close();\n"
                      "//\n// states: one; two;\n\nnamespace resilience {\nstruct Gate {\n    int close();\n};\n"
                      "Gate open();\n}\n")
        errors, _ = self.outcome("include/resilience/gate.hpp", text.replace("gate.close", "gate.shut"))
        self.assertRegex(errors, r"gate\.hpp:6:\d+: error: .*has no member named 'shut'")


if __name__ == "__main__":
    unittest.main()
