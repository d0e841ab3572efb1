# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README's fleet reaches in place of registry.ollama.ai and GitHub: the models of the catalogue by their published heads, and a release of
the default version, laid out as the official one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from llmfleet_lab import engine, upstream
from llmfleet_lab.common import CACHE, ROOT, is_made, mark_made, recipe
from support import documents, full_size, headers

NAME, ADDRESS = "readme-upstream", "172.30.77.179"
REGISTRY, RELEASES = f"http://{ADDRESS}", "http://releases.readme"  # by address, since the planning machine asks it too and has no name for it
FOLDER = CACHE / "readme"
STAND_IN = Path(__file__).with_name("stand_in.py")


def default_version() -> str:
    """The release that somebody gets who names none."""
    return re.search(r"^ollama_version: (\S+)", (ROOT / "roles/ollama/defaults/main.yml").read_text(), re.MULTILINE)[1]


def versions() -> set[str]:
    """The default release, and those that a command of the documentation names."""
    typed = "".join(block.text for path in documents.documents() for block in documents.blocks(path) if block.kind == "console")
    return {default_version(), *re.findall(r"\bollama_version=([\d.]+)", typed)}


def build(pulled: set[str]) -> None:
    """Lay out releases and models, unless they lie there. `pulled` are the names that hosts will fetch as a whole."""
    wanted = recipe(Path(__file__), STAND_IN, Path(full_size.__file__), Path(headers.__file__), upstream.CONFIG, *sorted(pulled), *sorted(versions()))
    if is_made(FOLDER, wanted):
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "log").mkdir(parents=True)
    for version in versions():
        _release(version)
    _models(pulled)
    mark_made(FOLDER, wanted)


def _release(version: str) -> None:
    tree, served = FOLDER / "tree", FOLDER / "releases" / f"v{version}"
    for folder in (tree / "bin", tree / "lib/ollama", served):
        folder.mkdir(parents=True)
    program = tree / "bin/ollama"
    program.write_text("#!/usr/bin/python3\n" + STAND_IN.read_text().replace("@VERSION@", version))
    # Releases since 0.30.0 carry llama.cpp's server, and the role refuses one that does not.
    engine_program = tree / "lib/ollama/llama-server"
    engine_program.write_text("#!/bin/sh\necho 'the stand-in has no engine' >&2\nexit 1\n")
    for file in (program, engine_program):
        file.chmod(0o755)
    archive = served / "ollama-linux-amd64.tar.zst"
    subprocess.run(["tar", "-C", tree, "-I", "zstd -q", "-cf", archive, "bin", "lib"], check=True)
    (served / "sha256sum.txt").write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  ./{archive.name}\n")
    shutil.rmtree(tree)


def _models(pulled: set[str]) -> None:
    shapes = {model.label: model for model in headers.models()}
    shapes["qwen3-8b-r1"] = shapes["qwen3-8b"]
    for tag in catalogue.family_tags("deepseek-r1"):
        if tag.quantization in ("Q4_K_M", "Q8_0") and tag.row["shape"] in shapes:
            name = tag.row["tag"]
            full_size.publish(FOLDER / "models", "deepseek-r1", name, shapes[tag.row["shape"]], tag.quantization, f"deepseek-r1:{name}" in pulled)


def start(client) -> None:
    """Serve it with the lab's own configuration, under a name that no other test has."""
    remove(client)
    (FOLDER / "nginx.conf").write_text(upstream.CONFIG.read_text().replace("releases.lab", RELEASES.partition("://")[2]))
    engine.create(
        client, NAME, "llmfleet/debian13:latest", ADDRESS, [RELEASES.partition("://")[2]],
        command=["nginx", "-c", "/srv/lab/nginx.conf", "-g", "daemon off;"],
        volumes={str(FOLDER): {"bind": "/srv/lab", "mode": "rw"}},
    )  # fmt: skip


def remove(client) -> None:
    box = engine.container(client, NAME)
    if box:
        box.remove(force=True)
