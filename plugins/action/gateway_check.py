# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a gateway from where its clients are: this machine, and where nobody but its own host may ask, from there."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import client
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import fleet, inventory, openai_client, plan, proof
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.wish import certificate_of

LOOK = "llmfleet.ollama.gateway_probe"
CHECK = "llmfleet.ollama.gateway_check"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        self.validate_argument_spec(argument_spec={})
        wish, wrong = inventory.wish_of(task_vars, self._templar.template)
        if wrong:
            return dict(result, failed=True, changed=False, msg=wrong)
        if wish["state"] == "absent":
            return dict(result, skipped=True, changed=False)
        seen = self._execute_module(LOOK, {}, task_vars=task_vars)
        if seen.get("failed"):
            return dict(result, **seen)
        me, hostvars = task_vars["inventory_hostname"], task_vars["hostvars"]
        around = fleet.fleet_of(task_vars["groups"], hostvars, me, seen["record"])
        key, allowed = proof.key_and_models(wish["keys"])
        model = proof.model_of(around, _planned(task_vars["groups"], hostvars), allowed)
        if not model:
            sentence = "Nothing can be asked of the gateway: no plan names a model%s; run site.yml first." % (" that its keys may ask for" if allowed else "")
            return dict(result, failed=True, changed=False, msg=sentence)
        asked = {
            "url": plan.proved_url(wish, hostvars[me].get("ansible_host") or me),
            "authority": seen["authority"] if certificate_of(wish) == "own" else "",
            "key": key,
            "model": model["name"],
            "embedding": model["embedding"],
        }
        for name in ("prompt", "max_tokens"):
            given = self._templar.template(task_vars.get("verify_" + name))
            if given:
                asked[name] = given
        told = self._from_here(asked) or self._execute_module(CHECK, dict(asked, url=plan.local_url(wish), own=True), task_vars=task_vars)
        if not told.get("failed"):
            url = plan.url(wish, hostvars[me].get("ansible_host") or me)
            told["ansible_facts"] = {"gateway": {"url": url, "removed": False, "authority": asked["authority"], "traffic": seen["traffic"]}}
        return dict(result, **{"changed": False, **told, "model": model["name"]})

    @staticmethod
    def _from_here(asked):
        """None where this machine is not let in."""
        try:
            gateway = client.Gateway(asked["url"], asked["authority"])
            words = asked.get("prompt") or client.PROMPT, int(asked.get("max_tokens") or client.MAX_TOKENS)
            told = client.prove(gateway, asked["key"], asked["model"], asked["embedding"], *words, openai_client.answered)
            return dict(told, url=asked["url"])
        except client.Unreachable:
            return None
        except client.Unproved as problem:
            return {"failed": True, "msg": str(problem)}


def _planned(groups, hostvars) -> dict:
    found = {}
    for name in groups.get("ollama") or ():
        planned = (hostvars[name].get("ansible_facts") or {}).get("model_plan") or {}
        for entry in (planned.get("models") or ()) if planned.get("ok") else ():
            try:
                found[parse_name(entry["name"]).short.lower()] = entry
            except BadName:
                continue
    return found
