#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many module runs a playbook costs each host, and how long it takes compared with one ping of the same hosts.

    bench/count_module_runs.py -i inventories/lab site.yml [--at-most 10 --group ollama] [-- more arguments of ansible-playbook]

A task that skips, includes, templates or decides on the controller costs a host nothing; what it pays for is the modules that are sent
to it (`template` and `copy` send two). So those are counted: each call of ActionBase._execute_module, by the callback
bench/callback/module_runs.py. Modules that a host's tasks delegate run elsewhere and are listed apart. Run it twice to see a converged
fleet. The exit status is 1 where a host of --group needs more than --at-most.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PINGS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-i", "--inventory", default=str(ROOT / "inventories/lab"))
    parser.add_argument("playbook")
    parser.add_argument("--at-most", type=int, help="fail when a host needs more module runs")
    parser.add_argument("--group", default="ollama", help="hosts that are pinged and that --at-most is for")
    parser.add_argument("more", nargs="*", help="arguments for ansible-playbook, after --")
    options = parser.parse_args()
    runs, took = run(options)
    if runs is None:
        return 2
    members = hosts_of(options)
    ping = statistics.median(pinged(options) for _time in range(PINGS))
    report(runs, members)
    print(f"{options.playbook}: {took:.1f} s, one ping of {options.group}: {ping:.1f} s, ratio {took / ping:.1f}")
    too_many = sorted(host for host in members if options.at_most is not None and runs[host]["own"].total() > options.at_most)
    if too_many:
        print(f"More than {options.at_most} module runs on {', '.join(too_many)}.")
        return 1
    return 0


def environment(**more) -> dict:
    return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **more}


def tool(name: str) -> str:
    """The command of the Python that runs this, so that the bench needs no activated environment."""
    beside = pathlib.Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


def run(options):
    """Module runs by host and module, and the seconds of the playbook; (None, seconds) when it failed."""
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "runs.jsonl"
        record.touch()
        env = environment(
            ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "bench/callback"),
            # This setting replaces that of ansible.cfg; the report's own time is part of a user's run.
            ANSIBLE_CALLBACKS_ENABLED="llmfleet.ollama.fleet_report,module_runs",
            MODULE_RUNS_RECORD=str(record),
        )
        print(f"running {options.playbook} once", flush=True)
        started = time.monotonic()
        command = [tool("ansible-playbook"), "-i", options.inventory, options.playbook, *options.more]
        done = subprocess.run(command, cwd=ROOT, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        took = time.monotonic() - started
        runs = counted(record.read_text())
    if done.returncode:
        print(done.stdout)
        print(f"{options.playbook} failed (exit status {done.returncode}), so there is nothing to count.")
        return None, took
    return runs, took


def counted(record: str) -> dict:
    """{host: {"own": Counter of modules, "delegated": Counter of modules}} from the callback's lines."""
    runs = collections.defaultdict(lambda: {"own": collections.Counter(), "delegated": collections.Counter()})
    for line in record.splitlines():
        entry = json.loads(line)
        module = entry["module"].removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
        runs[entry["host"]]["delegated" if entry["delegated"] else "own"][module] += 1
    return runs


def hosts_of(options) -> list[str]:
    command = [tool("ansible"), options.group, "-i", options.inventory, "--list-hosts"]
    said = subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, text=True).stdout
    return [line.strip() for line in said.splitlines()[1:] if line.strip()]


def pinged(options) -> float:
    command = [tool("ansible"), options.group, "-i", options.inventory, "-m", "ansible.builtin.ping"]
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def report(runs, members) -> None:
    width = max([4, *(len(host) for host in {*runs, *members})])
    print(f"\n{'HOST':{width}}  RUNS  MODULES")
    for host in [*members, *sorted(set(runs) - set(members))]:
        own, delegated = (", ".join(f"{module} {amount}" for module, amount in runs[host][kind].items()) for kind in ("own", "delegated"))
        print(f"{host:{width}}  {runs[host]['own'].total():4d}  {own or '-'}{f'; delegated: {delegated}' if delegated else ''}")


if __name__ == "__main__":
    sys.exit(main())
