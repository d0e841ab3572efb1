# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what of a fleet is behind. Asks over HTTP from the controller; opens no connection to a host and changes nothing."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import PORT
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import outdated, releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirrors import BadTree, Tree

# Under which names the play registers the first two steps.
SEEN, KNOWN = "outdated_seen", "outdated_known"
GITHUB = "https://api.github.com"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "step": {"type": "str", "choices": ["look", "ask", "compare"], "required": True},
            }
        )
        result["changed"] = False
        return dict(result, **getattr(self, "_" + args["step"])(task_vars or {}))

    def _of(self, task_vars, name, otherwise=""):
        found = self._templar.template(task_vars.get(name))
        return otherwise if found is None else found

    def _client(self, task_vars):
        proxy, spared = self._of(task_vars, "ollama_https_proxy"), self._of(task_vars, "ollama_no_proxy", [])
        return RegistryClient(parse_registry(""), releases.newest(), proxy, ",".join(spared), tries=1)

    def _look(self, task_vars):
        names = task_vars.get("group_names") or []
        host = self._of(task_vars, "verify_address") or self._of(task_vars, "ansible_host") or task_vars["inventory_hostname"]
        host = outdated.address(str(host))
        ollama = "http://%s:%s" % (host, self._of(task_vars, "ollama_port", PORT)) if "ollama" in names else ""
        web = "http://%s:%s" % (host, self._of(task_vars, "open_webui_port", 3000)) if "open_webui" in names else ""
        return outdated.look(ollama, web, RegistryClient(parse_registry(""), "", tries=1, no_proxy="*"))

    def _ask(self, task_vars):
        """Once for the fleet: what the hosts have is asked of each registry once."""
        hostvars, names = task_vars["hostvars"], {}
        try:
            tree = Tree(task_vars["groups"], hostvars)
            for host in task_vars["ansible_play_hosts"]:
                seen = hostvars[host].get(SEEN) or {}
                upstream = tree.way(str(hostvars[host].get("llm_registry") or "")).upstream
                names.setdefault(upstream, set()).update(seen.get("models") or {})
        except BadTree as problem:
            raise AnsibleActionFail(str(problem)) from problem
        client = self._client(task_vars)
        newest, notes = outdated.latest(self._of(task_vars, "outdated_github", GITHUB), client)
        tags, more = outdated.offered(names, client.proxies.get("https", ""), client.proxies.get("no", ""))
        return {"newest": newest, "tags": tags, "warnings": notes + more}

    def _compare(self, task_vars):
        seen, known = task_vars.get(SEEN), task_vars.get(KNOWN)
        if not seen or not known:
            raise AnsibleActionFail("outdated: step compare needs what the steps look and ask have found, registered as %s and %s" % (SEEN, KNOWN))
        way = Tree(task_vars["groups"], task_vars["hostvars"]).way(str(self._of(task_vars, "llm_registry")))
        behind = outdated.compare(seen, known["newest"], known["tags"].get(way.upstream) or {}, outdated.pins(self._of(task_vars, "llm_models", [])))
        told = {"behind": [item["text"] for item in behind], "details": behind, "warnings": seen["silent"]}
        if behind:
            return dict(told, failed=True, msg="behind: %s" % "; ".join(told["behind"]))
        return dict(told, msg="nothing is behind" if not seen["silent"] else "not known: %s" % "; ".join(seen["silent"]))
