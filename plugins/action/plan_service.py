# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller what a host's Ollama needs: no connection to the host, no change."""

from __future__ import annotations

import base64
import dataclasses

from ansible.errors import AnsibleActionFail
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import held_look, look_schema
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide, inventory

HIDDEN = "(hidden)"


class ActionModule(ControllerAction):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "wish": {"type": "dict", "default": {}},
                "look": {"type": "dict"},
                "release_only": {"type": "bool", "default": False},
                "facts_only": {"type": "bool", "default": False},
                "mirror_list": {"type": "raw", "default": ""},
                "fail_on_problem": {"type": "bool", "default": True},
            }
        )
        variables, near = inventory.of_host(task_vars, self._templar.template, args["wish"], _text(args["mirror_list"]))
        near = dataclasses.replace(near, check_mode=self._task.check_mode)
        result["changed"] = False
        if args["facts_only"]:
            facts = task_vars.get("ansible_facts") or {}
            variables = {**inventory.defaults(facts, near.host), **variables}
            made = decide.foretell(variables, facts, near)
            # What a mirror is asked for, and beside it where that will lie.
            result["announce"] = decide.announced(made, variables) if made.archives and not args["release_only"] else None
            settled, until = (None, 0) if made.problems or args["release_only"] else self._settled(task_vars, variables, near)
            result["settled_until"] = until
            if settled is None:
                return self._told(result, made, args["fail_on_problem"], fact=False)
            # What the tasks of the role would read is left out, and with it all that is secret: the report is to see the rest.
            result.update(ansible_facts={"service_plan": public(settled.to_dict()), "ollama": decide.serves(settled)}, msg="nothing to change")
            if settled.warnings:
                result["warnings"] = settled.warnings
            return result
        look = args["look"] or task_vars.get("ansible_facts", {}).get("look")
        if not look:
            raise AnsibleActionFail("ansible_facts.look is missing: run llmfleet.ollama.look before the plan of the service")
        try:
            made = decide.decide(near.host, variables, look, near, args["release_only"])
        except look_schema.BadLook as odd:
            raise AnsibleActionFail(str(odd)) from odd
        # A release alone is not what the host's own server shall run.
        result = self._told(result, made, args["fail_on_problem"], fact=not args["release_only"])
        if not args["look"] and not result.get("failed"):
            # It has served: what comes now may change the host, and so may any task behind it, so the next decision needs a new one.
            result.setdefault("ansible_facts", {})["look"] = {**{name: look[name] for name in look}, "run": ""}
        return result

    def _settled(self, task_vars, variables, near):
        """(the decision, until when it holds) of a host of which the look of this run says that nothing is to be done; (None, 0) of others."""
        look = (task_vars.get("ansible_facts") or {}).get("look") or {}
        questions = [question.to_dict() for question in decide.questions(variables, near)]
        proofs = task_vars.get("ollama_models_proofs_path")
        until = held_look.until(look, held_look.run_of(self._task), held_look.asked(questions, proofs and self._templar.template(proofs)))
        made = decide.settled(near.host, variables, look, near) if until else None
        return (made, until) if made else (None, 0)

    def _told(self, result, made, fail_on_problem, fact):
        service = made.to_dict()
        if made.warnings:
            result["warnings"] = made.warnings
        if made.problems and fail_on_problem:
            # Only the sentences: Ansible prints all of a failed result.
            return dict(result, failed=True, msg=" ".join(problem.say for problem in made.problems), problems=service["problems"])
        result.update(service=service, msg="; ".join(made.changes) or "nothing to change")
        if fact:
            result["ansible_facts"] = {"service_plan": public(service)}
            result["serves"] = decide.serves(made, self._task.check_mode) if made.addresses else None
        if any(file.secret for file in made.files):
            # With -v, Ansible prints a result.
            result["_ansible_no_log"] = True
        return result


def _text(given):
    """A text, or that of a file which ansible.builtin.slurp has read; '' where it could not."""
    if isinstance(given, dict):
        return base64.b64decode(given.get("content") or "").decode("utf-8", "replace")
    return str(given or "")


def public(service):
    """The decision without what must not get into facts: a cache of facts is a file."""
    secret = {entry["path"] for entry in service["files"] if entry["secret"]}
    files = [dict(entry, content=HIDDEN) if entry["path"] in secret else entry for entry in service["files"]]
    environment = {name: HIDDEN for name in service["environment"]} if secret else service["environment"]
    return {**{name: value for name, value in service.items() if name != "steps"}, "files": files, "environment": environment}
