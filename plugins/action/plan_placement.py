# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller which hosts get a model that is wanted a number of times: no connection to a host, no change."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible_collections.llmfleet.ollama.plugins.action.plan_models import RUN
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION, path_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import memory, wanted
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import told
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.errors import BadInput
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import described
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import metadata


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = dict(super().run(tmp, task_vars), changed=False)
        task_vars = task_vars or {}
        self.validate_argument_spec(argument_spec={})
        if "hosts" in (task_vars.get("__llm_placed") or {}):
            # Hosts that plan again within a run keep their places: the others have theirs by now.
            return dict(result, hosts=task_vars["__llm_placed"]["hosts"])
        names, hostvars = task_vars["groups"].get("ollama") or [], task_vars["hostvars"]
        models = {name: hostvars[name].get("llm_models") or [] for name in names}
        if not any(isinstance(item, dict) and item.get("replicas") is not None for wants in models.values() if isinstance(wants, list) for item in wants):
            return dict(result, hosts={})
        here = set(task_vars.get("ansible_play_hosts") or names)
        remembered = memory.plans()
        # One for each registry: what hosts share is read once, and hosts that differ in nothing are tried once.
        headers = {}
        hosts = [self._host(name, models[name], hostvars[name], task_vars, name in here, remembered.get(name), headers) for name in names]
        placed = wanted.place_all(hosts)
        if placed["problems"]:
            return dict(result, failed=True, msg=told(placed["problems"], " "))
        if placed["say"]:
            result["warnings"] = placed["say"]
        return dict(result, hosts=placed["hosts"])

    @staticmethod
    def _host(name, models, variables, task_vars, here, remembered, headers):
        facts = variables.get("ansible_facts") or {}
        # A cache of facts may know the last plan, too.
        known = (facts.get("model_plan") or {}).get("models") or remembered or []
        vram = variables.get("llm_vram_override") or facts.get("vram")
        if not here or not vram:
            return wanted.Host(name, models, remembered=tuple(known))
        try:
            vram = described.checked(vram)
        except BadInput as problem:
            raise AnsibleActionFail("%s: %s" % (name, problem))
        look = facts.get("look") or {}
        installed = [*((look.get("store") or {}).get("manifests") or []), *((look.get("api") or {}).get("models") or [])]
        registry = variables.get("llm_registry") or ""
        if registry not in headers:
            try:
                headers[registry] = metadata.Headers(registry, way=Tree(task_vars["groups"], task_vars["hostvars"]).way(registry), run=RUN)
            except BadTree as problem:
                raise AnsibleActionFail(str(problem))
        sources = tuple(variables.get("llm_metadata_sources") or plan.SOURCES)
        inputs = {
            "models": models,
            "policy": variables.get("llm_policy") or {},
            "vram": vram,
            "ollama_version": variables.get("ollama_version") or OLLAMA_VERSION,
            "sources": sources,
            "header": headers[registry] if "header" in sources else None,
            "proofs": look.get("proofs") or {},
            "families": variables.get("llm_families") or {},
            "filesystem": variables.get("ollama_models_dir") or path_of("models", facts.get("os_family") or ""),
        }
        return wanted.Host(name, models, inputs, tuple(entry["name"] for entry in installed if entry.get("name")), tuple(known))
