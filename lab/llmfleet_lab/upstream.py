# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The upstream: one container that plays GitHub's releases and the Ollama registry, and counts what it sends."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from . import engine
from .common import CACHE, RECIPE_LABEL, SOURCE, LabError, recipe, say

NAME = "lab-upstream"
ADDRESS = "172.30.77.2"
ALIASES = ["releases.lab", "registry.lab"]
FOLDER = CACHE / "upstream"
CONFIG = SOURCE / "upstream.conf"
LOG = FOLDER / "log" / "access.jsonl"


def start(client) -> None:
    """Run the upstream; begin anew when its configuration or its image changed."""
    image = client.images.get("llmfleet/debian13:latest")
    # Another checkout has a folder of its own to serve.
    wanted = recipe(Path(__file__), CONFIG, image.id, str(FOLDER.resolve()))
    box = engine.container(client, NAME)
    if box and box.labels.get(RECIPE_LABEL) != wanted:
        box.remove(force=True)
        box = None
    if box is None:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CONFIG, FOLDER / "nginx.conf")
        say("upstream", f"starting {NAME} at {ADDRESS}, also called {' and '.join(ALIASES)}")
        engine.create(
            client,
            NAME,
            image.id,
            ADDRESS,
            ALIASES,
            wanted,
            command=["nginx", "-c", "/srv/lab/nginx.conf", "-g", "daemon off;"],
            stop_signal="SIGTERM",
            volumes={str(FOLDER): {"bind": "/srv/lab", "mode": "rw"}},
        )
    elif box.status != "running":
        box.start()
    _wait()


def remove(client) -> None:
    """Remove the container; what it served stays."""
    box = engine.container(client, NAME)
    if box:
        box.remove(force=True)


def _wait() -> None:
    for _attempt in range(60):
        try:
            with urllib.request.urlopen(f"http://{ADDRESS}/v2/", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise LabError(f"{NAME} does not answer at http://{ADDRESS}/v2/; `docker logs {NAME}` says why.")


def reset_traffic() -> None:
    """Begin to count anew (nginx appends, so the file is emptied and kept)."""
    if LOG.exists():
        LOG.write_bytes(b"")


def traffic(clients: set[str]) -> dict:
    """What left the upstream for these addresses since the last reset. Tests have hosts of their own, which are not the fleet."""
    lines = LOG.read_text().splitlines() if LOG.exists() else []
    return count((line for line in lines if json.loads(line)["client"] in clients), FOLDER / "models", FOLDER / "releases")


def count(lines: Iterable[str], store: Path, served: Path) -> dict:
    """Add up an access log over a model store and the releases' folder: bytes and whole sendings for each model and each file.

    `times` is bytes sent over the size of the weights or the file, so a download that was cut and resumed still counts once. Ollama
    first asks without a range where a blob lies and hangs up; what was on its way by then is sent, but is no download.
    """
    sent: dict[str, int] = {}
    asked: dict[str, int] = {}
    clients: dict[str, set[str]] = {}
    manifests: dict[str, int] = {}
    releases: dict[str, dict] = {}
    for line in lines:
        entry = json.loads(line)
        if entry["method"] != "GET" or entry["status"] not in (200, 206):
            continue
        words = entry["uri"].strip("/").split("/")
        if words[0] != "v2":
            row = releases.setdefault(entry["uri"], {"sent_bytes": 0, "clients": []})
            row["sent_bytes"] += entry["bytes"]
            row["clients"] = sorted({*row["clients"], entry["client"]})
        elif words[-2:-1] == ["blobs"]:
            question = entry["agent"].startswith("ollama/") and not entry["range"]
            pile = asked if question else sent
            pile[words[-1]] = pile.get(words[-1], 0) + entry["bytes"]
            clients.setdefault(words[-1], set()).add(entry["client"])
        elif words[-2:-1] == ["manifests"]:
            name = f"{words[-3]}:{words[-1]}"
            manifests[name] = manifests.get(name, 0) + 1
    models = {}
    for path in sorted((store / "manifests").glob("*/*/*/*")):
        name = f"{path.parent.name}:{path.name}"
        weights = next(layer for layer in json.loads(path.read_text())["layers"] if layer["mediaType"].endswith(".model"))
        size, out = weights["size"], sent.get(weights["digest"], 0)
        if out or name in manifests:
            models[name] = {
                "digest": weights["digest"],
                "size_bytes": size,
                "sent_bytes": out,
                "times": round(out / size, 3),
                "clients": sorted(clients.get(weights["digest"], ())),
                "manifests": manifests.get(name, 0),
            }
    for uri, row in releases.items():
        file = served / uri.lstrip("/")
        # Another release may be laid out since.
        row["times"] = round(row["sent_bytes"] / file.stat().st_size, 3) if file.exists() else None
    total = sum(sent.values()) + sum(asked.values()) + sum(row["sent_bytes"] for row in releases.values())
    return {"models": models, "releases": releases, "total_bytes": total}


def table(counted: dict) -> str:
    """The same for people."""
    lines = [f"{'model':34} {'size':>12} {'sent':>12} {'times':>6} {'manifest reads':>15}"]
    for name, row in counted["models"].items():
        lines.append(f"{name:34} {row['size_bytes']:>12,} {row['sent_bytes']:>12,} {row['times']:>6} {row['manifests']:>15}")
    lines += [f"{uri:60} {row['sent_bytes']:>14,} {row['times'] or '':>6}" for uri, row in sorted(counted["releases"].items())]
    return "\n".join([*lines, f"{counted['total_bytes']:,} bytes of models and releases left the upstream."])
