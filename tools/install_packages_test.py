#!/usr/bin/env python3
"""The package installer on machines that are made up: nothing missing, root, sudo, neither, no Debian at all."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "install_packages.sh"
INSTALL = "apt-get install -y --no-install-recommends"


class PackageInstaller(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="install_packages_test_")
        self.addCleanup(folder.cleanup)
        self.programs = Path(folder.name)
        for name in ("bash", "env", "tr"):
            (self.programs / name).symlink_to(shutil.which(name))
        self.says("dpkg-query", "not-installed=g++ installed=make")
        self.says("apt-get", "apt-get $*")

    def says(self, program: str, line: str) -> None:
        self.program(program, f'echo "{line}"')

    def program(self, name: str, body: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        file.chmod(0o755)

    def run_script(self, *parts: str) -> subprocess.CompletedProcess:
        return subprocess.run([SCRIPT, *parts], env={"PATH": str(self.programs)}, capture_output=True, text=True,
                              check=False)

    def test_root_installs_what_is_missing_and_only_that(self):
        self.says("id", "0")
        done = self.run_script("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("apt-get update", done.stdout)
        self.assertIn(f"{INSTALL} g++ ", done.stdout)
        self.assertIn(" clang-tidy-19\n", done.stdout)
        self.assertNotIn(" make ", done.stdout)
        self.assertNotIn("valgrind", done.stdout)

    def test_another_user_goes_through_sudo(self):
        self.says("id", "1000")
        self.program("sudo", 'echo "by sudo"; exec "$@"')
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"by sudo\n{INSTALL} g++ ", done.stdout)

    def test_without_root_and_sudo_it_says_what_to_run(self):
        self.says("id", "1000")
        done = self.run_script()
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"apt-get update && {INSTALL} g++ ", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)

    def test_where_there_is_no_apt_it_names_the_packages(self):
        (self.programs / "apt-get").unlink()
        (self.programs / "dpkg-query").unlink()
        done = self.run_script()
        self.assertEqual(done.returncode, 3)
        self.assertIn("make g++ cmake", done.stderr)

    def test_a_failing_apt_fails_it(self):
        self.says("id", "0")
        self.program("apt-get", "exit 100")
        self.assertNotEqual(self.run_script().returncode, 0)

    def test_nothing_happens_when_all_is_there(self):
        self.program("dpkg-query", "printf 'installed=%s ' " + " ".join(self.wanted()))
        self.program("apt-get", "exit 100")
        self.says("id", "0")
        done = self.run_script()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def wanted(self) -> list[str]:
        """What a machine without any package is asked to install."""
        self.says("dpkg-query", "")
        self.says("id", "1000")
        return self.run_script().stderr.partition(INSTALL)[2].split()

    def test_an_unknown_part_is_wrong_usage(self):
        self.assertEqual(self.run_script("coffee").returncode, 2)


if __name__ == "__main__":
    unittest.main()
