#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: open_webui_config
short_description: Reconcile Open WebUI's stored settings through its API
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Open WebUI reads most of its environment once, at its first start, and keeps the values in its database. This module changes them there.
  - It sets the list of Ollama servers, general settings and users, and proves that nobody can sign up.
  - Whether an Ollama server can be reached is asked of Open WebUI itself, so the answer holds inside its container.
  - Needs Python's standard library only.
options:
  url:
    description: Where this host reaches Open WebUI.
    type: str
    default: http://127.0.0.1:3000
  admin_email:
    description: Address of an administrator.
    type: str
    required: true
  admin_password:
    description: The administrator's password.
    type: str
    required: true
  backends:
    description: The Ollama servers, in order. Without this option they stay as they are.
    type: list
    elements: dict
    suboptions:
      url:
        description: Base URL as seen from inside the container.
        type: str
        required: true
      prefix_id:
        description: Put before the names of this server's models, with a dot between.
        type: str
      key:
        description: Bearer token for a server behind a proxy that asks for one.
        type: str
      key_file:
        description: File of the host with that token, in the place of O(backends[].key).
        type: path
      connection_type:
        description: What Open WebUI shows beside the server's models.
        type: str
        choices: [local, external]
        default: local
  skip_unreachable:
    description:
      - Leave servers out that Open WebUI cannot reach now. They come back with the next run.
      - When none at all can be reached the module fails and the list stays as it is.
    type: bool
    default: true
  settings:
    description:
      - General settings by the names of C(/api/v1/auths/admin/config), such as C(WEBUI_URL) or C(DEFAULT_USER_ROLE).
      - C(ENABLE_SIGNUP) is always set to false.
    type: dict
    default: {}
  builtin_tools:
    description:
      - Whether a chat offers Open WebUI's own tools (notes, memory, search) to the model, unless the model's own settings say otherwise.
      - Ollama refuses a chat with tools when the model does not support them, so a fleet with one such model wants V(false).
      - Without this option it stays as it is.
    type: bool
  planned:
    description:
      - What the plans say of the models of each server. Models that nobody planned are then named, and the best one can become the default.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host's name in the inventory.
        type: str
        required: true
      url:
        description: Its address, as in O(backends).
        type: str
        required: true
      prefix_id:
        description: Its prefix, as in O(backends).
        type: str
      models:
        description: The models that the plan names.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name and tag as the host has it.
            type: str
            required: true
          chat:
            description: Whether it can chat; an embedding model cannot.
            type: bool
            required: true
          quality:
            description: The larger, the better.
            type: float
            required: true
          on_gpu:
            description: Whether it runs on a GPU; preferred among equals.
            type: bool
            required: true
  default_model:
    description:
      - The model that a new chat begins with. V(planned) is the best one of O(planned) that is there; anything else is a model's name as the page shows it.
        Without this option, and with an empty one, it stays as it is.
      - With V(planned) a default that an administrator chose in the page stays while that model is there.
    type: str
  remember:
    description: File that keeps which default this module has set last, so that it is told from an administrator's choice.
    type: path
  hide_non_chat:
    description:
      - Hide the models that cannot chat from the list that a chat offers. They stay usable through the API.
      - Where an administrator has said in the page whether a model is shown or hidden, that stays.
    type: bool
    default: false
  users:
    description: Users that must exist. Users that are not named are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      email:
        description: The address that identifies the user.
        type: str
        required: true
      name:
        description: The name that is shown. A new user without one gets the part of the address before the C(@).
        type: str
      role:
        description: What the user may do.
        type: str
        choices: [admin, user, pending]
        default: user
      password:
        description: The password. Needed for a new user.
        type: str
      update_password:
        description: With V(always) the module tries to sign in as the user and sets the password when that fails.
        type: str
        choices: [always, on_create]
        default: on_create
  wait_seconds:
    description: How long to wait for C(/ready).
    type: int
    default: 60
  timeout:
    description: Seconds for one request.
    type: int
    default: 30
  validate_certs:
    description: Whether a certificate of O(url) is checked.
    type: bool
    default: true
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows servers, settings and users; keys and passwords never.
    support: full
  idempotent:
    description: Changes only what differs.
    support: full
  platform:
    description: Any with Python.
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: Serve the models of two hosts
  llmfleet.ollama.open_webui_config:
    admin_email: admin@example.net
    admin_password: "{{ vault_open_webui_password }}"
    backends:
      - {url: "http://10.0.0.5:11434", prefix_id: gpu1}
      - {url: "http://10.0.0.6:11434", prefix_id: gpu2}
    users:
      - {email: ann@example.net, password: "{{ vault_ann }}"}
