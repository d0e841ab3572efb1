# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the wants of all hosts to the copies of each model that is wanted a number of times: which hosts get it, which do without, and what is refused."""

from __future__ import annotations

import dataclasses
import json

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import key_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import problem
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import fit
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import wants
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.errors import BadInput

from . import copies

# What speaks for a host that has a tag: that it lies there, that an earlier plan says so.
INSTALLED, REMEMBERED = 2, 1


@dataclasses.dataclass(frozen=True)
class Host:
    """inputs: of its plan (sizing.plan.make_plan), None where it takes no part in the run; models: its llm_models; installed: names that lie there;
    remembered: the models of its last plan."""

    name: str
    models: list
    inputs: dict | None = None
    installed: tuple = ()
    remembered: tuple = ()


@dataclasses.dataclass
class Group:
    """The same want on several hosts, with its position in the list of each."""

    want: object
    positions: dict


def groups_of(hosts: list) -> list:
    """The wants with replicas; what is equal word by word is one want. A list that cannot be read is refused by its host's own plan."""
    found: dict = {}
    for host in sorted(hosts, key=lambda one: one.name):
        for want in wants.wants(host.models)[0]:
            if want.replicas is not None:
                found.setdefault(json.dumps(want.item, sort_keys=True, default=str), Group(want, {})).positions.setdefault(host.name, want.position)
    return [found[key] for key in sorted(found, key=lambda key: (min(found[key].positions.values()), key))]


def place_all(hosts: list) -> dict:
    """{hosts: {host: {placed: {position: tag, empty for none}, copies: {position: hosts}}}, problems, say}."""
    by_name = {host.name: host for host in hosts}
    groups = groups_of(hosts)
    # Until it is its turn a want takes no room.
    placed = {host.name: {} for host in hosts}
    for group in groups:
        for name, position in group.positions.items():
            placed[name][position] = ""
    busy = dict.fromkeys(by_name, 0)
    found = {name: {"placed": known, "copies": {}} for name, known in placed.items()}
    problems, say, known = [], [], {}
    for group in groups:
        around = _Around(group, by_name, placed, known)
        here = copies.place(group.want.replicas, around.sizes, around.known, around.fit, around.holds, around.away, busy)
        if here.missing and not around.unknown:
            problems.append(_refused(group, here, around))
        elif here.missing:
            say.append(_incomplete(group, here, around))
        for name in here.hosts:
            busy[name] += 1
            placed[name][group.positions[name]] = here.tag
            found[name]["copies"][group.positions[name]] = sorted(here.hosts)
    return {"hosts": {name: one for name, one in found.items() if one["placed"]}, "problems": problems, "say": say}


def mark(plan: dict, models: list, placed: dict) -> None:
    """Writes into a host's plan where the copies of its models are, and which wants other hosts have."""
    where = {str(position): names for position, names in placed.get("copies", {}).items()}
    for entry in plan.get("models") or []:
        position = next((place for place, item in enumerate(models) if item == entry.get("requested")), None)
        if str(position) in where:
            entry["copies"] = where[str(position)]
    elsewhere = [int(position) for position, tag in placed.get("placed", {}).items() if tag == ""]
    if elsewhere:
        plan["elsewhere"] = [_words(models[position]) for position in sorted(elsewhere)]
        if not plan.get("models") and plan.get("ok"):
            plan["summary"] = "no model: the copies of %s are on other hosts" % ", ".join(plan["elsewhere"])


def _words(item) -> str:
    return str(item.get("family") or item.get("model") or item.get("name"))


