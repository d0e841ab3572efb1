# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama's words for a failed pull, turned into what a person can do about it."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib

# (mark in Ollama's words, whether another try is pointless, what to say). Sources: ollama's server/images.go, download.go, auth.go.
_NEWER = "%(name)s needs a newer Ollama than this host's %(version)s: raise ollama_version, or choose an older tag"
_REDIRECT = (
    "%(name)s: %(where)s sends this host's Ollama %(version)s to another address, which it does not follow: let hosts pull from a mirror in their own network "
    "(role model_mirror, llm_registry), or, behind ollama_https_proxy, choose an ollama_version before 0.35"
)
_PRIVATE = (
    "%(name)s: %(where)s leads this host's Ollama %(version)s to a private address, which it takes over plain HTTP only: let llm_registry be the http:// "
    "address of a mirror (role model_mirror without a certificate)"
)
KNOWN = (
    ("file does not exist", True, "%(name)s does not exist at %(where)s: check the name and the tag in llm_models"),
    ("newer version of ollama", True, _NEWER),
    ("manifest: 412", True, _NEWER),
    ("http response to https client", True, "%(name)s: %(where)s speaks plain HTTP: write llm_registry: http://%(place)s"),
    (
        "no location header",
        True,
        "%(name)s: %(where)s is a plain OCI registry, which Ollama cannot pull from: serve the models with role model_mirror",
    ),
    (
        "realm host",
        True,
        "%(name)s: %(where)s sends its tokens from another host, which Ollama refuses: write huggingface.co instead of hf.co",
    ),
    # Since 0.35 (ollama/ollama#18512, #18533); behind an HTTP proxy that is every pull (#18831).
    ("is not a public address", True, _PRIVATE),
    ("resolves to non-public", True, _PRIVATE),
    ("redirect target not allowed", True, _REDIRECT),
    ("blocked redirect", True, _REDIRECT),
    ("no space left", True, "%(name)s: the disk of the model store is full: make room, or set ollama_models_dir to a bigger disk"),
    (
        "directory name is invalid",
        True,
        "%(name)s: Windows cannot store a model of a registry with a port in its name: let the mirror listen on 80 or 443",
    ),
    ("invalid model name", True, "%(name)s: Ollama refuses this name: correct it in llm_models"),
    ("mlx runtime", True, "%(name)s needs the MLX runtime, which this host's Ollama lacks: choose a GGUF tag in llm_models"),
    ("x509", True, "%(name)s: this host does not trust the certificate of %(where)s: put its CA into the system's store"),
    (
        "digest mismatch",
        False,
        "%(name)s: what %(where)s sends does not match its digest, %(tries)d times in a row: repair that copy (role model_mirror verifies)",
    ),
)


def where(registry, name):
    """The place that a model comes from, and the variable that says so."""
    place = registry.label(name)
    return "the mirror %s of llm_registry" % place if comes_from_mirror(registry, name) else place


def comes_from_mirror(registry, name):
    return not registry.is_default and registry.serves(registry.pull_name(name))


def explain(registry, name, version, tries, words):
    """(final, sentence) for an error that a person can act on, None for one that may pass by itself."""
    text = words.lower()
    for mark, final, sentence in KNOWN:
        if mark in text:
            facts = {
                "name": name.short,
                "where": where(registry, name),
                "place": registry.label(name),
                "version": version,
                "tries": tries,
            }
            return final, "%s (%s)" % (sentence % facts, words)
    return None


def gave_up(registry, name, tries, words, completed, total, ended=""):
    """After the last try: what went wrong, what is kept, and where to look. ended: the address of the host's own Ollama, if it was that which went away."""
    kept = "%s of %s are here and will not be fetched again" % (gib(completed), gib(total)) if completed else "nothing came"
    if ended:
        advice = "this host's own Ollama at %s ended or was ended meanwhile; see its log, then run again" % ended
    elif comes_from_mirror(registry, name):
        advice = "see whether %s runs, then run again" % where(registry, name)
    else:
        advice = "see whether this host reaches %s (ollama_https_proxy, or a mirror by llm_registry), then run again" % registry.label(name)
    return "%s: the pull from %s failed %d times in a row (%s); %s: %s" % (name.short, registry.label(name), tries, words, kept, advice)
