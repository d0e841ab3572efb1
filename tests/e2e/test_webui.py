# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People chat with the fleet in a browser. The lab must have been deployed (test_site.py does it; so does `make demo`).

Deleted, nothing would show that a chat works as people see it: a model that refuses a chat with tools, a dead WebSocket or a user who sees no
model pass every test of the interface behind the page. The pictures lie in tests/output/chat/.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support import ROOT

sys.path.insert(0, str(ROOT / "tests/e2e/browser"))

chat = pytest.importorskip("chat", reason="needs selenium (requirements-dev.txt)")
assert shutil.which("chromium") and shutil.which("chromedriver"), "needs them: apt-get install chromium chromium-driver"

URL = "http://172.30.77.10:3000"
ADMIN = "admin@lab.example"
MODELS = ("deepseek-r1:14b", "deepseek-r1:70b", "smollm2:135m")
PICTURES = ROOT / "tests/output/chat"


def call(path: str, body: dict, token: str = "") -> dict:
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def admin_password() -> str:
    return (ROOT / ".cache/lab/open-webui-password").read_text().strip()


@pytest.fixture(scope="module")
def plain_user(admin_password) -> tuple[str, str]:
    """A user as the administrator makes one, new for each run."""
    token = call("/api/v1/auths/signin", {"email": ADMIN, "password": admin_password})["token"]
    email, password = f"reader-{secrets.token_hex(4)}@lab.example", secrets.token_urlsafe(16)
    call("/api/v1/auths/add", {"name": "Reader", "email": email, "password": password, "role": "user"}, token)
    return email, password


def pieces(email: str, password: str, model: str) -> int:
    """In how many events with text the answer to one question arrives, by the address that the page itself uses."""
    token = call("/api/v1/auths/signin", {"email": email, "password": password})["token"]
    body = {"model": model, "messages": [{"role": "user", "content": "Which model are you?"}], "stream": True}
    request = urllib.request.Request(
        URL + "/api/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        events = [json.loads(line[6:]) for line in response if line.startswith(b"data: {")]
    return sum(1 for event in events for choice in event.get("choices", []) if choice.get("delta", {}).get("content"))


def look_and_chat(email: str, password: str, pictures: Path) -> None:
    with chat.open_page(URL, pictures) as page:
        page.sign_in(email, password)
        models = page.models()
        # Through the gateway: every model of the fleet once, whichever host has it.
        assert set(models) >= set(MODELS), models
        wanted = "deepseek-r1:14b"
        page.pick(wanted)
        answer = page.ask("Which model are you?")
        assert "deepseek-r1:14b" in answer.text, answer.text
        assert page.errors() == []
    # A stand-in's one sentence may reach the page between two looks at it, so whether it came in pieces is asked of the stream itself.
    assert pieces(email, password, wanted) > 1


def test_the_administrator_chats(admin_password):
    look_and_chat(ADMIN, admin_password, PICTURES / "admin")


def test_a_plain_user_sees_the_same_models_and_chats(plain_user):
    look_and_chat(*plain_user, PICTURES / "user")


def test_nobody_can_sign_up():
    with pytest.raises(urllib.error.HTTPError, match="403"):
        call("/api/v1/auths/signup", {"name": "Eve", "email": "eve@lab.example", "password": "eve has a password"})
