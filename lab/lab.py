#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real hosts, real Ollama releases and a registry of stand-in models on one Linux machine."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor

from llmfleet_lab import engine, images, models, releases, upstream
from llmfleet_lab.common import LabError, only_one


def base(client) -> None:
    """What Molecule needs: engine, network, images, releases, models, upstream."""
    engine.network(client)
    # The three parts don't touch each other, and each waits mostly for the network or the disk.
    with ThreadPoolExecutor() as pool:
        parts = [pool.submit(images.build, client), pool.submit(releases.build), pool.submit(models.build)]
        for part in parts:
            part.result()
    images.build_hub(client)
    upstream.start(client)


def command_base(_arguments) -> str:
    with only_one("build"):
        base(engine.start())
    return f"The lab's base is ready: images {', '.join([*images.RELEASES, images.HUB_IMAGE])}, and the upstream at {upstream.ADDRESS}."


def command_traffic(arguments) -> str:
    if arguments.reset:
        upstream.reset_traffic()
        return "The upstream counts from zero now."
    counted = upstream.traffic()
    return json.dumps(counted, indent=2) if arguments.json else upstream.table(counted)


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("base", help="images, releases, stand-in models and the upstream").set_defaults(run=command_base)
    traffic = commands.add_parser("traffic", help="what left the upstream, model by model")
    traffic.add_argument("--json", action="store_true", help="print it as JSON")
    traffic.add_argument("--reset", action="store_true", help="count from zero")
    traffic.set_defaults(run=command_traffic)
    arguments = parser.parse_args()
    try:
        print(arguments.run(arguments))
    except LabError as error:
        print(f"lab.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
