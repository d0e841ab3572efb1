# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the models of one host on the controller: no connection to the host, no change."""

from __future__ import annotations

import os
import time

from ansible.errors import AnsibleActionFail, AnsibleUndefinedVariable
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION, path_of
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import undefined
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.placement import aliases, wanted
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing import plan, visible
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.choice import spills
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.errors import BadInput
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.machine import described
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import metadata

# Once, in the process that forks the workers, so that a fleet reads the catalogue one time.
# Where option from_variables finds what a task does not give.
VARIABLES = {
    "models": "llm_models", "families": "llm_families", "policy": "llm_policy", "vram": "llm_vram_override", "ollama_version": "ollama_version",
    "metadata_sources": "llm_metadata_sources", "registry": "llm_registry", "filesystem": "ollama_models_dir", "confirm": "llm_oracle",
    "oracle": "__llm_answers",
}

plan.warm()
# The name of this run, the same in all workers for the same reason.
RUN = "%d %f" % (os.getpid(), time.time())


def _read(vram):
    """The facts as the plan has read them; None where they cannot be, which is then among its errors."""
    try:
        return described.checked(vram)
    except BadInput:
        return None


def _confirms(wish, described):
    """Whether llama.cpp is to be asked about a plan. described: the memory of a machine that is recorded, and which has no server to ask."""
    word = str(wish).lower()
    return word not in ("false", "no", "off", "0", "") and not (described and word in ("true", "yes", "on", "1", "host"))


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if boolean(self._task.args.pop("from_variables", False)):
            self._read_variables(task_vars)
        if "models" not in self._task.args:
            raise AnsibleActionFail(
                "llm_models is not set for %s; say what it shall run, for example llm_models: [{family: deepseek-r1}] in group_vars/all, "
                "or [] for a server without models." % task_vars.get("inventory_hostname", "this host")
            )
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "models": {"type": "list", "elements": "raw", "required": True},
                "families": {"type": "dict", "default": {}},
                "policy": {"type": "dict", "default": {}},
                "aliases": {"type": "raw"},
                "vram": {"type": "dict"},
                "ollama_version": {"type": "str", "default": OLLAMA_VERSION},
                "metadata_sources": {"type": "list", "elements": "str", "default": list(plan.SOURCES)},
                "registry": {"type": "str", "default": ""},
                "filesystem": {"type": "path"},
                "proofs": {"type": "dict", "default": {}},
                "placed": {"type": "dict"},
                "oracle": {"type": "list", "elements": "dict", "default": []},
                "confirm": {"type": "raw", "default": False},
                "ask_over_mirror": {"type": "bool", "default": False},
                "fail_on_error": {"type": "bool", "default": True},
            }
        )
        vram = args["vram"] or task_vars.get("ansible_facts", {}).get("vram")
        if not vram:
            raise AnsibleActionFail(
                "ansible_facts.vram is missing: run llmfleet.ollama.vram_facts before the plan, or set llm_vram_override"
            )
        placed = args["placed"] or ((task_vars.get("__llm_placed") or {}).get("hosts") or {}).get(task_vars.get("inventory_hostname")) or {}
        headers = self._headers(args, task_vars) if "header" in args["metadata_sources"] else None
        made = plan.make_plan(
            models=args["models"],
            policy=args["policy"],
            vram=vram,
            ollama_version=args["ollama_version"],
            sources=args["metadata_sources"],
            header=headers,
            proofs=dict(args["proofs"], **spills.from_oracle(args["oracle"], args["ollama_version"])),
            filesystem=args["filesystem"],
            families=args["families"],
            placed={int(position): tag for position, tag in placed.get("placed", {}).items()},
        )
        wanted.mark(made, args["models"], placed)
        given = args["aliases"] if args["aliases"] is not None else self._templar.template(task_vars.get(aliases.VARIABLE, {}))
        names, problems = aliases.read(given)
        if problems:
            made.update(ok=False, errors=[*made["errors"], *(one["say"] for one in problems)])
        aliases.give(made, names)
        pending = headers.pending if headers else []
        result.update(changed=False, pending=pending, errors=[] if pending else made["errors"])
        result["confirm"] = made["ok"] and not pending and not args["oracle"] and _confirms(args["confirm"], args["vram"] is not None)
        result["open"] = bool(pending or result["errors"] or result["confirm"])
        if pending:
            result["msg"] = "%s cannot be asked from here: %s is next" % (headers.place, headers.way.over)
            return result
        if not made["ok"] and args["fail_on_error"]:
            # Only the sentence: Ansible prints all of a failed result.
            result.update(failed=True, msg="; ".join(made["errors"]))
            return result
        # The report draws the memory that was planned with, which llm_vram_override may have described.
        result.update(vram=_read(vram), ansible_facts={"model_plan": made}, msg=made["summary"])
        if made["ok"]:
            made["warnings"] += visible.warnings(made, vram, self._environment(task_vars))
        if made["ok"] and made["warnings"]:
            result["warnings"] = made["warnings"]
        return result

    def _environment(self, task_vars):
        """The inventory's own for the service; None where it cannot be known yet, which role ollama will say."""
        try:
            return self._templar.template(task_vars.get("ollama_environment"))
        except AnsibleUndefinedVariable:
            return None

    def _read_variables(self, task_vars):
        """What the task does not give. A template for each option of the task would be compiled anew in the process of each host."""
        args, facts = self._task.args, task_vars.get("ansible_facts") or {}
        try:
            for option, variable in VARIABLES.items():
                if option not in args and variable in task_vars:
                    value = self._templar.template(task_vars[variable])
                    if value is not task_vars.get("omit"):
                        args[option] = value
        except AnsibleUndefinedVariable as error:
            missing = undefined.sentences(self._templar.template, task_vars, VARIABLES.values())
            raise AnsibleActionFail("\n".join(missing) if missing else str(error)) from error
        args.setdefault("filesystem", path_of("models", facts.get("os_family") or ""))
        args.setdefault("proofs", (facts.get("look") or {}).get("proofs") or {})

    @staticmethod
    def _headers(args, task_vars):
        try:
            way = Tree(task_vars.get("groups") or {}, task_vars.get("hostvars") or {}).way(args["registry"])
        except BadTree as problem:
            raise AnsibleActionFail(str(problem))
        return metadata.Headers(args["registry"], way=way, run=RUN, over=args["ask_over_mirror"])
