# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container, its variables and its addresses. Deleted, a change of one word here would re-create every container of every fleet, or show a secret."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import database, environment
from support import ROOT
from web_ui_cases import decide, seen, wish


@pytest.mark.parametrize(
    "wishes,around,url",
    [
        ({}, {"address": "10.0.0.9"}, "http://10.0.0.9:3000"),
        ({}, {}, "http://hub:3000"),
        ({}, {"connection": "local"}, "http://localhost:3000"),
        ({"bind_address": "10.0.0.7"}, {"connection": "local"}, "http://10.0.0.7:3000"),
        ({"bind_address": "127.0.0.1"}, {"address": "10.0.0.9"}, "http://localhost:3000"),
        ({"bind_address": "::1"}, {}, "http://localhost:3000"),
        ({"bind_address": "fd00::7", "port": 3001}, {}, "http://[fd00::7]:3001"),
        ({"bind_address": "::"}, {"address": "fd00::9"}, "http://[fd00::9]:3000"),
        ({"url": "https://chat.x.org/"}, {"connection": "local"}, "https://chat.x.org"),
    ],
)
def test_the_address_that_people_type(wishes, around, url):
    assert decide(**around, **wishes)["url"] == url


@pytest.mark.parametrize(
    "wishes,local,ports,health,host,port",
    [
        ({}, "http://127.0.0.1:3000", ["0.0.0.0:3000:8080"], "http://127.0.0.1:8080/ready", "0.0.0.0", "8080"),
        ({"bind_address": "::"}, "http://127.0.0.1:3000", ["[::]:3000:8080"], "http://127.0.0.1:8080/ready", "0.0.0.0", "8080"),
        ({"bind_address": "10.0.0.7"}, "http://10.0.0.7:3000", ["10.0.0.7:3000:8080"], "http://127.0.0.1:8080/ready", "0.0.0.0", "8080"),
        ({"backend_hosts": ["hub"]}, "http://127.0.0.1:3000", None, "http://127.0.0.1:3000/ready", "0.0.0.0", "3000"),
        ({"network_mode": "host", "bind_address": "fd00::7"}, "http://[fd00::7]:3000", None, "http://[fd00::7]:3000/ready", "fd00::7", "3000"),
    ],
)
def test_where_the_server_listens_and_is_asked(wishes, local, ports, health, host, port):
    decided = decide(seen(), **wishes)
    container = decided["container"]
    assert decided["local_url"] == local and container.get("published_ports") == ports and ("etc_hosts" in container) == (ports is not None)
    assert decided["ready_url"] == health
    assert (container["env"]["HOST"], container["env"]["PORT"]) == (host, port)
    assert container["network_mode"] == ("bridge" if ports else "host")


@pytest.mark.parametrize("data,mount", [("open-webui", "open-webui:/app/backend/data:rw,nocopy"), ("/srv/w", "/srv/w:/app/backend/data:rw,z")])
def test_what_is_mounted(data, mount):
    """Without z the container may not read its own secrets where SELinux is enforced, as on Fedora and Red Hat's family."""
    assert decide(seen(), data=data)["container"]["volumes"] == [mount, "/etc/open-webui/secrets:/run/open-webui:ro,z"]


def test_podman_is_not_asked_to_compare_what_it_describes_in_other_words():
    docker, podman = (decide(seen({"engine": {"podman": podman}})) for podman in (False, True))
    assert (docker["comparisons"], docker["container"]["image_name_mismatch"]) == ({}, "recreate")
    assert (podman["comparisons"], podman["container"]["image_name_mismatch"]) == ({"volumes": "ignore", "cap_drop": "ignore"}, "ignore")


def test_the_image_is_named_by_its_digest_where_it_is_pinned():
    assert decide()["image"] == "ghcr.io/open-webui/open-webui:0.12.4"
    assert decide(digest="sha256:aa")["image"] == "ghcr.io/open-webui/open-webui@sha256:aa"


def env(**wishes):
    return decide(seen(), **wishes)["container"]["env"]


def test_a_user_wins_over_what_follows_and_not_over_what_is_promised():
    assert env()["ENABLE_OPENAI_API"] == "False" and env(environment={"ENABLE_OPENAI_API": "True"})["ENABLE_OPENAI_API"] == "True"
    assert env(environment={"ENABLE_SIGNUP": "True"})["ENABLE_SIGNUP"] == "False"
    assert env()["BYPASS_MODEL_ACCESS_CONTROL"] == "True" and env(models_for_all_users=False)["BYPASS_MODEL_ACCESS_CONTROL"] == "False"


@pytest.mark.parametrize(
    "url,origin,secure",
    [("https://chat.x.org/", "https://chat.x.org", "True"), ("http://chat.x.org:8080", "http://chat.x.org:8080", "False")],
)
def test_what_follows_from_the_public_address(url, origin, secure):
    found = env(url=url)
    assert (found["WEBUI_URL"], found["CORS_ALLOW_ORIGIN"], found["WEBUI_SESSION_COOKIE_SECURE"], found["WEBUI_AUTH_COOKIE_SECURE"]) == (
        url,
        origin,
        secure,
        secure,
    )
    assert "WEBUI_URL" not in env() and env(url=url, environment={"WEBUI_URL": "http://mine"})["WEBUI_URL"] == "http://mine"


