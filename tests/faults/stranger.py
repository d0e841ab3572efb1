# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody whom nobody admitted: a container of the lab's network that asks the ports all the time, from the first cut to the last."""

from __future__ import annotations

import json
import subprocess
import time

NAME, ADDRESS = "lab-stranger", "172.30.77.95"
# Runs in the container. kind "port": that a connection comes about is an answer. kind "page": status 200 is one, since a server may well say no.
# kind "control": a port that is for everybody, asked seldom, since sshd turns away who comes too often.
PROGRAM = r"""
import json, socket, sys, threading, time
counts = {}
def ask(name, address, port, kind):
    key = "%s:%d" % (name, port)
    counts[key] = {"asked": 0, "answers": 0}
    while True:
        counts[key]["asked"] += 1
        try:
            with socket.create_connection((address, port), 0.4) as there:
                answered = kind != "page"
                if kind == "page":
                    there.settimeout(2)
                    there.sendall(b"GET /v2/library/smollm2/manifests/135m HTTP/1.0\r\nHost: %s\r\n\r\n" % address.encode())
                    answered = b" 200 " in there.recv(200)
        except OSError:
            answered = False
        if answered:
            counts[key]["answers"] += 1
        if answered and kind != "control":
            print(json.dumps({"host": name, "port": port, "at": time.time()}), flush=True)
        time.sleep(5 if kind == "control" else 0.02)
for row in json.loads(sys.argv[1]):
    threading.Thread(target=ask, args=row, daemon=True).start()
while True:
    time.sleep(1)
    print(json.dumps({"counts": counts}), flush=True)
"""


class Stranger:
    """Asks `targets` (name, address, port, kind) for the length of a `with`."""

    def __init__(self, targets: list[tuple[str, str, int, str]]) -> None:
        self.targets = targets

    def __enter__(self) -> Stranger:
        self._remove()
        subprocess.run(
            ["docker", "run", "--detach", "--name", NAME, "--network", "llmfleet", "--ip", ADDRESS, "--label", "llmfleet.lab=host", "--init",
             "llmfleet/debian13", "python3", "-c", PROGRAM, json.dumps(self.targets)],
            check=True, capture_output=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not self.counts():
            assert time.monotonic() < deadline, "the stranger does not ask"
            time.sleep(0.5)
        return self

    def __exit__(self, *_error) -> None:
        self._remove()

    @staticmethod
    def _remove() -> None:
        subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)

    def _said(self, *words: str) -> list[dict]:
        done = subprocess.run(["docker", "logs", *words, NAME], capture_output=True, text=True, check=False)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{") and line.endswith("}")]

    def counts(self) -> dict[str, dict[str, int]]:
        said = [row["counts"] for row in self._said("--tail", "3") if "counts" in row]
        return said[-1] if said else {}

    def answers(self, host: str, since: float) -> list[dict]:
        """Of this host's ports that are not for everybody."""
        return [row for row in self._said("--since", "%.0f" % (since - 1)) if row.get("host") == host and row["at"] >= since]
