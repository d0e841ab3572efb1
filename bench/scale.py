#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a converged fleet costs its controller, host by host, against one ping of the same fleet.

    bench/scale.py [-i inventories/lab] [--names 3 12 36] [--enforce] [playbook]

The hosts of group ollama are reached under as many names as are asked for, each name over a connection of its own, as if it were a machine. The
playbook is limited to them; it runs once to converge and once for the figures, in which nothing may change. For each number of names:

* module runs and tasks of the host that has most, tasks that skip counted;
* CPU of the controller (user and system, of ansible-playbook and its ssh) and wall time, and the same of `ansible -m ping`, the median of three.

The hosts share their machine with the controller here, so wall time also holds their work. The exit status is 1 where the playbook failed or
changed something, and with --enforce also where a figure is above its aim.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import count_module_runs

ROOT = pathlib.Path(__file__).resolve().parents[1]
GROUP = "ollama"
PINGS = 3
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)", re.MULTILINE)
# For a converged host: what it is asked, what the controller may spend on it, and how much longer than a ping the largest run may take.
# A module run more is for each other role that it has; here that is ollama_models.
AIMS = {"runs": 2, "tasks": 15, "cpu_seconds": 0.6, "wall_ratio": 4.0}


class Cost(NamedTuple):
    """Seconds of one command."""

    wall: float
    cpu: float


class Figures(NamedTuple):
    """Of one number of names; seconds of CPU are for each of them."""

    names: int
    runs: int
    tasks: int
    cpu_seconds: float
    wall: float
    ping_cpu_seconds: float
    ping_wall: float

    @property
    def cpu_ratio(self) -> float:
        return self.cpu_seconds / self.ping_cpu_seconds

    @property
    def wall_ratio(self) -> float:
        return self.wall / self.ping_wall


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-i", "--inventory", default=str(ROOT / "inventories/lab"))
    parser.add_argument("--names", type=int, nargs="+", default=[3, 12, 36], help="numbers of names, one run each")
    parser.add_argument("--enforce", action="store_true", help="fail where a figure is above its aim")
    parser.add_argument("playbook", nargs="?", default=str(ROOT / "site.yml"))
    options = parser.parse_args()
    said = subprocess.run(
        [count_module_runs.tool("ansible-inventory"), "-i", options.inventory, "--list"],
        cwd=ROOT, env=count_module_runs.environment(), check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rows = []
    for names in options.names:
        print("measuring %d names" % names, flush=True)
        # A short path: that of a socket may have 104 characters.
        with tempfile.TemporaryDirectory(prefix="scale") as folder:
            row = measured(pathlib.Path(folder), json.loads(said), options, names)
        if row is None:
            break
        rows.append(row)
    print(table(rows), flush=True)
    if len(rows) < len(options.names):
        return 1
    missed = above_aim(rows)
    print("Above their aims: %s." % "; ".join(missed) if missed else "Every figure is within its aim.")
    return 1 if missed and options.enforce else 0


def measured(folder: pathlib.Path, listed: dict, options, names: int) -> Figures | None:
    """One converged run, or None where there was none."""
    inventory = folder / "hosts.json"
    inventory.write_text(json.dumps(under_names(listed, names, pathlib.Path(options.inventory).resolve(), folder)), encoding="utf-8")
    record = folder / "runs.jsonl"
    environment = count_module_runs.environment(
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "bench/callback"),
        # This setting replaces that of ansible.cfg; the report's own time is part of a user's run.
        ANSIBLE_CALLBACKS_ENABLED="llmfleet.ollama.fleet_report,module_runs",
        ANSIBLE_NOCOLOR="1",
        LLMFLEET_REPORT_DIR=str(folder / "reports"),
        MODULE_RUNS_RECORD=str(record),
    )
    ping = [count_module_runs.tool("ansible"), GROUP, "-i", str(inventory), "-m", "ansible.builtin.ping"]
    # Few at a time: one sshd turns away what comes in dozens (MaxStartups). They stay open, for the pings below as for the playbook.
    run([*ping, "--forks", "3"], environment)
    play = [count_module_runs.tool("ansible-playbook"), "-i", str(inventory), "--limit", GROUP, options.playbook]
    for time_ in ("to converge", "for the figures"):
        record.write_text("", encoding="utf-8")
        cost, text = run(play, environment)
        recap = {host: [int(number) for number in numbers] for host, *numbers in RECAP.findall(text)}
        if text is None or any(unreachable or failed for _ok, _changed, unreachable, failed, _skipped in recap.values()) or len(recap) < names:
            print("%s\nThe run %s failed, so there is nothing to measure." % (text[-4000:], time_))
            return None
    changed = sorted(host for host, numbers in recap.items() if numbers[1])
    if changed:
        print("%s\nA second run still changed something on %s; these are no figures of a converged fleet." % (text[-4000:], ", ".join(changed)))
        return None
    pings = [run(ping, count_module_runs.environment())[0] for _time in range(PINGS)]
    runs = count_module_runs.counted(record.read_text(encoding="utf-8"))
    return Figures(
        names,
        max(sum(runs[host]["own"].values()) + sum(runs[host]["delegated"].values()) for host in recap),
        max(ok + skipped for ok, _changed, _unreachable, _failed, skipped in recap.values()),
        cost.cpu / names,
        cost.wall,
        statistics.median(each.cpu for each in pings) / names,
        statistics.median(each.wall for each in pings),
    )


