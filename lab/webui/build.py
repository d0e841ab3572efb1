#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build Open WebUI images from PyPI for engines that cannot reach ghcr.io.

One archive for `docker load` holds three images that share their layers:

* ghcr.io/open-webui/open-webui:0.12.4, the release that the role installs,
* ghcr.io/open-webui/open-webui:0.12.0, an older one whose database lacks migrations of 0.12.4,
* llmfleet/open-webui-broken:0.12.4, which spoils the database and never becomes ready.

The layers are written directly: `docker build` would send the same gigabyte to the engine and back.
"""

from __future__ import annotations

import filecmp
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "lab" / "webui"
BASE_IMAGE = "llmfleet/debian12"
REPOSITORY = "ghcr.io/open-webui/open-webui"
VERSIONS = ("0.12.4", "0.12.0")
BROKEN = "llmfleet/open-webui-broken:0.12.4"

# Debian's own folder for packages that do not come from Debian: on the path without any setting.
PACKAGES = "usr/local/lib/python3.11/dist-packages"
WORKDIR = "app/backend"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "ENV": "prod",
    "PORT": "8080",
    "DATA_DIR": f"/{WORKDIR}/data",
    "PYTHONDONTWRITEBYTECODE": "1",
    # What makes it start without torch and without a network.
    "USE_SLIM_DOCKER": "true",
    "OFFLINE_MODE": "true",
    "VECTOR_DB": "chroma",
    "RAG_EMBEDDING_ENGINE": "ollama",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
}
# Files of the web page that only in-browser Python and in-browser speech ask for; parts of Debian that no process in the image reads.
LEFT_OUT_PACKAGES = ("open_webui/frontend/pyodide", "open_webui/frontend/wasm")
LEFT_OUT_ROOT = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/perl", "usr/lib/systemd", "usr/lib/udev",
    "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log", "dev", "proc", "sys", "run", "tmp",
)  # fmt: skip


def build(say: Callable[[str], None] = print) -> Path:
    """Return the archive of all images; make it when the recipe or the base has changed."""
    archive = CACHE / "images.tar"
    stamp = CACHE / "images.recipe"
    wanted = _recipe()
    if archive.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return archive
    CACHE.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    trees = {version: _install(version) for version in VERSIONS}
    say(f"packages of Open WebUI {' and '.join(VERSIONS)} are here ({time.monotonic() - started:.0f} s)")
    for version, tree in trees.items():
        _warm(version, tree)
    say(f"both have been started once ({time.monotonic() - started:.0f} s)")
    _write(archive, trees)
    stamp.write_text(wanted)
    for tree in trees.values():
        shutil.rmtree(tree)
    say(f"{archive.stat().st_size / 2**20:.0f} MiB of images ({time.monotonic() - started:.0f} s)")
    return archive


def _recipe() -> str:
    """What the archive is made from: this folder and the base image."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.name.encode() + path.read_bytes())
    base = subprocess.run(["docker", "image", "inspect", "-f", "{{.Id}}", BASE_IMAGE], capture_output=True, text=True, check=False)
    if base.returncode:
        raise SystemExit(f"The image {BASE_IMAGE} is not there; make it with `lab/lab.py base` first.")
    digest.update(base.stdout.encode())
    return digest.hexdigest()


def _install(version: str) -> Path:
    """Unpack Open WebUI and what it needs for the base image's Python into one folder, without the dead weight."""
    tree = CACHE / f"tree-{version}"
    shutil.rmtree(tree, ignore_errors=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not uv:
        raise SystemExit("`uv` is not there; install requirements-dev.txt into the Python that runs this.")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--target", tree, "--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_36",
         "--only-binary", ":all:", "--overrides", HERE / "without.txt", f"open-webui[postgres]=={version}"],
        check=True,
        # pip reads PyPI with the authorities that the machine trusts, a company's own among them; so shall uv.
        env=dict(os.environ, UV_SYSTEM_CERTS="1"),
    )  # fmt: skip
    for folder in (*LEFT_OUT_PACKAGES, "bin"):
        shutil.rmtree(tree / folder)
    for folder in [path for path in tree.rglob("tests") if path.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)
    for source_map in (tree / "open_webui/frontend").rglob("*.map"):
        source_map.unlink()
    return tree


