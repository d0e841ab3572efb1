# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives of a release: their names, where each is taken from, and against which checksum."""

from __future__ import annotations

import re

from .. import releases
from .contract import Archive, Problem

# Up to here a release was a bare binary.
OLDEST_ARCHIVE = (0, 3, 7)
# Before it the archives of Linux were gzipped.
FIRST_ZSTD = (0, 14, 0)
# Since then the engine is a program of its own; packages were seen without it.
FIRST_ENGINE = (0, 30, 0)

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "64-bit": "amd64", "aarch64": "arm64", "arm64": "arm64", "arm 64-bit processor": "arm64"}
# L4T of Jetson, by the first number of its release.
_JETPACK = {35: "-jetpack5", 36: "-jetpack6"}


def architecture(text):
    """amd64, arm64, or None for one that Ollama has no release for."""
    return ARCHITECTURES.get(text.lower())


def archives(system, version, arch, vendors, l4t=None):
    """Names, in the order in which they are unpacked over each other. version: numbers; arch: of architecture()."""
    if system == "macos":
        return ["ollama-darwin.tgz"]
    extras = ["-rocm"] if arch == "amd64" and "amd" in vendors else []
    if system == "windows":
        return ["ollama-windows-%s%s.zip" % (arch, extra) for extra in [""] + extras]
    if arch == "arm64" and l4t in _JETPACK:
        extras.append(_JETPACK[l4t])
    suffix = ".tar.zst" if version >= FIRST_ZSTD else ".tgz"
    return ["ollama-linux-%s%s%s" % (arch, extra, suffix) for extra in [""] + extras]


def registry_host(registry):
    """llm_registry without scheme, port and slash."""
    return re.sub(r"(:[0-9]+)?/*$", "", re.sub(r"^https?://", "", registry))


def mirror_of(registry, mirrors):
    """The mirror that llm_registry names, by its name in the inventory before its address; else the first; None without any."""
    host = registry_host(registry)
    by_name = {mirror.address: mirror for mirror in reversed(mirrors)}
    by_name.update({mirror.host: mirror for mirror in mirrors})
    return by_name.get(host) or (mirrors[0] if mirrors else None)


def mirror_url(wish, around):
    """Where the mirror offers releases: by the name under which this host pulls models, else by the mirror's address."""
    mirror, host = around.mirror, registry_host(wish.registry)
    if mirror.host == around.host:
        # On the mirror itself nginx need not run.
        return "file://%s/public/releases" % mirror.store
    if host and host in (mirror.server_names if mirror.server_names is not None else (host,)):
        registry = wish.registry if "://" in wish.registry else "https://" + wish.registry
        return registry.rstrip("/") + "/releases"
    return "%s://%s:%d/releases" % ("https" if mirror.certificate else "http", mirror.address or mirror.host, mirror.port)


def mirror_list(text):
    """{archive: sha256} of a mirror's sha256sum.txt."""
    return {name: digest for digest, name in re.findall(r"(?m)^([0-9a-f]{64})  \./(\S+)$", text)}


def mirror_steps(around, version):
    """Where the fleet's mirror lists what it holds of this release: its name in the inventory, and the file there; both empty without one."""
    mirror = around.mirror
    if not mirror or not mirror.releases:
        return {"mirror_host": "", "mirror_list": ""}
    return {"mirror_host": mirror.host, "mirror_list": "%s/public/releases/v%s/sha256sum.txt" % (mirror.store, version)}


def sources(wish, around, names):
    """An Archive for each name: from the fleet's mirror if that holds it, else from ollama_download_base_url."""
    holds = around.mirror.holds if around.mirror else {}
    listed = "%s/v%s/sha256sum.txt" % (wish.download_base_url, wish.version)
    sums = releases.shipped(wish.version, names, wish.download_checksum)
    made = []
    for number, name in enumerate(names):
        base = mirror_url(wish, around) if name in holds else wish.download_base_url
        checksum = sums.get(name) or holds.get(name, listed)
        if number == 0 and wish.download_checksum not in ("", releases.BESIDE):
            # The user's is that of the main archive.
            checksum = wish.download_checksum[len("sha256:"):]
        made.append(Archive(name, "%s/v%s/%s" % (base, wish.version, name), checksum, bool(wish.https_proxy) and name not in holds))
    return made


def problems(wish, archives):
    """A list that everybody on the way may change decides what root runs."""
    if wish.accept_plain_http:
        return []
    lists = sorted({archive.sha256 for archive in archives if archive.sha256.lower().startswith("http://")})
    return [
        Problem(
            "plain_http", "ollama_accept_plain_http",
            "The checksums of Ollama %s would be read from %s, which anybody on the way can change; write an https:// address in ollama_download_base_url, the "
            "archive's own sum in ollama_download_checksum, or set ollama_accept_plain_http to true." % (wish.version, url),
        )
        for url in lists
    ]


def places(wish, around, names):
    """Where they come from, in words for people."""
    holds = around.mirror.holds if around.mirror else {}
    found = []
    if any(name in holds for name in names):
        found.append("%s (the mirror %s)" % (mirror_url(wish, around), around.mirror.host))
    if any(name not in holds for name in names):
        found.append("%s (ollama_download_base_url)" % wish.download_base_url)
    return " and ".join(found)
