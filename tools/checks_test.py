#!/usr/bin/env python3
"""The test of the checks: a clean tree passes, and one planted violation of each rule is caught where it stands."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import check_documents
import check_format
import check_house
import check_layers
import check_words

PROJECT = Path(__file__).resolve().parent.parent
CHECKS = [check_format, check_layers, check_house, check_words, check_documents]

HEADER = "core/include/resilience/policies/gate.hpp"
CLEAN = {
    ".clang-format": (PROJECT / ".clang-format").read_text(encoding="utf-8"),
    "Makefile": "test: ## Every test\n\t@true\n",
    "CMakePresets.json": '{"configurePresets": [{"name": "dev"}]}',
    "README.md": "# Gates\n\nRun `make test` or `cmake --preset dev`; see [the page](docs/gate.md#what-it-is), "
                 "`docs/gate.md`.\n",
    "docs/gate.md": "# Gate\n\n## What it is\n\nA common thing.\n",
    HEADER: "#pragma once\n\n// A gate lets calls through. It is free.\n\n#include <resilience/base/time.hpp>\n"
            "#include <type_traits>\n\nusing Both = std::common_type_t<int, long>;  // the common type\n",
    "core/include/resilience/base/time.hpp": "#pragma once\n\n// Time is an argument.\n",
    "core/src/policies/gate_test.cpp": "#include <gtest/gtest.h>\n\n#include <resilience/policies/gate.hpp>\n\n"
                                       '#include "gate_fixture.hpp"\n',
    "core/src/policies/gate_fixture.hpp": "#pragma once\n\n// A gate for tests. It is open.\n\n"
                                          "#include <gtest/gtest.h>\n",
    "adapters/http/src/server.cpp": "#include <sys/socket.h>\n\n#include <boost/asio.hpp>\n"
                                    "#include <resilience/policies/gate.hpp>\n",
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
    (check_documents, "docs/a.md", "Run\n\n    make demo DURATION=1s\n", "no 'make demo'"),
    (check_documents, "docs/a.md", "```\ncmake --preset debug\n```\n", "no preset 'debug'"),
    (check_documents, "docs/a.md", "See `core/src/base/none.cpp`.\n", "does not exist"),
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
            plant(root, {HEADER: header("// A gate lets calls through.\n\nstd::string name();\n")})
            others = [f"-DRESILIENCE_BUILD_{part}=OFF" for part in ("ADAPTERS", "APPS", "EXAMPLES", "BENCHES")]
            subprocess.run(["cmake", "-S", root, "-B", root / "build", "-G", "Ninja", *others],
                           check=True, capture_output=True)
            build = ["cmake", "--build", root / "build", "--target", "all_verify_interface_header_sets"]
            run = subprocess.run(build, capture_output=True, text=True, check=False)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("gate.hpp", run.stdout)
            plant(root, {HEADER: header("// A gate lets calls through.\n\n#include <string>\nstd::string name();\n")})
            self.assertEqual(subprocess.run(build, capture_output=True, check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
