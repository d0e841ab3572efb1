# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each want of a list could be, and what it aims at: its tags, best first, and the contexts and caches that the service may have with them."""

from __future__ import annotations

from .. import data, versions
from ..errors import BadInput
from ..machine.placement import Load
from . import candidates, wants
from .case import Aim, Cut, Rejected
from .headers import Headers


class Scope:
    """problems: sentences about wants that could be nothing; cuts: contexts above what the target was trained for. The rest is by position of a want,
    options: its tags; family: the same of a want that is held to one tag too; gone: Rejected that cannot be had; twins: a number for what decides where a
    tag of it lies, which wants of one list often have in common."""

    def __init__(self, case):
        self.case, self.wanted, self.policy, self.host = case, case.wanted, case.policy, case.host
        self.headers = Headers(case)
        self.options, self.family, self.gone, self.aims, self.twins = {}, {}, {}, {}, {}
        self.cuts, self.problems = [], []
        numbers = {}
        for want in self.wanted:
            try:
                self._add(want)
            except BadInput as problem:
                self.problems.append(str(problem))
                continue
            twin = (want.kind, want.target, want.own_context, want.parameters.get("num_gpu"), want.quantizations, want.require_gpu, want.only)
            self.twins[want.position] = numbers.setdefault(twin, len(numbers))
        # The contexts of the service from what is wanted to the least that all bear. One service has one context.
        shared = [self.aims[want.position] for want in self.wanted if want.position in self.twins and not want.own_context]
        shared = [aim for aim in shared if aim.context]
        most = max((aim.context for aim in shared), default=wants.DEFAULT_CONTEXT)
        self.least = max((aim.floor for aim in shared), default=most // 2)
        self.half = max((aim.half for aim in shared), default=most // 2)
        self.contexts = sorted({*wants.ladder(most, self.least), self.half}, reverse=True)
        self.kinds = tuple(kind for kind in self.policy.kv_cache_types if kind == "f16" or case.flash) or ("f16",)

    def candidates(self, position):
        """All tags that a want of the list could be, best first."""
        if position not in self.options:
            raise BadInput(next(iter(self.problems), "llm_models[%d] is wanted elsewhere" % position))
        return self.options[position]

    def _add(self, want):
        found = self._gates(want, self._found(want))
        self.family[want.position] = list(found)
        if want.only:
            found = [candidate for candidate in found if candidate.name == want.only]
            if not found:
                raise BadInput("%s: the hosts have %s, which is no tag of %s any more: write another want" % (want.where, want.only, want.target))
        self._check_gpu(want, found)
        self.aims[want.position] = self._aim(want, found)
        self.options[want.position] = list(found)

    def _found(self, want):
        if want.kind != "family":
            return [candidates.for_model(want, self.case.sources, self.headers.read)]
        own = self.case.families.get(want.target)
        if own:
            found, missing = candidates.for_own_family(want, self.policy, own, self.case.sources, self.headers.read)
        elif want.target in data.load("by_header"):
            found, missing = candidates.for_bare_family(want, self.policy, self.case.sources, self.headers.read)
        else:
            return candidates.for_family(want, self.policy, self.case.families)
        self.gone[want.position] = [Rejected(tag, "gone", detail=why) for tag, why in missing]
        return found

    def _gates(self, want, found):
        kept, newest = [], None
        for candidate in found:
            requires = candidate.metadata.get("requires")
            if requires and versions.parse(requires) > self.case.version:
                newest = requires
                continue
            kept.append(candidate)
        if not kept:
            raise BadInput("%s: %s needs Ollama %s or later: raise ollama_version" % (want.where, want.target, newest))
        return kept

    def _check_gpu(self, want, found):
        """require_gpu is the user's word: neither a host without a card nor a number of layers may break it without saying so."""
        if not want.require_gpu:
            return
        if not self.host.cards:
            raise BadInput(
                "%s.require_gpu is true, and this host has no GPU that Ollama uses: take require_gpu out, so that the processor may compute %s, or leave "
                "this host out of the group 'ollama'" % (want.where, want.target)
            )
        layers = want.parameters.get("num_gpu")
        if layers is not None and 0 <= layers < found[0].shape.blocks:
            raise BadInput(
                "%s.require_gpu is true, and its parameters.num_gpu is %d, which leaves %d of %d layers to the processor: take one of the two out"
                % (want.where, layers, found[0].shape.blocks - layers, found[0].shape.blocks)
            )

    def _aim(self, want, found):
        longest = max(candidate.trained for candidate in found)
        if want.min_context and want.min_context > longest:
            raise BadInput(
                "%s.min_context is %d, but %s was trained for %d tokens: write %d or less" % (want.where, want.min_context, want.target, longest, longest)
            )
        if want.own_context:
            if want.own_context > longest:
                self.cuts.append(Cut(want, longest))  # Ollama does the same with what it is asked for
            return Aim(min(want.own_context, longest), 0, 0)
        if want.context is None and (want.kind == "model" or found[0].embedding):
            return Aim(None, 0, 0)  # it takes what the others of the list want, or as much as it was trained for
        context = min(want.context or wants.DEFAULT_CONTEXT, longest)
        if want.context and want.context > longest:
            self.cuts.append(Cut(want, longest))
        half = -(-context // 2)
        floor = want.min_context or half
        return Aim(context, floor, max(floor, half))

    def kinds_for(self, tags):
        """The types of the cache that all of them can have, the preferred one first."""
        exact = any(not tag.shape.flash_attention and not tag.shape.encoder for tag in tags)
        return tuple(kind for kind in self.kinds if kind == "f16" or not exact) or ("f16",)

    def load(self, context, kind):
        return Load(context, self.policy.parallel, kind, kind, self.case.flash)

    def holds(self, want, candidate, context):
        """Whether it was trained for what its want bears where the service has so many tokens; nobody who wrote no context hears of one."""
        if want.context is None:
            return True
        aim = self.aims[want.position]
        return candidate.trained >= (aim.half if context >= self.half else aim.floor)

    def lightest_of_its_size(self, want, candidate):
        """Of all the family's, also where the want is held to one of them: a heavier quantization is not worth its experts in system memory, where a
        lighter one may have them on the cards."""
        if want.kind != "family" or not candidate.row:
            return True
        sisters = [other for other in self.family[want.position] if other.row and other.row.size == candidate.row.size]
        return candidate.shape.file_bytes <= min((other.shape.file_bytes for other in sisters), default=candidate.shape.file_bytes)

    def replace(self, want, candidate, told):
        """A tag of a family is what its own header says of it (headers.Told)."""
        for known in (self.options[want.position], self.family[want.position]):
            position = known.index(candidate)
            known[position : position + 1] = [told.exact] if told.exact else []
        if not told.exact:
            self.gone.setdefault(want.position, []).append(Rejected(candidate, "gone", detail=told.why))
