# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run will download to a host, and whether the host's disks hold it. Pure functions but for `ask`, which reads the size of a file on a server."""

from __future__ import annotations

import http.client
import urllib.request
from dataclasses import dataclass

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import key_of

from .sizing import data


@dataclass(frozen=True)
class Part:
    """One download: its name, its size as far as known, and what it takes on the disk of a path that a variable names."""

    what: str
    size: int | None
    exact: bool
    needs: int | None
    path: str
    variable: str

    def __str__(self) -> str:
        return f"{self.what} ({'size unknown' if self.size is None else ('' if self.exact else 'about ') + gib(self.size)})"


def ask(url: str, timeout: float = 4) -> int | None:
    """Content-Length of a file on a server; None when nobody answers or nobody says."""
    try:
        with urllib.request.build_opener().open(urllib.request.Request(url, method="HEAD"), timeout=timeout) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return None


def release(version: str, archives: list, base_url: str, path: str, size_of=ask) -> Part:
    """The archives of a release of Ollama, which lie beside their content until they are unpacked."""
    known = data.load("downloads")
    asked = [size_of(f"{base_url}/v{version}/{archive}") for archive in archives]
    sizes = [size or known["archives"].get(archive) for archive, size in zip(archives, asked)]
    size = None if None in sizes else sum(sizes)
    needs = None if size is None else int(size * (1 + known["release_unpacked"]))
    return Part(f"Ollama {version}", size, None not in asked, needs, path, "ollama_install_dir")


def has_release(look: dict, version: str) -> bool:
    """Whether a look found the directory of this release."""
    return version in (look.get("install") or {}).get("releases", ())


def models_there(look: dict, planned: list) -> list:
    """Those of the planned models, or what they are made from, that a look found: in the store, or by the server's own word where nobody may read that."""
    told = [entry.get("name") for entry in (look.get("store") or {}).get("manifests") or ()]
    told += [entry.get("name") for entry in (look.get("api") or {}).get("models") or ()]
    there = {key_of(name) for name in told}
    wanted = [name for entry in planned for name in (entry["name"], entry.get("from")) if name]
    return [name for name in wanted if key_of(name) in there]


def missing(look: dict, planned: list) -> list:
    """The others of them."""
    there = models_there(look, planned)
    return [name for name in dict.fromkeys(entry.get("from") or entry["name"] for entry in planned) if name not in there]


def models(planned: list, there: list, path: str) -> list:
    """The planned models that are not on the host. A model of one's own comes with the one that it is made from."""
    sizes = {entry.get("from") or entry["name"]: entry for entry in planned}
    return [
        Part(name, entry["download_bytes"] or None, entry["source"] != "estimate", entry["download_bytes"], path, "ollama_models_dir")
        for name, entry in sizes.items()
        if name not in there
    ]


def image(version: str, repository: str, tag: str, path: str) -> Part:
    """Open WebUI's image; one from another repository may be anything."""
    kind = data.load("downloads")["images"]["slim" if tag.endswith("-slim") else "standard"]
    ours = repository.endswith("open-webui/open-webui")
    size, unpacked = (kind["bytes"], kind["unpacked_bytes"]) if ours else (None, None)
    return Part(f"Open WebUI {version}", size, False, unpacked, path, "the engine's own storage")


def tell(parts: list, filesystems: list) -> tuple[str, list]:
    """One line for people, and a sentence for each disk that cannot hold what is meant for it."""
    if not parts:
        return "", []
    known = [part.size for part in parts if part.size is not None]
    total = f": {'' if len(known) == len(parts) else 'more than '}{gib(sum(known))} in all" if len(parts) > 1 and known else ""
    rooms, problems = [], []
    for mount, wanted in _by_disk(parts, filesystems).items():
        free = next(row["free_bytes"] for row in filesystems if row["mount_point"] == mount)
        needs = sum(part.needs or 0 for part in wanted)
        if needs > free:
            problems.append(_too_small(mount, free, needs, wanted))
        else:
            rooms.append(f"{mount} has {gib(free)} free for {gib(needs)}")
    return f"To download: {', '.join(map(str, parts))}{total}{'; ' + ', '.join(rooms) if rooms else ''}.", problems


def _by_disk(parts: list, filesystems: list) -> dict:
    """Parts that share a disk share its room. One whose disk nobody could look at is only told."""
    mounts = {row["path"]: row["mount_point"] for row in filesystems if row.get("mount_point") and row.get("free_bytes") is not None}
    found: dict = {}
    for part in parts:
        if part.path in mounts and part.needs is not None:
            found.setdefault(mounts[part.path], []).append(part)
    return found


def _too_small(mount: str, free: int, needs: int, parts: list) -> str:
    places = dict.fromkeys(f"{part.variable} {part.path}" for part in parts)
    movable = list(dict.fromkeys(part.variable for part in parts if part.variable.startswith("ollama_")))
    way = f"make room there, or set {' and '.join(movable)} to a larger disk" if movable else "make room there, or move the engine's storage"
    return (
        f"{mount} ({', '.join(places)}) has only {gib(free)} free, and {', '.join(part.what for part in parts)} "
        f"{'takes' if len(parts) == 1 else 'take'} {gib(needs)}: {way}; nothing was changed."
    )