def read_by_a_shell(text, *names, users="0"):
    """The values of the names after a shell has read the lines. users: what the database says of how many it has, empty where there is none."""
    text = "python() { test 0 -lt %s; }\n%s" % (users or 0, text)
    script = text.replace("/run/open-webui/secret_key", "/dev/null") + "\n".join("printf '%%s\\0' \"${%s-unset}\"" % name for name in names)
    return subprocess.run(["/bin/sh", "-euc", script], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


def test_secrets_reach_the_process_unharmed_and_stay_out_of_the_description():
    secret = wish(
        admin_password='it\'s $HOME "quoted"',
        secret_environment={"Z": "a\nb", "NUMBER": 5},
        database_url="postgresql://u:p%40@db/x",
    )
    text = environment.secret_file(secret)
    names = ["WEBUI_ADMIN_PASSWORD", "WEBUI_ADMIN_EMAIL", "Z", "NUMBER", "DATABASE_URL", "WEBUI_SECRET_KEY"]
    assert read_by_a_shell(text, *names) == ['it\'s $HOME "quoted"', "me@x.org", "a\nb", "5", "postgresql://u:p%40@db/x", ""]
    assert text.startswith("# Written by Ansible role llmfleet.ollama.open_webui; read by group 10300 when the container starts.\nWEBUI_SECRET_KEY=")
    assert not {"Z", "DATABASE_URL", "WEBUI_ADMIN_PASSWORD"} & set(environment.public(secret, False))
    assert "export DATABASE_URL" not in environment.secret_file(wish())


def test_the_administrators_password_is_given_to_no_process_that_does_not_need_it():
    """Deleted, every tool that an administrator of the web UI adds could read it from the environment for as long as the container lives."""
    text = environment.secret_file(wish(secret_environment={"Z": "1"}))
    names = ["WEBUI_ADMIN_PASSWORD", "WEBUI_ADMIN_EMAIL", "WEBUI_ADMIN_NAME", "Z"]
    assert read_by_a_shell(text, *names, users="") == read_by_a_shell(text, *names) == ["a long password", "me@x.org", "Admin", "1"]
    assert read_by_a_shell(text, *names, users="1") == ["unset", "unset", "unset", "1"]


@pytest.mark.parametrize(
    "there,forgets",
    [
        ({"container": {"exists": False}, "data": {"users": None}}, True),
        ({"container": {"exists": False}, "data": {"users": 0}}, True),
        ({"container": {"exists": False}, "data": {"users": 3}}, False),
        ({}, False),
        ({"container": {"holds_password": True}, "data": {"users": 1}}, True),
        ({"container": {"holds_password": True}, "data": {"users": None}}, False),
        # It is restarted, or replaced, for another reason.
        ({"container": {"holds_password": True}, "data": {"users": 1}, "secrets": {"stale": True}}, False),
        ({"container": {"holds_password": True}, "data": {"users": 1}, "secrets": {"environment": False}}, False),
        ({"container": {"holds_password": True, "managed": False}, "data": {"users": 1}}, False),
    ],
)
def test_only_the_process_that_made_the_administrator_is_restarted(there, forgets):
    assert decide(seen(there))["steps"]["forget"] is forgets and decide(seen(there), check_mode=True)["steps"]["forget"] is False


HARD = "postgresql+psycopg://we%40b:p%40ss+'w$rd@host.docker.internal:5433/we%20bui?x=1&sslmode=require"


@pytest.mark.parametrize(
    "url,variables",
    [
        (HARD, ["127.0.0.1", "5433", "we@b", "p@ss+'w$rd", "we bui", "require", HARD.replace("+psycopg", "")]),
        ("postgres://u@db/x", ["db", "5432", "u", "", "x", "prefer", "postgresql://u@db/x"]),
    ],
)
def test_what_postgresqls_own_tools_are_told(url, variables):
    names = ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "DATABASE_URL", "DUMP"]
    assert read_by_a_shell(database.exports(url, "/b/a b.dump"), *names) == [*variables, "/b/a b.dump"]


def test_what_of_a_container_that_was_made_by_hand_is_left_behind():
    variables = ["ENABLE_SIGNUP", "MINE", "OLLAMA_BASE_URL", "SECRET", "WEBUI_NAME", "WEBUI_SECRET_KEY_FILE"]
    looked = seen({"container": {"managed": False, "variables": variables}})
    assert decide(looked, environment={"MINE": "1"}, secret_environment={"SECRET": "1"})["left_behind"] == ["WEBUI_NAME"]


def test_the_program_that_asks_an_image_for_its_migrations(tmp_path):
    """It runs in the image, whose database would be migrated by a release that does not know it."""
    versions = tmp_path / "open_webui" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "open_webui" / "__init__.py").write_text("raise SystemExit('started')", encoding="utf-8")
    (versions / "a.py").write_text('revision: str = "c92d"\ndown_revision = "b1"\n', encoding="utf-8")
    (versions / "b.py").write_text("revision = 'b1'\n", encoding="utf-8")
    program = (ROOT / "roles/open_webui/files/revisions.py").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["b1", "c92d"]
