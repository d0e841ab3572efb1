# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask whether a registry answers: from the controller where one asks for a whole fleet, else from the host."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree

SECONDS = 10


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={"registry": {"type": "str", "required": True}, "from_controller": {"type": "bool", "default": False}}
        )
        registry = args["registry"]
        url = "%s/v2/" % (registry if "://" in registry else "https://" + registry)
        if args["from_controller"] and answers(url):
            return {"changed": False, "from_controller": True}
        options = {"url": url, "follow_redirects": "none", "timeout": SECONDS}
        answer = self._execute_module(module_name="ansible.builtin.uri", module_args=options, task_vars=task_vars)
        said = {"changed": False, "from_controller": False}
        if "status" not in answer:
            return answer
        # Any status is an answer: our mirror and registry.ollama.ai have nothing at this address.
        # In check mode the mirror may be one of the inventory's, which the run would make.
        if answer.get("status", -1) >= 200 or task_vars.get("ansible_check_mode") and registry in _made_here(task_vars):
            return said
        return dict(said, failed=True, msg=(
            "llm_registry: %s does not answer on %s (%s); start that mirror (group model_mirror), correct llm_registry, or leave it out to pull from "
            "registry.ollama.ai." % (registry, task_vars.get("inventory_hostname", "this host"), answer.get("msg") or "no reason given")
        ))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


def answers(url):
    """Whether anybody answers there. Without a proxy, which answers for others: where the way leads through one, the host asks."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect).open(url, timeout=SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _made_here(task_vars):
    try:
        mirrors = Tree(task_vars.get("groups") or {}, task_vars.get("hostvars") or {}).describe()
    except BadTree:
        return []
    return [registry for mirror in mirrors.values() for registry in mirror["registries"]]
