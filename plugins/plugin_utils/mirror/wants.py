# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet wants of one mirror: its names, its models, and the archives of releases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import Tree

_SCHEME = re.compile(r"^https?://")
_PORT_AND_SLASH = re.compile(r"(:[0-9]+)?/*$")
# The role on a host outside of the group.
_ALONE = {"circle": "", "itself": False, "registries": [], "model_hosts": [], "release_hosts": []}


def bare(registry: str) -> str:
    """An address of a registry without scheme, port and slash."""
    return _PORT_AND_SLASH.sub("", _SCHEME.sub("", registry))


@dataclass
class Wants:
    """complete: whether each host that the mirror serves has said what it wants; one that is off, or left out by --limit, has not."""

    circle: str = ""
    itself: bool = False
    registries: list = field(default_factory=list)
    server_names: list = field(default_factory=list)
    models: list = field(default_factory=list)
    models_complete: bool = True
    releases: list = field(default_factory=list)
    releases_complete: bool = True


def planned_names(plans) -> list:
    """What all hosts pull: each name once, without those that are made on the host."""
    return sorted({model.get("from") or model["name"] for plan in plans for model in (plan or {}).get("models") or []})


def _release_of(variables):
    """Which archives a host will want: as role ollama's preflight leaves it there, or the playbook's own check before it."""
    return variables.get("ollama_release") or ((variables.get("__llm_foretold") or {}).get("announce") or {}).get("release")


def wants_of(groups, hostvars, me: str) -> Wants:
    """groups and hostvars as Ansible gives them; me: the mirror's name in the inventory. BadTree where an address is none."""
    here = Tree(groups, hostvars).describe().get(me, _ALONE)
    plans = [(hostvars[host].get("ansible_facts") or {}).get("model_plan") or {} for host in here["model_hosts"]]
    plans = [plan for plan in plans if plan.get("ok")]
    releases = [release for release in (_release_of(hostvars[host]) for host in here["release_hosts"]) if release]
    names = [me, hostvars[me].get("ansible_host") or me, *map(bare, here["registries"])]
    return Wants(
        circle=here["circle"],
        itself=here["itself"],
        registries=here["registries"],
        server_names=list(dict.fromkeys(names)),
        models=planned_names(plans),
        models_complete=len(plans) == len(here["model_hosts"]),
        releases=releases,
        releases_complete=len(releases) == len(here["release_hosts"]),
    )