class _Around:
    """What there is to know of one want's hosts."""

    def __init__(self, group, by_name, placed, known):
        self.group, self.by_name, self.placed, self.tried = group, by_name, placed, known
        self.unknown = sorted(name for name in group.positions if by_name[name].inputs is None)
        self.known = sorted(set(group.positions) - set(self.unknown))
        self.missed, self._fits = {}, {}
        self.sizes = self._sizes()
        self.away = {name: tag for name, tag in ((name, self._remembered(name)) for name in self.unknown) if tag}
        tags = [tag.name for size in self.sizes for tag in size]
        self.holds = {name: self._holds(name, tags) for name in self.known}

    def _sizes(self):
        """The tags that any of the hosts may have, best first; releases and policies of hosts may differ."""
        found = {}
        for name in self.known:
            try:
                sizes = fit.candidates(self.by_name[name].inputs, self.group.positions[name])
            except (BadInput, ValueError) as why:
                self.missed[name] = fit.Missed(None, str(why))
                continue
            for size in sizes:
                for tag in size:
                    found.setdefault((-tag.worth, str(tag.size)), {})[tag.name] = (copies.Tag(tag.name, tag.worth, tag.quality["loss"]), tag.download_bytes)
        self.bytes = {name: size for tags in found.values() for name, (_tag, size) in tags.items()}
        return [[tag for tag, _size in tags.values()] for _worth, tags in sorted(found.items())]

    def fit(self, name, tag):
        if (name, tag) not in self._fits:
            position = self.group.positions[name]
            others = {other: known for other, known in self.placed[name].items() if other != position}
            tried = fit.try_tag(self.by_name[name].inputs, position, tag, others, self.tried)
            found = tried if isinstance(tried, fit.Found) else None
            if found is None:
                self.missed[name] = min(tried, self.missed.get(name, tried), key=lambda miss: (miss.short is None, miss.short or 0))
            self._fits[name, tag] = found
        return self._fits[name, tag]

    def _remembered(self, name):
        """The tag that a host which takes no part has by its last plan."""
        want = self.group.want
        for entry in self.by_name[name].remembered:
            base = entry.get("from") or entry["name"]
            same = key_of(entry["name"]) == key_of(want.managed) if want.managed else want.target in (entry.get("family"), base)
            if entry.get("copies") and same:
                return base
        return ""

    def _holds(self, name, tags):
        host = self.by_name[name]
        there = {key_of(other) for other in host.installed}
        planned = {key_of(entry.get("from") or entry["name"]) for entry in host.remembered if entry.get("copies")}
        return {tag: INSTALLED * (key_of(tag) in there) + REMEMBERED * (key_of(tag) in planned) for tag in tags}


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else "%d copies" % count


def _refused(group: Group, here: copies.Place, around: _Around) -> dict:
    want, able = group.want, group.want.replicas - here.missing
    where = "%s.replicas" % want.where
    if len(group.positions) < want.replicas:
        say = "%s is %d, but only %d of the hosts want %s (%s): write %d or less, or give the want to more hosts."
        hosts = len(group.positions)
        return problem("replicas_hosts", "llm_models", say % (where, want.replicas, hosts, want.target, ", ".join(group.positions), hosts))
    least = min(around.bytes, key=lambda name: (around.bytes[name], name), default="")
    out = []
    for name in around.known:
        if least and around.fit(name, least) is None or name in around.missed and name not in here.hosts:
            miss = around.missed[name]
            out.append("%s %s" % (name, "is short of %s" % gib(miss.short) if miss.short else "(%s)" % miss.why.rstrip(".")))
    way = "write %d or less, a smaller model, or less context (min_context)" % able if able else "choose a smaller model, or less context (min_context)"
    say = "%s is %d, which is %d more than the hosts that can hold %s beside their other models: %s; %s."
    return problem("replicas_room", "llm_models", say % (where, want.replicas, here.missing, want.target, ", ".join(out), way))


def _incomplete(group: Group, here: copies.Place, around: _Around) -> str:
    want = group.want
    return "%s: %s of %d for now, since nobody knows what %s can hold: %s no part in this run, and no earlier plan of it is known." % (
        want.where, _copies(want.replicas - here.missing), want.replicas, " and ".join(around.unknown), "it takes" if len(around.unknown) == 1 else "they take",
    )  # fmt: skip
