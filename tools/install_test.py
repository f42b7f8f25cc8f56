#!/usr/bin/env python3
"""Installs what a build folder has made and builds a consumer against it, by CMake and by pkg-config."""

import argparse
import os
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

ADAPTERS = ["json", "prometheus", "http"]
PROJECT_TEXT = """cmake_minimum_required(VERSION 3.25)
project(consumer CXX)
find_package(resilience {asked})
if(NOT resilience_FOUND)
    message(FATAL_ERROR "refused: ${{resilience_NOT_FOUND_MESSAGE}}")
endif()
foreach(component {expected} resilience)
    if(NOT TARGET resilience::${{component}})
        message(FATAL_ERROR "no target resilience::${{component}}")
    endif()
endforeach()
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE resilience::core)
"""
PROGRAM_TEXT = """#include <iostream>
#include <resilience/policies/circuit_breaker.hpp>

int main() {
    resilience::CircuitBreaker breaker{"card_host", {.min_requests = 1}};
    if (breaker.allow()) breaker.record_result(false);
    std::cout << (breaker.allow() ? "let through" : "refused");
}
"""
arguments = argparse.Namespace()


def run(*command, **environment) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                          env=os.environ | environment)


class Installation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="install_test_")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.prefix = self.folder / "first"
        (self.folder / "main.cpp").write_text(PROGRAM_TEXT, encoding="utf-8")

    def install(self, *options: str) -> None:
        self.succeeds(run("cmake", "--install", arguments.build, "--prefix", self.prefix, *options))
        # Whatever the package refers to must still hold after the tree was moved.
        self.prefix = self.prefix.rename(self.folder / "moved")

    def configure(self, asked: str, expected: str = "core") -> subprocess.CompletedProcess:
        text = PROJECT_TEXT.format(asked=asked, expected=expected)
        (self.folder / "CMakeLists.txt").write_text(text, encoding="utf-8")
        return run("cmake", "-S", self.folder, "-B", self.folder / "build", "-G", "Ninja",
                   f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={arguments.compiler}",
                   f"-DCMAKE_CXX_FLAGS={arguments.flags}")

    def succeeds(self, done: subprocess.CompletedProcess) -> str:
        self.assertEqual(done.returncode, 0, f"{done.args}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_the_core_alone_serves_cmake_and_refuses_what_is_not_there(self):
        self.install("--component", "core")
        self.succeeds(self.configure("REQUIRED COMPONENTS core"))
        self.succeeds(run("cmake", "--build", self.folder / "build"))
        self.assertEqual(self.succeeds(run(self.folder / "build/consumer")), "refused")
        for absent in ("json", "coffee"):
            refusal = self.configure(f"COMPONENTS core {absent}")
            self.assertNotEqual(refusal.returncode, 0)
            self.assertIn("refused:", refusal.stderr)

    def test_the_core_alone_serves_pkg_config(self):
        self.install("--component", "core")
        (description,) = self.prefix.rglob("resilience.pc")
        flags = self.succeeds(run("pkg-config", "--cflags", "--libs", "resilience",
                                  PKG_CONFIG_PATH=str(description.parent)))
        self.succeeds(run(arguments.compiler, "-std=c++23", *shlex.split(arguments.flags), self.folder / "main.cpp",
                          "-o", self.folder / "consumer", *shlex.split(flags)))
        self.assertEqual(self.succeeds(run(self.folder / "consumer")), "refused")

    def test_all_components_are_found(self):
        self.install()
        self.succeeds(self.configure("0.1 REQUIRED", "core " + " ".join(ADAPTERS)))
        self.succeeds(self.configure("REQUIRED COMPONENTS http", "core " + " ".join(ADAPTERS)))
        self.assertTrue((self.prefix / "bin/resilience").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the build folder to install from")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--flags", default="", help="what the libraries were compiled with, for example a sanitizer")
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=["install_test", *rest])