"""

RETURN = r"""
version:
  description: Open WebUI's release.
  type: str
  returned: success
backends:
  description: The servers that Open WebUI uses now, with the version that each answered.
  type: list
  elements: dict
  returned: when backends are given
  sample: [{url: "http://10.0.0.5:11434", prefix_id: gpu1, version: 0.32.15}]
left_out:
  description: The servers that Open WebUI cannot reach, with the reason.
  type: list
  elements: dict
  returned: when backends are given
  sample: [{url: "http://10.0.0.6:11434", error: Server Connection Error}]
settings_changed:
  description: Names of the settings that were changed.
  type: list
  elements: str
  returned: success
default_model:
  description: The model that a new chat begins with now; empty when none is set.
  type: str
  returned: success
unplanned_models:
  description: Models of planned hosts that their plan does not name.
  type: list
  elements: dict
  returned: success
  sample: [{host: gpu1, name: "mistral:7b"}]
hidden:
  description: Models that this run has hidden because they cannot chat.
  type: list
  elements: str
  returned: success
users_created:
  description: Addresses of new users.
  type: list
  elements: str
  returned: success
users_updated:
  description: Addresses of users that were changed.
  type: list
  elements: str
  returned: success
signup:
  description: Always V(closed); the module fails otherwise.
  type: str
  returned: success
