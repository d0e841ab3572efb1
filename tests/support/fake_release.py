# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of either generation as a program: what lies in an archive of a release as bin/ollama, and the registry that it and real servers pull from.

  fake_release.py pack PLACE VERSION...     the archives, laid out below PLACE as GitHub does
  fake_release.py serve VERSION serve       what bin/ollama does; settings come from the environment, as the unit has them
  fake_release.py registry PORT OFFERS      OFFERS is a file: {"m/1b": "seed"}, or {"m/1b": {"llamacpp": "seed", "mlx": "other"}} for a list
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fake_ollama import FakeRegistry, model_blobs
from support.fake_ollama_v2 import LIST, PLAIN, NewerOllama, offer_list

ARCHIVE = "ollama-linux-amd64.tar.zst"
PROGRAM = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec python3 -B "$here/../lib/ollama/support/fake_release.py" serve %s "$@"
"""


class Asked:
    """A registry that is elsewhere, as the three mappings that a stand-in reads."""

    class Mapping:
        def __init__(self, ask):
            self.ask = ask

        def get(self, key):
            return self.ask(key)

        __getitem__ = get

    def __init__(self, scheme, host):
        self.url = "%s://%s/v2/" % (scheme, host)
        self.models = self.Mapping(lambda place: self.ask(self.manifest(place), PLAIN))
        self.lists = self.Mapping(self.list)
        self.blobs = self.Mapping(lambda digest: self.ask(self.repository + "/blobs/" + digest, "*/*"))
        self.repository = ""

    def manifest(self, place):
        self.repository, _slash, tag = place.rpartition("/")
        return "%s/manifests/%s" % (self.repository, tag)

    def list(self, place):
        body = self.ask(self.manifest(place), LIST + ", " + PLAIN)
        return body if body and json.loads(body).get("manifests") else None

    def ask(self, path, accept):
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers={"Accept": accept}), timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise


class Program(NewerOllama):
    """Over a store that may be there already; an older release throws away at its start what it does not know, unless it is told not to."""

    def __init__(self, version, environment):
        host, port = environment["OLLAMA_HOST"].rsplit(":", 1)
        super().__init__(environment["OLLAMA_MODELS"], None, version, address=(host, int(port)))
        if not self.is_newer and environment.get("OLLAMA_NOPRUNE", "") not in ("1", "true"):
            self.prune_as_older()

    def pull(self, request, body):
        self.registry = Asked("http" if body.get("insecure") else "https", self.split(body["model"])[0])
        super().pull(request, body)


class Offers(FakeRegistry):
    """Offers what a file says now; blobs as real clients want them: in parts, and with a Location."""

    def __init__(self, port, offers):
        self.offers = offers
        super().__init__(address=("0.0.0.0", port))

    def answer(self, request, verb):
        self.models, self.lists = {}, {}
        for name, seeds in json.loads(Path(self.offers).read_text(encoding="utf-8")).items():
            if isinstance(seeds, dict):
                offer_list(self, "library/" + name, {runner: model_blobs(seed) for runner, seed in seeds.items()})
            else:
                self.put("library/" + name, model_blobs(seeds))
        blob = self.blobs.get(request.path.rpartition("/")[2])
        if blob is None:
            super().answer(request, verb)
            return
        part = re.match(r"bytes=(\d+)-(\d*)$", request.headers.get("Range", ""))
        sent = blob[int(part[1]) : int(part[2]) + 1 if part[2] else None] if part else blob
        request.send_response(206 if part else 200)
        if part:
            request.send_header("Content-Range", "bytes %s-%d/%d" % (part[1], int(part[1]) + len(sent) - 1, len(blob)))
        request.send_header("Location", request.path)
        request.send_header("Content-Length", str(len(sent)))
        request.end_headers()
        if verb != "HEAD":
            request.wfile.write(sent)


def pack(place, *versions):
    for version in versions:
        folder = Path(place) / ("v" + version)
        tree = folder / "tree"
        library = tree / "lib" / "ollama"
        (library / "support").mkdir(parents=True)
        (tree / "bin").mkdir()
        for name in ("__init__.py", "fake_ollama.py", "fake_ollama_v2.py", "fake_release.py"):
            shutil.copy(Path(__file__).with_name(name), library / "support" / name)
        for path, text in ((library / "llama-server", "engine\n"), (tree / "bin" / "ollama", PROGRAM % version)):
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        subprocess.run(["tar", "-C", tree, "--zstd", "-cf", folder / ARCHIVE, "bin", "lib"], check=True)
        shutil.rmtree(tree)
        (folder / "sha256sum.txt").write_text("%s  ./%s\n" % (hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest(), ARCHIVE), encoding="utf-8")


def serve(version, *_words):
    Program(version, os.environ)
    threading.Event().wait()


def registry(port, offers):
    Offers(int(port), offers)
    threading.Event().wait()


if __name__ == "__main__":
    {"pack": pack, "serve": serve, "registry": registry}[sys.argv[1]](*sys.argv[2:])
