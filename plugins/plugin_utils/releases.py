# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection knows of Ollama's releases (catalogue/releases.yml), and what it says of one that it does not know."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

from .sizing import data

# The word for the list beside the archive, also where this collection knows the sum: a build of somebody's own under an official number.
BESIDE = "list"


def rows():
    """All rows, the oldest first."""
    return sorted(data.load("releases")["releases"], key=lambda row: version_tuple(row["version"]))


def newest():
    return rows()[-1]["version"]


def default():
    return data.load("releases")["default"]


def driver_floors():
    return data.load("releases")["driver_floors"]


def row_of(version):
    """The row of a release; of one without, that of its next older neighbour, or the oldest there is."""
    exact = [row for row in rows() if row["version"] == version]
    older = [row for row in rows() if version_tuple(row["version"]) <= version_tuple(version)]
    return (exact or older[-1:] or rows())[0]


def is_known(version):
    return row_of(version)["version"] == version


def is_too_new(version):
    """Whether it lies above all that is known: nobody can say what its store and its memory are like."""
    return version_tuple(version) > version_tuple(newest())


def refusal(variable, version):
    """The sentence for a release above the newest row."""
    return (
        "%s %s is newer than %s, the newest release that this collection knows; write that one or an older one, or set "
        "ollama_accept_untested_version to true." % (variable, version, newest())
    )


def proxy_refusal(version):
    return (
        "ollama_https_proxy is set, but Ollama %s (ollama_version) does not pull through a proxy (ollama/ollama#18831); write %s, or let the hosts pull "
        "from a mirror in their own network (llm_registry)." % (version, default())
    )


def mirror_proxy_refusal(version):
    return (
        "model_mirror_ollama_version is %s, which does not pull through a proxy (ollama/ollama#18831), and ollama_https_proxy is set; write %s."
        % (version, default())
    )


def warnings(variable, version):
    """What to know of a release that is taken all the same."""
    row, said = row_of(version), []
    if not is_known(version):
        said.append("%s %s is not among the releases that this collection knows; it is planned as %s." % (variable, version, row["version"]))
    return said


def sha256_of(version, archive):
    """The sum that is shipped for an archive, or ''."""
    for row in rows():
        if row["version"] == version:
            return (row["archives"].get(archive) or {}).get("sha256") or ""
    return ""


def shipped(version, names, download_checksum):
    """{archive: sum} that this collection knows, unless the user believes the list beside the archive."""
    sums = {} if download_checksum == BESIDE else {name: sha256_of(version, name) for name in names}
    return {name: digest for name, digest in sums.items() if digest}
