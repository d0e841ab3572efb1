# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other names of planned models (llm_aliases). On each host such a name is a copy of a model's manifest and shares its weights, loaded ones too."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, key_of, parse_name
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import problem
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source.catalogue import near

VARIABLE = "llm_aliases"


def read(given) -> tuple:
    """({alias: the tag or family that it stands for}, problems)."""
    if not isinstance(given or {}, dict):
        return {}, [problem("alias_shape", VARIABLE, "llm_aliases is no mapping: write for example 'gpt-4o: deepseek-r1:32b' below it.")]
    found, problems = {}, []
    for alias, target in (given or {}).items():
        where = "llm_aliases.%s" % alias
        try:
            short, _target = parse_name(alias).short, parse_name(target)
        except BadName as why:
            problems.append(problem("alias_name", VARIABLE, "%s: %s." % (where, why)))
            continue
        if short.lower() in map(str.lower, found):
            problems.append(problem("alias_twice", VARIABLE, "%s stands there twice, since Ollama minds no case: keep one of them." % where))
        elif _same(alias, target):
            problems.append(problem("alias_itself", VARIABLE, "%s stands for itself: write the tag or the family that it means, or leave it out." % where))
        else:
            found[short] = target
    return found, problems


def _same(one, other) -> bool:
    return key_of(one) == key_of(other)


def _stands_for(target: str, entries: list):
    """The planned model that a target means: the one of that name, else of the want for that family, else of that family by whatever want."""
    for meant in (
        lambda entry: _same(entry["name"], target),
        lambda entry: (entry.get("requested") or {}).get("family") == target,
        lambda entry: entry.get("family") == target,
    ):
        found = next(filter(meant, entries), None)
        if found:
            return found
    return None


def give(plan: dict, aliases: dict) -> None:
    """Writes the aliases of each model into a host's plan. A name that is a planned model's own stays that model's."""
    entries = plan.get("models") or []
    own = {key_of(entry["name"]) for entry in entries} | {key_of(entry["from"]) for entry in entries if entry.get("from")}
    for alias, target in sorted(aliases.items()):
        entry = _stands_for(target, entries)
        if entry and key_of(alias) not in own:
            entry.setdefault("aliases", []).append(alias)


def wrong(aliases: dict, plans: dict, complete: bool) -> list:
    """What the plans of a fleet say about its aliases. plans: by host; complete: whether there is one of each host, else one that is not known may
    have what an alias stands for."""
    entries = [(host, entry) for host, plan in sorted(plans.items()) for entry in plan.get("models") or []]
    names = sorted({name for _host, entry in entries for name in (entry["name"], (entry.get("requested") or {}).get("family")) if name})
    problems = []
    for alias, target in sorted(aliases.items()):
        where = "llm_aliases.%s" % alias.removesuffix(":latest")
        taken = next((host for host, entry in entries if _same(entry["name"], alias)), None)
        if taken:
            problems.append(problem("alias_taken", VARIABLE, "%s is the name of a model of %s's plan: give the alias another one." % (where, taken)))
        elif any(_same(other, target) for other in aliases):
            problems.append(problem("alias_of_alias", VARIABLE, "%s stands for the alias %s: write what that one stands for." % (where, target)))
        elif complete and not _stands_for(target, [entry for _host, entry in entries]):
            close = near(target, names) or names
            say = "%s stands for %s, which no host's plan has: %s."
            way = "did you mean %s" % " or ".join(close[:3]) if close else "no host has a model; write llm_models first"
            problems.append(problem("alias_on_nothing", VARIABLE, say % (where, target, way)))
    return problems
