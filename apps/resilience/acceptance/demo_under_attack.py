#!/usr/bin/env python3
"""Holds the demo to what it promises under load, with wrk beside it and an upstream killed and restarted.

    demo_under_attack.py build/release/bin/resilience                    # 30 s, 2,000 calls a second, wrk -t2 -c100
    demo_under_attack.py build/dev/bin/resilience --seconds 12 --rate 200 --wrk-connections 10 --rejected-p99 0.05

It asserts: the killed upstream's breaker opens within a second and closes again by itself; rejected answers are fast by
the front's own histogram; no socket error towards customers, and towards upstreams only those of the kill; no wrong
status; every picture of /stats reconciles and no counter falls; at rest policies, generator and upstreams have counted
the same calls. Exit code 0 when all of it holds, 1 when not, with a line for each finding.
"""

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

POLICIES = {"payment": "payment_api", "inventory": "inventory_api", "recommendations": "recommend_api"}
KILLED = "inventory"
CALM, PAUSE = 3.0, 3.0  # seconds of load alone, and of rest after it, before wrk comes
MOST_OWN_CONNECTIONS = 120  # of the demo's load generator


class Findings:
    def __init__(self):
        self.all = []
        self.lock = threading.Lock()

    def expect(self, holds, text):
        if not holds:
            with self.lock:
                self.all.append(text)
        return holds


class Admin:
    """One keep-alive connection to the admin port."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(self, method, path):
        self.connection.request(method, path)
        try:
            response = self.connection.getresponse()
        except http.client.RemoteDisconnected:  # idle for longer than the server keeps a connection
            self.connection.close()
            self.connection.request(method, path)
            response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {body[:300]!r}")
        return json.loads(body)

    def stats(self):
        return self.ask("GET", "/stats")

    def summary(self):
        return self.ask("GET", "/demo/summary")


class Demo:
    """The program on free ports, with a script that only pauses and ends the load."""

    def __init__(self, options):
        ends = CALM + PAUSE + options.seconds
        self.script = tempfile.NamedTemporaryFile("w", suffix=".txt")
        self.script.write(f"at={CALM}s load=0x for={PAUSE}s\nat={ends}s load=0x for=1h\n")
        self.script.flush()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [options.program, "demo", "--port", "0", "--admin-port", "0", "--rate", f"{options.rate}/s",
             "--script", self.script.name],
            stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        ports = re.findall(r"http://127\.0\.0\.1:(\d+)", first)
        if len(ports) != 2:
            raise RuntimeError(f"the demo began with: {first!r}")
        self.admin_port, self.port = int(ports[0]), int(ports[1])
        self.lines = [first]
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def elapsed(self):
        return time.monotonic() - self.started

    def end(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        self.reader.join(timeout=10)
        return code, "".join(self.lines)


def totals(tree, path=""):
    """Every counter of a /stats document with its path."""
    for key, value in tree.items():
        where = f"{path}/{key}"
        if isinstance(value, dict):
            if key.endswith("_total"):
                yield from ((f"{where}/{name}", count) for name, count in value.items())
            else:
                yield from totals(value, where)
        elif key.endswith("_total"):
            yield where, value


def check_picture(stats, most_open, findings):
    for name, breaker in stats["circuit_breakers"].items():
        rejected = sum(breaker["rejected_total"].values())
        findings.expect(breaker["requests_total"] == breaker["admitted_total"] + rejected,
                        f"breaker {name}: requests are not admitted + rejected: {breaker}")
        settled = breaker["success_total"] + breaker["failure_total"] + breaker["ignored_total"]
        findings.expect(breaker["admitted_total"] == settled + breaker["in_flight"],
                        f"breaker {name}: admitted is not settled + in_flight: {breaker}")
        findings.expect(0 <= breaker["in_flight"] <= most_open, f"breaker {name}: in_flight {breaker['in_flight']}")
    for kind in ("rate_limiters", "bulkheads"):
        for name, policy in stats[kind].items():
            rejected = sum(policy["rejected_total"].values())
            findings.expect(policy["requests_total"] == policy["admitted_total"] + rejected,
                            f"{kind} {name}: requests are not admitted + rejected: {policy}")
    for name, bulkhead in stats["bulkheads"].items():
        findings.expect(0 <= bulkhead["in_use"] <= bulkhead["max_concurrent"], f"bulkhead {name}: {bulkhead}")


def read_stats(demo, count, seconds, most_open, findings):
    """Reads /stats `count` times over `seconds` and checks each picture, and against the one before."""
    admin, before, began = Admin(demo.admin_port), {}, time.monotonic()
    for number in range(count):
        stats = admin.stats()
        check_picture(stats, most_open, findings)
        now = dict(totals({key: stats[key] for key in ("circuit_breakers", "rate_limiters", "bulkheads", "retries")}))
        for path, value in now.items():
            findings.expect(value >= before.get(path, 0), f"{path} fell from {before.get(path)} to {value}")
        before = now
        time.sleep(max(0.0, began + seconds * (number + 1) / count - time.monotonic()))
    findings.expect(len(before) > 20, f"only {len(before)} counters were found in /stats")


def wait_for_state(admin, wanted, seconds):
    """Seconds until the killed upstream's breaker was seen in that state, or None."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        breakers = admin.ask("GET", f"/stats?name={POLICIES[KILLED]}")["circuit_breakers"]
        if breakers[POLICIES[KILLED]]["state"] == wanted:
            return time.monotonic() - began
        time.sleep(0.005)
    return None


