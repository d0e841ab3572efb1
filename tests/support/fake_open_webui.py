# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of Open WebUI 0.12.4's interface as module open_webui_config uses, with the order of checks that the real one has."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from support import servers

PAGE = 2  # the real one has 30 users on a page; fewer show whether pages are asked for


class FakeOpenWebui:
    def __init__(self):
        self.config = {"ENABLE_OLLAMA_API": True, "OLLAMA_BASE_URLS": ["http://localhost:11434"], "OLLAMA_API_CONFIGS": {}}
        self.admin_config = {"ENABLE_SIGNUP": False, "WEBUI_URL": "", "DEFAULT_USER_ROLE": "pending"}
        self.models_config = {"DEFAULT_MODELS": None, "MODEL_ORDER_LIST": [], "DEFAULT_MODEL_METADATA": {"description": "kept"}}
        self.users = {"admin@x.org": {"id": "1", "email": "admin@x.org", "name": "Admin", "role": "admin", "password": "the admin's password"}}
        self.reachable = {}
        self.refuses_to_ask = False  # says back what it was sent, as a validator does
        self.listed = []  # what the servers list: {"model", "urls", "details", "capabilities"}
        self.records = []  # what the database knows of models
        self.always_open = False
        self.starting = 0
        self.calls = []
        fake = self

        class Handler(servers.Quiet):
            def do_GET(self):
                self._serve()

            def do_POST(self):
                self._serve()

            def _serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                self.answer(*fake.answer(self.command, self.path, body, self.headers.get("Authorization")))

        self._server = servers.Server(Handler)
        self.url = self._server.url

    def stop(self):
        self._server.end()

    @property
    def changes(self):
        """Every call that changed something."""
        quiet = ("/api/v1/auths/signin", "/api/v1/auths/signup", "/ollama/verify")
        return [path for method, path, _body in self.calls if method == "POST" and path not in quiet]

    def answer(self, method, path, body, authorization):
        self.calls.append((method, path, body))
        if path == "/ready":
            self.starting -= 1
            return (200, {"status": True}) if self.starting < 0 else (503, {"detail": "Startup not complete"})
        if path == "/api/v1/auths/signin":
            user = self.users.get(body["email"])
            if not user or user["password"] != body["password"]:
                return 400, {"detail": "The email or password provided is incorrect."}
            return 200, {"token": user["id"], "role": user["role"]}
        if path == "/api/v1/auths/signup":
            # The real one refuses a closed sign-up before it looks at the address.
            if not (self.admin_config["ENABLE_SIGNUP"] or self.always_open):
                return 403, {"detail": "You do not have permission"}
            if "@" not in body["email"]:
                return 400, {"detail": "invalid email"}
            self.users[body["email"]] = dict(body, id="eve", role="pending")
            return 200, {"token": "eve"}
        if authorization != "Bearer 1":
            return 401, {"detail": "Not authenticated"}
        return self._for_admin(method, urlsplit(path), body)

    def _for_admin(self, method, path, body):
        route = (method, path.path)
        if route == ("GET", "/api/version"):
            return 200, {"version": "0.12.4"}
        if route == ("GET", "/ollama/config"):
            return 200, self.config
        if route == ("POST", "/ollama/config/update"):
            self.config = body
            return 200, body
        if route == ("POST", "/ollama/verify") and self.refuses_to_ask:
            return 422, {"detail": [{"type": "string_type", "loc": ["body", "url"], "input": body}]}
        if route == ("POST", "/ollama/verify"):
            version = self.reachable.get(body["url"])
            return (200, {"version": version}) if version else (500, {"detail": "Open WebUI: Server Connection Error"})
        if route == ("GET", "/api/v1/auths/admin/config"):
            return 200, self.admin_config
        if route == ("POST", "/api/v1/auths/admin/config"):
            self.admin_config = body
            return 200, body
        if route == ("GET", "/api/v1/configs/models"):
            return 200, self.models_config
        if route == ("POST", "/api/v1/configs/models"):
            self.models_config = body
            return 200, body
        if route == ("GET", "/ollama/api/tags"):
            return 200, {"models": self.listed}
        if route == ("GET", "/api/models"):
            # The real one lists base models that are switched on, hidden ones too, and presets.
            known = {record["id"]: record for record in self.records}
            names = [model["model"] for model in self.listed] + [record["id"] for record in self.records if record["base_model_id"]]
            return 200, {"data": [{"id": name, "info": known.get(name)} for name in names if known.get(name, {}).get("is_active", True)]}
        if route == ("GET", "/api/v1/models/base"):
            return 200, [record for record in self.records if not record["base_model_id"]]
        if route == ("POST", "/api/v1/models/create"):
            if any(record["id"] == body["id"] for record in self.records):
                return 401, {"detail": "Uh-oh! This model id is already registered."}
            self.records.append(body)
            return 200, body
        if route == ("POST", "/api/v1/models/model/update"):
            self.records = [body if record["id"] == body["id"] else record for record in self.records]
            return 200, body
        if route == ("GET", "/api/v1/users/"):
            first = (int(parse_qs(path.query)["page"][0]) - 1) * PAGE
            users = [{key: value for key, value in user.items() if key != "password"} for user in self.users.values()]
            return 200, {"users": users[first : first + PAGE], "total": len(users)}
        if route == ("POST", "/api/v1/auths/add"):
            self.users[body["email"]] = dict(body, id=str(len(self.users) + 1))
            return 200, {"id": body["email"]}
        if method == "POST" and path.path.startswith("/api/v1/users/") and path.path.endswith("/update"):
            identifier = path.path.split("/")[4]
            next(user for user in self.users.values() if user["id"] == identifier).update(body)
            return 200, {}
        return 404, {"detail": "Not found"}