def run(command: list[str], environment: dict) -> tuple[Cost, str]:
    """What a command and its children cost, and what it printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime), done.stdout


def under_names(listed: dict, names: int, inventory: pathlib.Path, folder: pathlib.Path) -> dict:
    """The inventory that `ansible-inventory --list` told, as one in YAML's structure, with `names` names for the hosts of GROUP in turn.

    `folder` takes the sockets of their connections; without one for each name, several would wait for the same sshd's sessions.
    """
    variables = listed.pop("_meta")["hostvars"]
    machines = listed[GROUP]["hosts"]
    aliases = {"%s-%02d" % (machines[number % len(machines)], number): machines[number % len(machines)] for number in range(names)}
    place = inventory if inventory.is_dir() else inventory.parent

    def settled(value):
        """Variables that ask where the inventory lies must find the one that they were written for."""
        if isinstance(value, str):
            return re.sub(r"\binventory_dir\b", lambda _found: "'%s'" % place, value)
        if isinstance(value, dict):
            return {name: settled(item) for name, item in value.items()}
        return [settled(item) for item in value] if isinstance(value, list) else value

    hosts = {host: settled(own) for host, own in variables.items() if host not in machines}
    for name, machine in aliases.items():
        hosts[name] = {**settled(variables[machine]), "ansible_control_path": str(folder / name)}
    groups = {}
    for group, content in listed.items():
        if group not in ("all", "ungrouped"):
            members = [name for host in content.get("hosts", []) for name in ([a for a, machine in aliases.items() if machine == host] or [host])]
            groups[group] = {"hosts": dict.fromkeys(members), "children": dict.fromkeys(content.get("children", []))}
    return {"all": {"hosts": hosts, "children": groups}}


def table(rows: list[Figures]) -> str:
    lines = ["NAMES  MODULE RUNS  TASKS  CPU s/NAME  OF PING  TIMES   WALL s  OF PING  TIMES"]
    lines += [
        "%5d  %11d  %5d  %10.2f  %7.2f  %5.1f  %7.1f  %7.1f  %5.1f"
        % (row.names, row.runs, row.tasks, row.cpu_seconds, row.ping_cpu_seconds, row.cpu_ratio, row.wall, row.ping_wall, row.wall_ratio)
        for row in rows
    ]
    lines.append("  aim  %11d  %5d  %10.2f%42.1f" % (AIMS["runs"], AIMS["tasks"], AIMS["cpu_seconds"], AIMS["wall_ratio"]))
    return "\n".join(lines)


def above_aim(rows: list[Figures]) -> list[str]:
    """A phrase for each figure that is too large; wall time counts in the largest run only, as a small one is all start."""
    missed = []
    for name, words in (("runs", "%d module runs a host"), ("tasks", "%d tasks a host"), ("cpu_seconds", "%.2f s of CPU a host")):
        worst = max(getattr(row, name) for row in rows)
        if worst > AIMS[name]:
            missed.append(words % worst)
    largest = max(rows, key=lambda row: row.names)
    if largest.wall_ratio > AIMS["wall_ratio"]:
        missed.append("%.1f times a ping of %d names" % (largest.wall_ratio, largest.names))
    return missed


if __name__ == "__main__":
    sys.exit(main())