def at_rest(admin, findings):
    """The summary and stats once no call is under way any more."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        first = admin.summary()
        time.sleep(0.1)
        stats, second = admin.stats(), admin.summary()
        quiet = second["load"]["in_flight"] == 0 and second["load"]["waiting"] == 0
        if quiet and first["front"] == second["front"] and first["load"] == second["load"]:
            return second, stats
    findings.expect(False, "the shop never came to rest")
    return second, stats


def check_rest(summary, stats, killed, findings):
    for upstream, policy in POLICIES.items():
        breaker, seen = stats["circuit_breakers"][policy], summary["upstreams"][upstream]
        limiter, bulkhead = stats["rate_limiters"][policy], stats["bulkheads"][policy]
        exchanges = seen["exchanges_total"]
        settled = breaker["success_total"] + breaker["failure_total"] + breaker["ignored_total"]
        findings.expect(breaker["in_flight"] == 0 and breaker["admitted_total"] == settled,
                        f"{policy} at rest: admitted is not success + failure + ignored: {breaker}")
        findings.expect(bulkhead["in_use"] == 0, f"{policy} at rest: the bulkhead holds {bulkhead['in_use']}")
        findings.expect(bulkhead["requests_total"] == limiter["admitted_total"],
                        f"{policy}: limiter and bulkhead differ")
        retries = stats["retries"][policy]["retries_total"]
        findings.expect(breaker["requests_total"] == bulkhead["admitted_total"] + retries,
                        f"{policy}: {breaker['requests_total']} attempts asked the breaker, but the bulkhead admitted "
                        f"{bulkhead['admitted_total']} calls and {retries} attempts were retries")
        findings.expect(breaker["admitted_total"] == exchanges["all"],
                        f"{policy}: admitted {breaker['admitted_total']}, but exchanged {exchanges}")
        parts = sum(exchanges[part] for part in ("answered", "unreachable", "broken", "timed_out"))
        findings.expect(exchanges["all"] == parts, f"{upstream}: exchanges do not add up: {exchanges}")
        # What broke may or may not have been received; everything else is exact.
        reached = breaker["admitted_total"] - exchanges["unreachable"]
        least, most = reached - exchanges["broken"], reached + exchanges["resent"]
        findings.expect(least <= seen["received_total"] <= most,
                        f"{upstream} received {seen['received_total']}, the policies admitted {least} to {most}")
        if not (killed and upstream == KILLED):
            findings.expect(exchanges["unreachable"] == exchanges["broken"] == exchanges["resent"] == 0,
                            f"{upstream} was not killed, but: {exchanges}")


def check_load(load, findings):
    findings.expect(sum(load["socket_errors_total"].values()) == 0, f"socket errors: {load['socket_errors_total']}")
    findings.expect(load["answered_total"] == load["calls_total"] - load["not_sent_total"], f"calls were lost: {load}")
    findings.expect(load["answered_total"] == sum(load["statuses_total"].values()), f"statuses do not add up: {load}")


def check_statuses(front, upstreams, findings):
    statuses = {int(status): count for status, count in front["statuses_total"].items()}
    wrong = {status: count for status, count in statuses.items() if status not in (200, 429, 502, 503, 504)}
    findings.expect(not wrong, f"wrong statuses: {wrong}")
    refused = sum(front["refused_total"].values())
    findings.expect(statuses.get(429, 0) + statuses.get(503, 0) == refused,
                    f"429 and 503 are for refusals only: {statuses}, {refused} refused")
    killed = upstreams[KILLED]["exchanges_total"]
    findings.expect(statuses.get(502, 0) <= killed["unreachable"] + killed["broken"], f"502 without a kill: {statuses}")
    timed_out = sum(upstream["exchanges_total"]["timed_out"] for upstream in upstreams.values())
    findings.expect(statuses.get(504, 0) <= timed_out, f"504 without a time-out: {statuses}")
    findings.expect(front["malformed_total"] == front["too_slow_total"] == 0, f"customers were misread: {front}")


def calls_asked(stats):
    return sum(limiter["requests_total"] for limiter in stats["rate_limiters"].values())


def check_first_rest(admin, findings):
    summary, stats = at_rest(admin, findings)
    check_rest(summary, stats, False, findings)
    check_load(summary["load"], findings)
    calls = summary["load"]["calls_total"]
    findings.expect(calls > 0 and calls_asked(stats) == calls == summary["front"]["requests_total"],
                    f"the generator made {calls} calls, the policies were asked {calls_asked(stats)} times, the front "
                    f"answered {summary['front']['requests_total']}")
    twin = summary["unguarded"]["load"]
    findings.expect(twin["calls_total"] == calls == twin["answered_total"],
                    f"the generator made {calls} calls, and to the unguarded twin: {twin}")
    print(f"load alone: {calls:,} calls, all counted by everybody")


def kill_and_restart(admin, options, findings):
    admin.ask("POST", f"/demo/faults/{KILLED}?down&for=3s")
    opened = wait_for_state(admin, "open", 5)
    findings.expect(opened is not None and opened <= options.opens_within,
                    f"the breaker opened {opened} s after the kill, at most {options.opens_within} s are allowed")
    closed = wait_for_state(admin, "closed", 30)
    findings.expect(closed is not None, "the breaker did not close again")
    if opened is not None and closed is not None:
        print(f"killed: the breaker opened after {opened:.2f} s, and closed again {closed:.2f} s later")


def check_last_rest(admin, wrk_text, own_calls, options, findings):
    summary, stats = at_rest(admin, findings)
    front, load = summary["front"], summary["load"]
    check_rest(summary, stats, True, findings)
    check_load(load, findings)
    check_statuses(front, summary["upstreams"], findings)
    by_wrk = int(re.search(r"(\d+) requests in", wrk_text).group(1))
    findings.expect("Socket errors" not in wrk_text, f"wrk saw socket errors:\n{wrk_text}")
    # What wrk has under way when it ends is served and not counted by it.
    uncounted = calls_asked(stats) - load["answered_total"] - by_wrk - own_calls
    findings.expect(0 <= uncounted <= options.wrk_connections,
                    f"policies were asked {calls_asked(stats)} times; the load made {load['answered_total']} calls and "
                    f"wrk {by_wrk}")
    rejected = front["latency_seconds"]["rejected"]
    findings.expect(rejected["count"] > 100, f"too few rejections to speak of: {rejected}")
    findings.expect(rejected["p99"] < options.rejected_p99,
                    f"rejected p99 is {rejected['p99'] * 1e3:.2f} ms, at most {options.rejected_p99 * 1e3} ms are "
                    f"allowed: {front['latency_seconds']}")
    admitted = sum(breaker["admitted_total"] for breaker in stats["circuit_breakers"].values())
    print(f"admitted {admitted:,}; load {load['calls_total']:,} calls ({load['late_total']:,} started late), "
          f"wrk {by_wrk:,}; statuses {front['statuses_total']}; rejected {rejected['count']:,}, "
          f"p50 {rejected['p50'] * 1e3:.2f} ms, p99 {rejected['p99'] * 1e3:.2f} ms, max {rejected['max'] * 1e3:.1f} ms")


def attack(demo, options, findings):
    admin = Admin(demo.admin_port)
    time.sleep(max(0.0, CALM + 0.3 - demo.elapsed()))
    check_first_rest(admin, findings)
    time.sleep(max(0.0, CALM + PAUSE - demo.elapsed()))
    most_open = MOST_OWN_CONNECTIONS + options.wrk_connections
    reader = threading.Thread(target=read_stats, args=(demo, 1000, options.seconds, most_open, findings))
    wrk = subprocess.Popen(["wrk", "-t2", f"-c{options.wrk_connections}", f"-d{options.seconds}s", "--timeout", "10s",
                            "-s", str(Path(__file__).with_name("shop_paths.lua")), f"http://127.0.0.1:{demo.port}"],
                           stdout=subprocess.PIPE, text=True)
    reader.start()
    try:
        time.sleep(options.seconds * 0.2)
        kill_and_restart(admin, options, findings)
        wrk_text = wrk.communicate(timeout=options.seconds + 60)[0]
    finally:
        wrk.kill()
        reader.join()
    check_last_rest(admin, wrk_text, 0, options, findings)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seconds", type=int, default=30, help="how long the load and wrk run together")
    parser.add_argument("--rate", type=int, default=2000, help="calls per second of the open-loop load")
    parser.add_argument("--wrk-connections", type=int, default=100)
    parser.add_argument("--rejected-p99", type=float, default=0.005, help="seconds")
    parser.add_argument("--opens-within", type=float, default=1.0, help="seconds")
    options = parser.parse_args()
    findings = Findings()
    demo = Demo(options)
    try:
        attack(demo, options, findings)
    finally:
        code, text = demo.end()
    findings.expect(code == 0, f"the demo ended with exit code {code}")
    findings.expect("\nsummary " in text, f"the demo gave no summary:\n{text}")
    print(text[text.find("summary "):], end="")
    for finding in findings.all[:20]:
        print(f"FINDING: {finding}", file=sys.stderr)
    if findings.all:
        print(f"{len(findings.all)} findings", file=sys.stderr)
    return 1 if findings.all else 0


if __name__ == "__main__":
    sys.exit(main())