def _warm(version: str, tree: Path) -> None:
    """Start the server once, so that the image has the byte code of what it imports: a plain user can't write it at each start."""
    name = f"llmfleet-webui-warm-{version}"
    command = "/usr/local/bin/open-webui"
    mounts = ["-v", f"{tree}:/{PACKAGES}", "-v", f"{HERE / 'image/open-webui'}:{command}:ro", "--tmpfs", f"/{WORKDIR}/data:mode=1777"]
    environment = {**ENVIRONMENT, "WEBUI_SECRET_KEY": "only-for-this-start"}
    del environment["PYTHONDONTWRITEBYTECODE"]
    flags = [flag for key, value in environment.items() for flag in ("-e", f"{key}={value}")]
    ready = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/ready', timeout=2)"
    subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
    subprocess.run(
        ["docker", "run", "-d", "--name", name, "--network", "none", "-w", f"/{WORKDIR}", *flags, *mounts, BASE_IMAGE, command, "serve"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(120):
            time.sleep(1)
            if subprocess.run(["docker", "exec", name, "python3", "-c", ready], capture_output=True, check=False).returncode == 0:
                return
        log = subprocess.run(["docker", "logs", "--tail", "20", name], capture_output=True, text=True, check=False)
        raise SystemExit(f"Open WebUI {version} does not start from its packages:\n{log.stdout}{log.stderr}")
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)


def _write(archive: Path, trees: dict[str, Path]) -> None:
    """Write the layers and the descriptions of the images in the format of `docker save`."""
    work = CACHE / "layers"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    files = {version: {path.relative_to(tree) for path in tree.rglob("*") if not path.is_dir()} for version, tree in trees.items()}
    newest, older = trees
    shared = {path for path in files[newest] & files[older] if _same(trees[newest] / path, trees[older] / path)}
    root = _layer(work / "root.tar", _root_members())
    common = _layer(work / "common.tar", _package_members(trees[newest], shared))
    images = []
    for version, tree in trees.items():
        own = _layer(work / f"{version}.tar", _package_members(tree, files[version] - shared))
        images.append((f"{REPOSITORY}:{version}", version, [root, common, own]))
    spoiled = _layer(work / "broken.tar", [_file(f"{WORKDIR}/start.sh", (HERE / "broken/start.sh").read_bytes(), 0o755)])
    images.append((BROKEN, VERSIONS[0], [*images[0][2], spoiled]))

    manifest = []
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w") as out:
        for layer in {layer.name: layer for _, _, layers in images for layer in layers}.values():
            out.add(layer, f"{_sha256(layer)}/layer.tar")
        for tag, version, layers in images:
            config = json.dumps(_config(version, layers), sort_keys=True).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(out, _file(name, config, 0o644))
            manifest.append({"Config": name, "RepoTags": [tag], "Layers": [f"{_sha256(layer)}/layer.tar" for layer in layers]})
        _add(out, _file("manifest.json", json.dumps(manifest).encode(), 0o644))
    partial.replace(archive)
    shutil.rmtree(work)


def _config(version: str, layers: list[Path]) -> dict:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Env": [f"{key}={value}" for key, value in ENVIRONMENT.items()],
            "Cmd": ["sh", "start.sh"],
            "WorkingDir": f"/{WORKDIR}",
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {
                "org.opencontainers.image.title": "Open WebUI (lab build from PyPI)",
                "org.opencontainers.image.description": "Made by lab/webui/build.py; not the image that the Open WebUI project publishes.",
                "org.opencontainers.image.version": version,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}" for layer in layers]},
    }


Member = tuple[tarfile.TarInfo, "io.BufferedIOBase | None"]


def _root_members() -> Iterable[Member]:
    """The base image's files without what a single process never reads, and the start-up files of the image."""
    name = "llmfleet-webui-export"
    subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
    subprocess.run(["docker", "create", "--name", name, BASE_IMAGE], check=True, stdout=subprocess.DEVNULL)
    try:
        with subprocess.Popen(["docker", "export", name], stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=export.stdout, mode="r|") as exported:
                for member in exported:
                    if not member.name.startswith(tuple(f"{folder}/" for folder in LEFT_OUT_ROOT)):
                        yield member, exported.extractfile(member) if member.isfile() else None
            if export.wait():
                raise SystemExit(f"The image {BASE_IMAGE} could not be read.")
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
    # Any user may own the data; the published image allows it too.
    yield _directory("app", 0o755)
    yield _directory(WORKDIR, 0o1777)
    yield _directory(f"{WORKDIR}/data", 0o1777)
    yield _file("usr/local/bin/open-webui", (HERE / "image/open-webui").read_bytes(), 0o755)
    yield _file(f"{WORKDIR}/start.sh", (HERE / "image/start.sh").read_bytes(), 0o755)
    link = tarfile.TarInfo("usr/local/bin/python")
    link.type, link.linkname = tarfile.SYMTYPE, "/usr/bin/python3"
    yield link, None


def _package_members(tree: Path, paths: set[Path]) -> Iterable[Member]:
    folders = {parent for path in paths for parent in path.parents if parent != Path(".")}
    for folder in sorted(folders):
        yield _directory(f"{PACKAGES}/{folder}", 0o1777 if folder == Path("open_webui/static") else 0o755)
    for path in sorted(paths):
        status = (tree / path).stat()
        member = tarfile.TarInfo(f"{PACKAGES}/{path}")
        # The byte code names its source's second: keep it.
        member.size, member.mtime = status.st_size, int(status.st_mtime)
        member.mode = 0o666 if path.parts[:2] == ("open_webui", "static") else 0o644
        yield member, open(tree / path, "rb")  # noqa: SIM115 - closed by _layer


def _layer(path: Path, members: Iterable[Member]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as out:
        for member in members:
            _add(out, member)
    path.with_suffix(".sha256").write_text(hashlib.file_digest(open(path, "rb"), "sha256").hexdigest())
    return path


def _add(out: tarfile.TarFile, member: Member) -> None:
    info, content = member
    out.addfile(info, content)
    if content is not None:
        content.close()


def _sha256(layer: Path) -> str:
    return layer.with_suffix(".sha256").read_text()


def _file(name: str, content: bytes, mode: int) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info, io.BytesIO(content)


def _directory(name: str, mode: int) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, None


def _same(one: Path, other: Path) -> bool:
    return one.samefile(other) or filecmp.cmp(one, other, shallow=False)


if __name__ == "__main__":
    print(build())
