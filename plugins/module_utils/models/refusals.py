# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of models that cannot be kept or pulled, and of those that can although something is odd."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.pull_errors import comes_from_mirror


def said_once(said):
    """Sentences about models, as (name, sentence): those that differ in the name alone become one with all the names."""
    names = {}
    for name, sentence in said:
        names.setdefault(sentence.replace(name, "\0"), []).append(name)
    return [sentence.replace("\0", ", ".join(found)) for sentence, found in names.items()]


def refusal(registry, version, name, pin, local, lookup, of_other_generation=lambda name: None):
    """(why a model can be neither kept nor pulled, what to know of one that can): a sentence or None each.

    of_other_generation: asks what a server with the other model store would be given.
    """
    place = registry.label(name)
    if lookup.kind == "found":
        if pin and pin not in lookup.manifest.identities:
            other = of_other_generation(name)
            if other is not None and pin in other.identities:
                return (
                    "%s is pinned to sha256:%s in llm_models, which %s gives to releases of Ollama %s; this host's %s is given %s: pin that, or no digest"
                    % (name.short, pin[:12], place, "before 0.40" if lookup.manifest.children else "from 0.40 on", version, lookup.manifest.told())
                ), None
            return (
                "%s is pinned to sha256:%s in llm_models, but %s now serves sha256:%s: look into it, then pin that or no digest"
                % (name.short, pin[:12], place, lookup.manifest.digest[:12])
            ), None
        child = lookup.manifest.choose()
        if child is not None and (child.runner == "mlx" or child.format == "safetensors"):
            return (
                "%s at %s would be run by MLX on this host, which nobody has sized (the plan is of its GGUF file): choose a tag without an MLX version, or an "
                "ollama_version before 0.40" % (name.short, place)
            ), None
        return None, None
    if local and not pin:
        if lookup.kind == "unreachable":
            return None, (
                "%s does not answer (%s): whether %s has moved there is not known, what is here was kept"
                % (place, lookup.words, name.short)
            )
        if lookup.kind == "too_new":
            return None, (
                "%s at %s has moved to a model that needs a newer Ollama than this host's %s: the model that is here was kept"
                % (name.short, place, version)
            )
        return None, None
    if local:
        return (
            "%s is pinned to sha256:%s in llm_models, this host has sha256:%s, and %s cannot be asked for the pinned one (%s)"
            % (name.short, pin[:12], local["digest"][:12], place, lookup.words)
        ), None
    if lookup.kind == "missing":
        words = "%s does not exist at %s: check the name and the tag in llm_models" % (name.short, place)
        if comes_from_mirror(registry, name):
            # With --limit the play that fills the mirror has no host.
            words += "; if they are right, let the mirror's own host take part in the run, which fills it"
        return words, None
    if lookup.kind == "too_new":
        return "%s needs a newer Ollama than this host's %s: raise ollama_version, or choose an older tag" % (name.short, version), None
    if lookup.kind == "unreachable" and comes_from_mirror(registry, name):
        return (
            "%s cannot be pulled: the mirror %s does not answer (%s); start it, or correct llm_registry" % (name.short, place, lookup.words)
        ), None
    # The module may have no way out where the service has one (a proxy, a signed-in account): Ollama has the last word.
    return None, (
        "%s could not be asked about %s (%s): the download's size and the disk were not checked before the pull"
        % (place, name.short, lookup.words)
    )
