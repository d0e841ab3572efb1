# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives a host needs, and where each of them is taken from.

Deleted, an AMD or Jetson host could lack its archive, a release cross the WAN once for each host, or a checksum come from where the archive comes from.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import release, wish
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around, Mirror

HEX, BASE = "ab" * 32, "https://github.example"
MAIN, ROCM = "ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst"

NAMES = {
    "linux": (("linux", (0, 32, 15), "amd64", []), [MAIN]),
    "linux, AMD": (("linux", (0, 32, 15), "amd64", ["amd", "nvidia"]), [MAIN, ROCM]),
    "linux before zstd": (("linux", (0, 13, 5), "amd64", []), ["ollama-linux-amd64.tgz"]),
    "arm has no ROCm": (("linux", (0, 32, 15), "arm64", ["amd"]), ["ollama-linux-arm64.tar.zst"]),
    "JetPack 5": (("linux", (0, 32, 15), "arm64", [], 35), ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack5.tar.zst"]),
    "JetPack 6": (("linux", (0, 32, 15), "arm64", [], 36), ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack6.tar.zst"]),
    "JetPack 4": (("linux", (0, 32, 15), "arm64", [], 32), ["ollama-linux-arm64.tar.zst"]),
    "macos": (("macos", (0, 32, 15), "arm64", ["amd"]), ["ollama-darwin.tgz"]),
    "windows": (("windows", (0, 32, 15), "amd64", []), ["ollama-windows-amd64.zip"]),
    "windows, AMD": (("windows", (0, 32, 15), "amd64", ["amd"]), ["ollama-windows-amd64.zip", "ollama-windows-amd64-rocm.zip"]),
    "windows on ARM": (("windows", (0, 32, 15), "arm64", ["amd"]), ["ollama-windows-arm64.zip"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_archives(name):
    asked, wanted = NAMES[name]
    assert release.archives(*asked) == wanted


@pytest.mark.parametrize("said, meant", [
    ("x86_64", "amd64"), ("AMD64", "amd64"), ("64-bit", "amd64"), ("aarch64", "arm64"),
    ("ARM64", "arm64"), ("ARM 64-bit Processor", "arm64"), ("riscv64", None),
])
def test_every_system_has_its_own_word_for_an_architecture(said, meant):
    assert release.architecture(said) == meant


def mirror(**said):
    return Mirror(**{"host": "hub", "address": "10.0.0.9", "holds": {MAIN: HEX}, **said})


MIRRORED, DIRECT = "http://10.0.0.9:80/releases", BASE
# Of a release whose sums are not shipped.
LIST = BASE + "/v0.31.0/sha256sum.txt"
# variables, mirror, archive -> from where, against which checksum, whether through the proxy
SOURCES = {
    "no mirror": ({}, None, MAIN, DIRECT, LIST, True),
    "no proxy": ({"ollama_https_proxy": ""}, None, MAIN, DIRECT, LIST, False),
    "the mirror": ({}, mirror(), MAIN, MIRRORED, HEX, False),
    "the mirror with TLS": ({}, mirror(certificate="/c", port=443), MAIN, "https://10.0.0.9:443/releases", HEX, False),
    "a mirror without an address": ({}, mirror(address=""), MAIN, "http://hub:80/releases", HEX, False),
    "the mirror itself": ({}, mirror(host="here"), MAIN, "file:///srv/model-mirror/public/releases", HEX, False),
    "by the registry's name": ({"llm_registry": "http://mirror.lan/"}, mirror(), MAIN, "http://mirror.lan/releases", HEX, False),
    "by the registry's name and port": ({"llm_registry": "mirror.lan:5080"}, mirror(), MAIN, "https://mirror.lan:5080/releases", HEX, False),
    "a registry that the mirror is not": ({"llm_registry": "other.lan"}, mirror(server_names=("mirror.lan",)), MAIN, MIRRORED, HEX, False),
    "what the mirror lacks": ({}, mirror(), ROCM, DIRECT, LIST, True),
    "the user's checksum": ({"ollama_download_checksum": "sha256:" + "cd" * 32}, mirror(), MAIN, MIRRORED, "cd" * 32, False),
    "the user's checksum is not the second archive's": ({"ollama_download_checksum": "sha256:" + "cd" * 32}, None, ROCM, DIRECT, LIST, True),
}


@pytest.mark.parametrize("name", SOURCES)
def test_where_an_archive_comes_from(name):
    variables, of_fleet, archive, base, checksum, proxied = SOURCES[name]
    variables = {"ollama_version": "0.31.0", "ollama_download_base_url": BASE, "ollama_https_proxy": "http://proxy", **variables}
    made, _problems = wish.read(variables, "linux")
    found = {entry.name: entry for entry in release.sources(made, Around("here", "", mirror=of_fleet), [MAIN, ROCM])}[archive]
    assert (found.url, found.sha256, found.proxied) == ("%s/v0.31.0/%s" % (base, archive), checksum, proxied)


SHIPPED = releases.sha256_of("0.32.15", MAIN)


@pytest.mark.parametrize(("given", "main", "rocm"), [
    ("", SHIPPED, "list"),
    ("list", HEX, "list"),
    ("sha256:" + "cd" * 32, "cd" * 32, "list"),
    ("sha256:https://x/sums", "https://x/sums", "list"),
])
def test_a_shipped_sum_goes_before_every_list(given, main, rocm):
    """Deleted, whoever owns the mirror's host or the place that the archive comes from would decide what root runs on the whole fleet."""
    made, _problems = wish.read({"ollama_version": "0.32.15", "ollama_download_base_url": BASE, "ollama_download_checksum": given}, "linux")
    assert wish.problems(made, Around("here", "")) == []
    found = {entry.name: entry.sha256 for entry in release.sources(made, Around("here", "", mirror=mirror()), [MAIN, ROCM])}
    assert found == {MAIN: main, ROCM: {"list": BASE + "/v0.32.15/sha256sum.txt"}[rocm]}


def test_a_list_over_plain_http_needs_a_word():
    """Deleted, anybody on the way to the release could have root run a program of his own."""
    def doubts(names, **given):
        made, _problems = wish.read({"ollama_version": "0.32.15", "ollama_download_base_url": "http://releases.lan", **given}, "linux")
        return [(problem.id, problem.variable) for problem in release.problems(made, release.sources(made, Around("here", ""), names))]

    refused = [("plain_http", "ollama_accept_plain_http")]
    assert doubts([MAIN]) == [] and doubts([MAIN, ROCM]) == refused and doubts([MAIN], ollama_download_checksum="list") == refused
    assert doubts([MAIN], ollama_version="0.31.0", ollama_download_checksum="sha256:" + HEX) == []
    assert doubts([MAIN, ROCM], ollama_accept_plain_http=True) == [] and doubts([MAIN, ROCM], ollama_download_base_url=BASE) == []


def test_both_places_are_told_to_people():
    made, _problems = wish.read({"ollama_version": "0.32.15", "ollama_download_base_url": BASE}, "linux")
    around = Around("here", "", mirror=mirror())
    assert release.places(made, around, [MAIN]) == MIRRORED + " (the mirror hub)"
    assert release.places(made, around, [MAIN, ROCM]) == "%s (the mirror hub) and %s (ollama_download_base_url)" % (MIRRORED, BASE)


HUB, OTHER = mirror(), mirror(host="other", address="10.0.0.8")


@pytest.mark.parametrize("registry, wanted", [
    ("", HUB), ("http://10.0.0.8:80", OTHER), ("other/", OTHER), ("https://hub", HUB), ("elsewhere", HUB),
])
def test_which_mirror_is_meant(registry, wanted):
    assert release.mirror_of(registry, [HUB, OTHER]) is wanted
    assert release.mirror_of(registry, []) is None


def test_a_list_that_says_something_else_holds_nothing():
    assert release.mirror_list("%s  ./%s\nnonsense\n%s  ../../etc/passwd\n" % (HEX, MAIN, "x" * 64)) == {MAIN: HEX}
