#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds a row for the newest release of Ollama to plugins/catalogue/releases.yml, unless there is one.

    bench/new_release.py

The sums are those of GitHub's assets where the release's own list says the same, else null. What nobody has looked at yet is taken from the row before;
its trouble is that nobody has, so no fleet gets the release by default. The workflow `releases` runs it and opens a pull request.
"""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FILE = ROOT / "plugins/catalogue/releases.yml"
API = "https://api.github.com/repos/ollama/ollama/releases/latest"
ARCHIVE = re.compile(r"ollama-(linux|windows|darwin)[a-z0-9-]*\.(tar\.zst|tgz|zip)$")
LINE = re.compile(r"(?m)^([0-9a-f]{64}) [ *](?:\./)?(\S+)$")
LIMIT = 4 << 20


def read(url: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "llmfleet"}), timeout=30) as answer:
        return answer.read(LIMIT)


def row(release: dict, listed: str, before: dict) -> str:
    """The row as text. release: GitHub's answer; listed: text of its sha256sum.txt; before: the row of the release before."""
    sums = {name: digest for digest, name in LINE.findall(listed)}
    lines = [
        "  - version: %s" % release["tag_name"].removeprefix("v"),
        "    published: %s" % release["published_at"][:10],
        "    llama_cpp: null",
        "    era: %s" % before["era"],
        "    store: %s" % before["store"],
        "    pulls_through_proxy: %s" % str(before["pulls_through_proxy"]).lower(),
        "    tested: read",
        "    troubles: [nobody here has looked at it yet]",
        "    archives:",
    ]
    for asset in sorted((asset for asset in release["assets"] if ARCHIVE.match(asset["name"])), key=lambda asset: asset["name"]):
        digest = str(asset.get("digest") or "").removeprefix("sha256:")
        if digest and digest == sums.get(asset["name"]):
            lines += [
                "      %s:" % asset["name"],
                "        bytes: %d" % asset["size"],
                "        sha256: %s" % digest,
                "        sources: [GitHub's digest of the asset, the release's sha256sum.txt]",
            ]
        else:
            lines.append("      %s: {sha256: null}" % asset["name"])
    return "\n".join(lines) + "\n"


def main(api: str = API, file: Path = FILE) -> str:
    """The version that was added, '' where it is known."""
    import yaml

    known = yaml.safe_load(file.read_text(encoding="utf-8"))["releases"]
    release = json.loads(read(api))
    version = release["tag_name"].removeprefix("v")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or version in [entry["version"] for entry in known]:
        return ""
    lists = [asset["browser_download_url"] for asset in release["assets"] if asset["name"] == "sha256sum.txt"]
    listed = read(lists[0]).decode("utf-8", "replace") if lists else ""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(row(release, listed, known[-1]))
    return version


if __name__ == "__main__":
    print(main())
