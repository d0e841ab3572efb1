#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vram_facts costs, in one run on one host: against `ping` and `setup` through Ansible, and the probe alone beyond Python's start.

    python bench/vram_facts.py                                    # this machine, local connection
    python bench/vram_facts.py -i inventories/lab/hosts.yml lab-3060   # over SSH
    python bench/vram_facts.py --hung …                           # also: a driver that hangs, on a lab host (its fake driver is told to)

Ratios within one run are the result; seconds depend on the machine and what else it does.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
MODULES = ("ansible.builtin.ping", "llmfleet.ollama.vram_facts", "ansible.builtin.setup")
CARD = "gpu{n}.name=NVIDIA H100 80GB HBM3\ngpu{n}.total=81559M\ngpu{n}.reserved=479M\ngpu{n}.process0=7:1024M:/usr/bin/ollama\n"
CARDS = "".join(CARD.format(n=number) for number in range(8))
PROBE = """
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import observe
options = {"timeout": 20, "gather": list(observe.GATHER), "topology": False, "allow_cli": True, "filesystems": []}
observation = observe.observe(options)
assert len(observation["nvml"]["devices"]) == 8, observation["probes"]
print(observation["nvml"]["driver"]["bindings"])
"""


def play(inventory, host, tasks, environment):
    """Run the tasks and return their seconds as Ansible itself counts them: [(name, seconds)]."""
    with tempfile.TemporaryDirectory() as folder:
        book = pathlib.Path(folder, "bench.yml")
        book.write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), *inventory, str(book)]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"The bench play failed on {host}:\n{ended.stdout}{ended.stderr}")
    document = json.loads(ended.stdout[ended.stdout.index("{") : ended.stdout.rindex("}") + 1])
    found = []
    for task in document["plays"][0]["tasks"]:
        duration = task["task"]["duration"]
        began, finished = (time_of(duration[edge]) for edge in ("start", "end"))
        found.append((task["task"]["name"], finished - began))
    return found


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def ansible_environment():
    return dict(
        os.environ,
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        ANSIBLE_CALLBACKS_ENABLED="ansible.posix.json",
        ANSIBLE_PIPELINING="true",
        ANSIBLE_DEPRECATION_WARNINGS="false",
    )


def through_ansible(inventory, host, rounds):
    # The rounds are mixed, so that a busy moment of the machine hits all alike; the first round warms the connection up.
    tasks = [{"name": module, module: {}} for _round in range(rounds + 1) for module in MODULES]
    seconds = {module: [] for module in MODULES}
    for name, took in play(inventory, host, tasks, ansible_environment())[len(MODULES) :]:
        seconds[name].append(took)
    middle = {module: statistics.median(values) for module, values in seconds.items()}
    ping, facts, setup = (middle[module] for module in MODULES)
    print(f"{host}, median of {rounds}: ping {ping * 1000:.0f} ms, vram_facts {facts * 1000:.0f} ms, setup {setup * 1000:.0f} ms")
    print(f"vram_facts = {facts / ping:.2f} x ping (aim: at most 1.3) = {facts / setup:.2f} x setup (aim: below 0.5)")


def best_of(command, environment, rounds):
    """(least seconds, least seconds of processor, output): the least is what the work costs, the rest is what else the machine does."""
    output, times, work = "", [], []
    for _round in range(rounds):
        began, used = time.perf_counter(), processor()
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
        times.append(time.perf_counter() - began)
        work.append(processor() - used)
    return min(times), min(work), output


def processor():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def probe_alone(rounds):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("The probe alone needs a C compiler for the fake driver; install gcc.")
        return
    with tempfile.TemporaryDirectory() as folder:
        library = pathlib.Path(folder, "libnvidia-ml.so.1")
        source = str(ROOT / "lab/fake_nvml/fake_nvml.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wl,-soname,libnvidia-ml.so.1", "-o", str(library), source], check=True)
        pathlib.Path(folder, "fake.conf").write_text(CARDS, encoding="utf-8")
        environment = dict(os.environ, FAKE_NVML=f"{folder}/fake.conf", LD_LIBRARY_PATH=folder, PYTHONPATH=str(ROOT / "collections"))
        for label, flags in (("with the host's packages", []), ("standard library only", ["-S"])):
            start, start_work, _output = best_of([sys.executable, *flags, "-c", "pass"], environment, rounds)
            whole, whole_work, bindings = best_of([sys.executable, *flags, "-c", PROBE], environment, rounds)
            beyond, work = (whole - start) * 1000, (whole_work - start_work) * 1000
            print(
                f"probe of 8 fake GPUs, {label} ({bindings}): {beyond:.0f} ms beyond Python's start of {start * 1000:.0f} ms (aim: 40), "
                f"{work:.0f} ms of processor"
            )


def hung_driver(inventory, host):
    """The lab host's fake driver is told to hang in its first call, and told to be well again afterwards."""
    configuration = "/etc/fake_nvml.conf"
    keep = {"remote_src": True, "src": configuration, "dest": configuration + ".bench", "mode": "preserve"}
    begin = {"name": "begin", "ansible.builtin.copy": keep}
    hang = {"name": "hang", "ansible.builtin.lineinfile": {"path": configuration, "line": "init_fault=hang"}}
    facts = {"name": "vram_facts", "llmfleet.ollama.vram_facts": {"timeout": 3, "gather": ["nvidia", "system"]}}
    after = {"name": "next task", "ansible.builtin.ping": {}}
    heal = {"name": "heal", "ansible.builtin.command": {"argv": ["mv", configuration + ".bench", configuration]}}
    block = [begin, {"block": [hang, after, facts, dict(after, name="the task behind it")], "always": [heal]}]
    for task in (begin, hang, heal):
        task["become"] = True
    seconds = dict(play(inventory, host, block, ansible_environment()))
    print(
        f"{host} with a driver that hangs: vram_facts with a timeout of 3 s took {seconds['vram_facts']:.2f} s, "
        f"the task behind it {seconds['the task behind it']:.2f} s (the same task before: {seconds['next task']:.2f} s)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?", default="localhost")
    parser.add_argument("-i", "--inventory", help="inventory of the host; without it, this machine")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hung", action="store_true", help="try a hanging driver on a lab host too")
    chosen = parser.parse_args()
    inventory = ["-i", chosen.inventory] if chosen.inventory else ["-i", "localhost,", "-c", "local"]
    through_ansible(inventory, chosen.host, chosen.rounds)
    probe_alone(chosen.rounds * 2)
    if chosen.hung:
        hung_driver(inventory, chosen.host)


if __name__ == "__main__":
    main()