"""

import os
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import shown_models
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.api import OpenWebUIApi, OpenWebUIError
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.settings import (
    same_backends,
    setting_changes,
    shown_backends,
    user_changes,
    wanted_config,
)

ADMIN_CONFIG = "/api/v1/auths/admin/config"
MODELS_CONFIG = "/api/v1/configs/models"
PLANNED = "planned"


def with_key(module: AnsibleModule, backend: dict) -> dict:
    """The connection with the key that lies in a file. In a dry run the file may still be to come."""
    path = backend.get("key_file")
    if not path or (module.check_mode and not os.path.exists(path)):
        return backend
    try:
        with open(path, encoding="ascii") as source:
            key = source.read().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text of ASCII"
        module.fail_json(
            msg=f"The key for {backend['url']} cannot be read from {path} (key_file in open_webui_backends): {reason}; write it there, or run site.yml, "
            "which makes the one for the fleet's gateway."
        )
    if key:
        # Not an option of the module, so nobody else knows that it is one.
        module.no_log_values.add(key)
    return dict(backend, key=key)


class Reconciler:
    """Collects what changed and how it looked, for one result and one diff."""

    def __init__(self, module: AnsibleModule, api: OpenWebUIApi) -> None:
        self.module = module
        self.api = api
        self.result = {
            "changed": False,
            "settings_changed": [],
            "hidden": [],
            "unplanned_models": [],
            "default_model": "",
            "users_created": [],
            "users_updated": [],
        }
        self.before: dict = {}
        self.after: dict = {}

    def backends(self, wanted: list) -> None:
        reached, left_out = self._reach(wanted)
        for backend in left_out:
            self.module.warn(f"Open WebUI cannot reach {backend['url']} and leaves it out: {backend['error']}")
        config = self.api.call("GET", "/ollama/config")
        target = wanted_config(config, reached)
        if not same_backends(config, target):
            self._note("backends", shown_backends(config), shown_backends(target))
            if not self.module.check_mode:
                self.api.call("POST", "/ollama/config/update", target)
        self.result["backends"] = [{"url": b["url"], "prefix_id": b.get("prefix_id") or "", "version": b["version"]} for b in reached]
        self.result["left_out"] = [{"url": b["url"], "error": b["error"]} for b in left_out]

    def _reach(self, wanted: list):
        with ThreadPoolExecutor(max_workers=max(1, min(16, len(wanted)))) as pool:
            answers = list(pool.map(lambda backend: self.api.reach(backend["url"], backend.get("key")), wanted))
        asked = [dict(backend, **answer) for backend, answer in zip(wanted, answers)]
        silent = [backend for backend in asked if backend["error"]]
        if asked and len(silent) == len(asked):
            reasons = "; ".join(f"{backend['url']}: {backend['error']}" for backend in silent)
            self.module.fail_json(
                msg="Open WebUI reaches none of the Ollama servers from inside its container, so its list stays as it is. "
                f"Let their ollama_host and firewall admit this host, or set open_webui_network_mode: host. ({reasons})"
            )
        if not self.module.params["skip_unreachable"]:
            return asked, []
        return [backend for backend in asked if not backend["error"]], silent

    def settings(self, wanted: dict) -> None:
        have = self.api.call("GET", ADMIN_CONFIG)
        changes = setting_changes(have, wanted)
        if changes:
            self._note("settings", {name: have[name] for name in changes}, changes)
            self.result["settings_changed"] = sorted(changes)
            if not self.module.check_mode:
                self.api.call("POST", ADMIN_CONFIG, {**have, **changes})

    def builtin_tools(self, wanted: bool) -> None:
        have = self.api.call("GET", MODELS_CONFIG)
        # Older releases have neither such tools nor the setting.
        if "DEFAULT_MODEL_METADATA" not in have:
            return
        metadata = have["DEFAULT_MODEL_METADATA"] or {}
        capabilities = metadata.get("capabilities") or {}
        if capabilities.get("builtin_tools", True) == wanted:
            return
        self._note("builtin_tools", not wanted, wanted)
        self.result["settings_changed"] = sorted([*self.result["settings_changed"], "builtin_tools"])
        if not self.module.check_mode:
            changed = {**metadata, "capabilities": {**capabilities, "builtin_tools": wanted}}
            self.api.call("POST", MODELS_CONFIG, {**have, "DEFAULT_MODEL_METADATA": changed})

    def models(self, planned: list, default: str | None, remember: str | None, hide: bool) -> None:
        """After the servers: what they list is judged, and only what is there can be a default."""
        config = self.api.call("GET", "/ollama/config")
        listed = self.api.call("GET", "/ollama/api/tags")["models"]
        models = shown_models.located(listed, config["OLLAMA_BASE_URLS"], planned)
        self.result["unplanned_models"] = shown_models.unplanned(models)
        if hide:
            self._hide(models)
        self._default(models, default, remember)

    def _hide(self, models: list) -> None:
        records = self.api.call("GET", "/api/v1/models/base")
        known = {record["id"] for record in records}
        wanted = shown_models.to_hide(models, records)
        for record in wanted:
            self._note(f"model {record['id']}", "offered for chat", "hidden, it cannot chat")
            if not self.module.check_mode:
                self.api.call("POST", "/api/v1/models/model/update" if record["id"] in known else "/api/v1/models/create", record)
        self.result["hidden"] = [record["id"] for record in wanted]

    def _default(self, models: list, wanted: str | None, remember: str | None) -> None:
        have = self.api.call("GET", MODELS_CONFIG)
        current = have.get("DEFAULT_MODELS") or ""
        self.result["default_model"] = current
        offered = shown_models.offered(self.api.call("GET", "/api/models")["data"], models)
        if wanted == PLANNED:
            target = shown_models.default_to_set(current, _read(remember), offered, shown_models.best(models))
        else:
            target = wanted if wanted and wanted != current else None
            if wanted and wanted not in offered:
                self.module.warn(f"open_webui_default_model is {wanted}, which no server offers now; there are {', '.join(sorted(offered)) or 'none'}")
        if not target:
            return
        self._note("default_model", current, target)
        self.result["default_model"] = target
        if not self.module.check_mode:
            self.api.call("POST", MODELS_CONFIG, {**have, "DEFAULT_MODELS": target})
            if remember:
                _write(remember, target)

    def users(self, wanted: list) -> None:
        known = self.api.users() if wanted else {}
        for user in wanted:
            email = user["email"].lower()
            if email in known:
                self._update(known[email], user)
            else:
                self._create(email, user)

    def _create(self, email: str, user: dict) -> None:
        if not user["password"]:
            self.module.fail_json(msg=f"The user {email} does not exist yet and needs a password (open_webui_users).")
        new = {"email": email, "name": user["name"] or email.split("@")[0], "role": user["role"]}
        self._note(f"user {email}", None, new)
        self.result["users_created"].append(email)
        if not self.module.check_mode:
            self.api.add_user(dict(new, password=user["password"]))

    def _update(self, have: dict, user: dict) -> None:
        changes = user_changes(have, user)
        before, after = {name: have[name] for name in changes}, dict(changes)
        if user["update_password"] == "always" and user["password"] and not self._signs_in(have["email"], user["password"]):
            changes["password"] = user["password"]
            before["password"], after["password"] = "another one", "the wanted one"
        if changes:
            self._note(f"user {have['email']}", before, after)
            self.result["users_updated"].append(have["email"])
            if not self.module.check_mode:
                self.api.update_user(have["id"], changes)

    def _signs_in(self, email: str, password: str) -> bool:
        params = self.module.params
        try:
            OpenWebUIApi(params["url"], params["timeout"], params["validate_certs"]).sign_in(email, password)
        except OpenWebUIError as error:
            if error.status == 400:
                return False
            raise
        return True

    def signup(self) -> None:
        """Prove it, whatever the settings say; in check mode an open door that this run would close is no failure."""
        closing = self.module.check_mode and "ENABLE_SIGNUP" in self.result["settings_changed"]
        if self.api.signup_is_open() and not closing:
            self.module.fail_json(
                msg=f"Anybody can still sign up at {self.api.url} although ENABLE_SIGNUP is false there; stop the container and read its log."
            )
        self.result["signup"] = "closed"

    def _note(self, what: str, before, after) -> None:
        self.result["changed"] = True
        self.before[what] = before
        self.after[what] = after


def _read(path: str | None) -> str | None:
    try:
        with open(path or "", encoding="utf-8") as source:
            return source.read().strip()
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    """Over a new file: the folder is root's, and so is what is renamed into it."""
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(text + "\n")
    os.replace(path + ".new", path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:3000"},
            "admin_email": {"type": "str", "required": True},
            "admin_password": {"type": "str", "required": True, "no_log": True},
            "backends": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "url": {"type": "str", "required": True},
                    "prefix_id": {"type": "str"},
                    "key": {"type": "str", "no_log": True},
                    "key_file": {"type": "path", "no_log": False},
                    "connection_type": {"type": "str", "choices": ["local", "external"], "default": "local"},
                },
            },
            "skip_unreachable": {"type": "bool", "default": True},
            "settings": {"type": "dict", "default": {}},
            "builtin_tools": {"type": "bool"},
            "planned": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host": {"type": "str", "required": True},
                    "url": {"type": "str", "required": True},
                    "prefix_id": {"type": "str"},
                    "models": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {
                            "name": {"type": "str", "required": True},
                            "chat": {"type": "bool", "required": True},
                            "quality": {"type": "float", "required": True},
                            "on_gpu": {"type": "bool", "required": True},
                        },
                    },
                },
            },
            "default_model": {"type": "str"},
            "remember": {"type": "path"},
            "hide_non_chat": {"type": "bool", "default": False},
            "users": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "email": {"type": "str", "required": True},
                    "name": {"type": "str"},
                    "role": {"type": "str", "choices": ["admin", "user", "pending"], "default": "user"},
                    "password": {"type": "str", "no_log": True},
                    "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "on_create", "no_log": False},
                },
            },
            "wait_seconds": {"type": "int", "default": 60},
            "timeout": {"type": "int", "default": 30},
            "validate_certs": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    api = OpenWebUIApi(wanted["url"], wanted["timeout"], wanted["validate_certs"])
    try:
        api.wait_until_ready(wanted["wait_seconds"])
        sign_in(module, api)
        work = Reconciler(module, api)
        work.result["version"] = api.call("GET", "/api/version")["version"]
        # First the door, then the rest.
        work.settings({**wanted["settings"], "ENABLE_SIGNUP": False})
        work.signup()
        if wanted["backends"] is not None:
            work.backends([with_key(module, backend) for backend in wanted["backends"]])
        if wanted["builtin_tools"] is not None:
            work.builtin_tools(wanted["builtin_tools"])
        work.models(wanted["planned"], wanted["default_model"], wanted["remember"], wanted["hide_non_chat"])
        work.users(wanted["users"])
    except OpenWebUIError as error:
        module.fail_json(msg=f"Open WebUI at {wanted['url']}: {error}.")
    except ValueError as error:
        module.fail_json(msg=f"{error} (open_webui_settings).")
    if work.result["changed"]:
        work.result["diff"] = {"before": work.before, "after": work.after}
    module.exit_json(**work.result)


def sign_in(module: AnsibleModule, api: OpenWebUIApi) -> None:
    email = module.params["admin_email"]
    try:
        session = api.sign_in(email, module.params["admin_password"])
    except OpenWebUIError as error:
        if error.status == 400:
            module.fail_json(
                msg=f"Open WebUI at {api.url} does not let {email} sign in. The administrator of the first start counts, not a "
                "later change of the inventory: set open_webui_admin_email and open_webui_admin_password to what its database holds, "
                "or change them there."
            )
        raise
    if session.get("role") != "admin":
        module.fail_json(msg=f"{email} is no administrator of Open WebUI at {api.url} (open_webui_admin_email).")


if __name__ == "__main__":
    main()
