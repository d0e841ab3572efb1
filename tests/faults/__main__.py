# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts runs off on real hosts and demands that the next one goes through: `make faults CUTS=60 SEED=1`.

Cut are site.yml, upgrade.yml and uninstall.yml on the lab's hosts, the filling of an empty mirror, and an upgrade of Open WebUI; by a controller that is
killed or interrupted, a host that loses its power, and a network that goes. Then the same command runs again: it must go through, the servers must answer,
the run after that must change nothing, nothing may be lost, and somebody who was not admitted, who asks all the time, must never have had an answer.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parents[1] / folder) for folder in ("tests", "tests/e2e", "lab"))]

import dealing  # noqa: E402
import fleet  # noqa: E402
import places  # noqa: E402
from controller import Controller  # noqa: E402
from stranger import Stranger  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cuts", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no cut after so many")
    parser.add_argument("--keep", action="store_true", help="leave machines and windows, and go on with those that an earlier call has left")
    arguments = parser.parse_args()
    places.Place.deadline = time.monotonic() + 60 * arguments.minutes
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}, {arguments.cuts} cuts (again: make faults CUTS={arguments.cuts} SEED={seed}); logs: {places.OUTPUT}", flush=True)
    cuts, ledger, timelines = dealing.deal(arguments.cuts, seed), dealing.Ledger(), {}
    wanted = {command for command in dealing.COMMANDS if any(cut.command == command for cut in cuts)}
    controls = [(name, address, 22, "control") for name, address in fleet.HOSTS.items()]
    broken, state, lock = [], {}, threading.Lock()
    kept = places.OUTPUT / "state.json"
    if arguments.keep and kept.exists():
        state = json.loads(kept.read_text(encoding="utf-8"))
        timelines = {command: dealing.Timeline(**line) for command, line in state["timelines"].items()}
    with Stranger([*places.Hosts.TARGETS, *places.Hub.TARGETS, *controls]) as stranger:
        lanes = [place(ledger, stranger, timelines) for place in (places.Hosts, places.Hub) if wanted & set(place.COMMANDS)]

        def lane(place: places.Place) -> None:
            try:
                name = type(place).__name__
                if name in state:
                    place.go_on(state[name])
                else:
                    place.prepare()
                    with lock:
                        state[name] = place.state()
                        state["timelines"] = {command: dataclasses.asdict(line) for command, line in timelines.items()}
                        kept.write_text(json.dumps(state), encoding="utf-8")
                place.run([cut for cut in cuts if cut.command in place.COMMANDS])
            except Exception:  # pylint: disable=broad-exception-caught
                broken.append(traceback.format_exc())

        threads = [threading.Thread(target=lane, args=[place], daemon=True) for place in lanes]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            broken.append("Interrupted; machines may be without power or network: lab/lab.py down and up make them anew.")
        finally:
            Controller.kill_all()
        counts = stranger.counts()
        if not arguments.keep:
            kept.unlink(missing_ok=True)
            for place in lanes:
                place.away()
    print(f"\nseed {seed}\n{ledger.table()}")
    for port, row in sorted(counts.items()):
        print(f"  a stranger asked {port} {row['asked']} times and had {row['answers']} answers")
    for text in [*ledger.failures, *broken]:
        print(text)
    # It must have been able to hear an answer.
    deaf = not any(row["answers"] for port, row in counts.items() if port.endswith(":22"))
    if deaf:
        print("The stranger heard nobody, not even sshd, so it proves nothing.")
    held, made = not ledger.failures and not broken and not deaf, ledger.sums()["cuts"]
    words = "Every cut was lived through" if held else "Not every cut was lived through"
    print("%s at %s; %d of %d were made." % (words, time.strftime("%T"), made, arguments.cuts))
    return 0 if held and made == arguments.cuts else 1


if __name__ == "__main__":
    sys.exit(main())
