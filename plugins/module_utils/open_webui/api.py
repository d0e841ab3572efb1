# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open WebUI's HTTP interface, as far as settings and users need it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

from ansible_collections.llmfleet.ollama.plugins.module_utils import answers


class OpenWebUIError(Exception):
    """Open WebUI refused, or did not answer. `status` is None when there was no HTTP answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


# Its longest answers list all users and all models with their pictures; a server that goes on and on fills nobody's memory.
LONGEST_ANSWER = 64 << 20


class OpenWebUIApi:
    """One server, asked directly: a proxy in the environment is for the way out."""

    def __init__(self, url: str, timeout: float, validate_certs: bool = True) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._token = None
        handlers = [urllib.request.ProxyHandler({})]
        if not validate_certs:
            import ssl

            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def call(self, method: str, path: str, body=None):
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content = answers.up_to(response, LONGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            raise OpenWebUIError(_detail(error), error.code) from error
        except (OSError, ValueError) as error:
            raise OpenWebUIError(str(getattr(error, "reason", error))) from error
        if len(content) > LONGEST_ANSWER:
            raise OpenWebUIError(f"{path} answered with more than {LONGEST_ANSWER} bytes")
        try:
            return json.loads(content)
        except ValueError as error:
            raise OpenWebUIError(f"{path} answered with something that is not JSON; is {self.url} Open WebUI?") from error

    def wait_until_ready(self, seconds: float) -> None:
        """/ready says that start-up, migrations and the database are through."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.call("GET", "/ready")
                return
            except OpenWebUIError as error:
                if time.monotonic() >= end:
                    raise OpenWebUIError(f"not ready after {seconds:.0f} s: {error}", error.status) from error
                time.sleep(0.5)

    def sign_in(self, email: str, password: str) -> dict:
        answer = self.call("POST", "/api/v1/auths/signin", {"email": email, "password": password})
        self._token = answer["token"]
        return answer

    def signup_is_open(self) -> bool:
        """Ask with an address that can't be one: where sign-up is closed it is refused before the address is looked at."""
        body = {"name": "probe", "email": "not an address", "password": "not used"}
        try:
            self.call("POST", "/api/v1/auths/signup", body)
        except OpenWebUIError as error:
            if error.status == 403:
                return False
            if error.status is None:
                raise
        return True

    def reach(self, url: str, key: str | None) -> dict:
        """Let Open WebUI itself, from inside its container, ask an Ollama server for its version."""
        body = {"url": url, "key": key or ""}
        try:
            return {"version": str(self.call("POST", "/ollama/verify", body).get("version")), "error": None}
        except OpenWebUIError as error:
            return {"version": None, "error": str(error)}

    def users(self) -> dict:
        """All users by their address."""
        found, page = {}, 1
        while True:
            answer = self.call("GET", "/api/v1/users/?" + urlencode({"page": page}))
            for user in answer["users"]:
                found[user["email"].lower()] = user
            if not answer["users"] or len(found) >= answer.get("total", 0):
                return found
            page += 1

    def add_user(self, user: dict) -> None:
        self.call("POST", "/api/v1/auths/add", user)

    def update_user(self, identifier: str, values: dict) -> None:
        self.call("POST", f"/api/v1/users/{quote(identifier)}/update", values)


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        detail = json.loads(answers.up_to(error, LONGEST_ANSWER))["detail"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
    return detail if isinstance(detail, str) else json.dumps(detail)
