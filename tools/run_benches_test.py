#!/usr/bin/env python3
"""The benches' gates on figures that are made up: what is missed is measured twice more, and fails when it stays so."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import instruction_gates
import run_benches

PARTS = {"fetch_add": 4.0, "swap": 6.0, "clock_read": 20.0, "empty_call": 1.0, "apart": 4.0, "two_lines": 8.0,
         "swap_and_apart": 10.0, "instruction": 0.25}
CEILINGS = {"instructions": {
    "clock": {"ceiling": None, "clock_reads": 2},
    "breaker": {"ceiling": 40, "adds": 2},                                          # 1.35 x (2 x 4 + 40 x 0.25) = 24.3
    "limiter": {"ceiling": 40, "swaps": 1, "shared": ["swap", "fetch_add"]},        # two threads: 1.5 x (12 + 8) = 30
    "call": {"ceiling": 100, "adds": 2, "clock_reads": 2, "beside": "by_hand", "most": 1.1},
    "by_hand": {"ceiling": 80, "adds": 2, "clock_reads": 2},
    "one_stage": {"ceiling": 20, "of": "call", "without": "by_hand"},
}}
GOOD = {"breaker": 20.0, "limiter": 15.0, "call": 70.0, "by_hand": 66.0, "clock": 45.0}


def times(clean: int = 31, two_limiter: float = 25.0, **changed: float) -> dict:
    """What operation_times prints, with some figures changed."""
    rows = {name: {"one": one, "clean": clean, "two": 2 * one, "clean_two": clean} for name, one in PARTS.items()}
    rows |= {name: {"one": one, "clean": clean} for name, one in (GOOD | changed).items()}
    rows["limiter"] |= {"two": two_limiter, "clean_two": clean}
    return {"rows": rows}


def guide(**changed: float) -> dict:
    row = {"p50": 50, "p99": 90, "p999": 400, "per_second_1": 2e7, "per_second_4": 3e7}
    return {"clock_pair": 30} | {name: row | (changed if name == "rate_limiter" else {})
                                 for name in ("circuit_breaker", "rate_limiter", "bulkhead", "combined")}


SIZES = {"circuit_breaker": 984, "rate_limiter": 256, "bulkhead": 256, "manager": 20_000}


class Benches(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="run_benches_test_")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def program(self, name: str, runs: list[dict]) -> None:
        """A program that prints these, one for each time it is run; the last of them from then on."""
        for number, result in enumerate(runs):
            (self.folder / f"{name}.{number}").write_text(json.dumps(result), encoding="utf-8")
        body = f'cd "{self.folder}"; touch ran; n=$(wc -l <ran); echo >>ran; last={len(runs) - 1}\n' \
               f"cat {name}.$((n < last ? n : last))\n"
        (self.folder / name).write_text(f"#!/bin/bash\n{body}", encoding="utf-8")
        (self.folder / name).chmod(0o755)

    def missed_times(self, *runs: dict) -> list[str]:
        self.program("operation_times", list(runs))
        return self.quietly(lambda: run_benches.measure_times(self.folder, self.folder, CEILINGS, {"clock": 56}))

    def missed_guide(self, *runs: dict, sizes: dict | None = None) -> list[str]:
        self.program("guide_table", list(runs))
        return self.quietly(lambda: run_benches.measure_guide(self.folder, self.folder, sizes or SIZES))

    def missed_keyed(self, clean: int = 31, **keyed: float) -> list[str]:
        rows = {"limiter": 5.0, "array_read": 100.0, "keyed_number": 155.0, "keyed_text": 155.0} | keyed
        self.program("keyed_times", [{"rows": {name: {"one": one, "clean": clean} for name, one in rows.items()}}])
        return self.quietly(lambda: run_benches.measure_keyed(self.folder, self.folder))

    def quietly(self, measure) -> list[str]:
        with contextlib.redirect_stdout(io.StringIO()):
            missed = run_benches.until_met(measure)
        self.runs = len((self.folder / "ran").read_text(encoding="utf-8"))
        (self.folder / "ran").unlink()
        return missed

    def test_what_is_met_is_measured_once(self):
        self.assertEqual((self.missed_times(times()), self.runs), ([], 1))
        self.assertEqual((self.missed_guide(guide()), self.runs), ([], 1))
        self.assertTrue((self.folder / "operation_times.json").exists())

    def test_each_gate_that_stays_missed_fails_after_three_runs(self):
        for runs, name in ((times(breaker=24.4), "breaker, one thread: 24.4 ns, gate 24.3 ns"),
                           (times(two_limiter=30.1), "limiter, two threads: 30.1 ns, gate 30.0 ns"),
                           (times(call=72.7), "call beside by_hand: 72.7 ns, gate 72.6 ns")):
            with self.subTest(gate=name):
                self.assertEqual((self.missed_times(runs), self.runs), ([name], 3))
        worse = {"p50": 20_001, "p99": 45_001, "p999": 80_001, "per_second_1": 99_999, "per_second_4": 99_999}
        for figure, value in worse.items():
            with self.subTest(figure=figure):
                (missed,) = self.missed_guide(guide(**{figure: value}))
                self.assertTrue(missed.startswith(f"rate_limiter {figure}: "), missed)
                self.assertEqual(self.runs, 3)
        (missed,) = self.missed_guide(guide(), sizes=SIZES | {"bulkhead": 2049})
        self.assertEqual(missed, "bulkhead bytes: 2049, the guide promises 2048")

    def test_a_gate_that_one_of_three_runs_meets_passes(self):
        self.assertEqual((self.missed_times(times(breaker=99.0), times()), self.runs), ([], 2))
        self.assertEqual((self.missed_times(times(breaker=99.0), times(call=99.0), times(by_hand=99.0)), self.runs),
                         ([], 2), "each of them was met once")
        self.assertEqual((self.missed_guide(guide(p999=99_000), guide(p999=99_000), guide()), self.runs), ([], 3))

    def test_a_million_keys_are_held_against_the_plain_limiter_and_a_read(self):
        self.assertEqual(self.missed_keyed(), [])
        for name in ("keyed_number", "keyed_text"):
            self.assertEqual(self.missed_keyed(**{name: 155.1}), [f"{name}: 155.1 ns, gate 155.0 ns"])
        self.assertEqual(len(self.missed_keyed(clean=4)), 2)

    def test_a_machine_too_busy_to_measure_fails(self):
        self.assertIn("breaker, one thread: the machine was too busy to measure it (4 clean batches)",
                      self.missed_times(times(clean=4)))

    def test_a_program_that_fails_ends_the_run(self):
        (self.folder / "guide_table").write_text("#!/bin/bash\nexit 1\n", encoding="utf-8")
        (self.folder / "guide_table").chmod(0o755)
        with self.assertRaises(SystemExit):
            run_benches.measure_guide(self.folder, self.folder, SIZES)

    def test_counts_above_a_ceiling_lost_rows_and_lost_work_fail(self):
        ceilings = {"a": {"ceiling": 10}, "b": {"ceiling": None}, "c": {"ceiling": 10}}
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(instruction_gates.report("instructions", {"a": 10, "b": 99, "c": 9}, ceilings), [])
            missed = instruction_gates.report("instructions", {"a": 11, "b": 2, "d": 9}, ceilings)
        self.assertEqual(missed, ["a: 11 instructions, ceiling 10", "b: 2 instructions: its work is gone",
                                  "d is without a ceiling", "c is not measured"])


if __name__ == "__main__":
    unittest.main()
