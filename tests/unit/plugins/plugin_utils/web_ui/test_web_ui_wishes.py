# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before any host is touched. Deleted, a weak password, a rolling tag or a reserved name would be found out by whoever uses the web UI."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import BadWish, numbers, read
from web_ui_cases import POSTGRES, SAVED, decide, ids, seen, wish

KEY = "abcdefghijklmnopqrstuvwxyz0123456789"
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "wishes,identity,says",
    [
        ({"version": "0.12"}, "no_release", "open_webui_version is 0.12; write a release such as 0.12.4"),
        ({"version": "main"}, "no_release", "open_webui_version is main; write a release"),
        ({"version": "0.9.4"}, "vulnerable_release", "open_webui_version 0.9.4 lies below 0.9.5"),
        ({"version": "0.10.0", "tag": "latest"}, "rolling_tag", "open_webui_tag latest moves with every release"),
        ({"digest": "sha256:abc"}, "no_digest", "open_webui_digest is not of the form"),
        ({"admin_email": None}, "no_email", 'open_webui_admin_email is ""; set'),
        ({"admin_email": "me@x"}, "no_email", 'open_webui_admin_email is "me@x"; set'),
        ({"admin_password_file": "here/password"}, "relative_password_file", "open_webui_admin_password_file is here/password; write an absolute path"),
        ({"admin_password": ""}, "short_password", "open_webui_admin_password is not set; put a long one into your vault"),
        ({"admin_password": "elevenchars"}, "short_password", "is shorter than 12 characters; put"),
        ({"admin_password": "é" * 37}, "long_password", "longer than the 72 bytes"),
        ({"admin_password": "PassWord1234"}, "guessed_password", "can be guessed"),
        ({"admin_email": "Me@long.example", "admin_password": "mE@long.example"}, "guessed_password", "can be guessed"),
        ({"secret_key": "T0p-s3cr3t"}, "weak_key", "open_webui_secret_key is weak"),
        ({"secret_key": "ab" * 20}, "weak_key", "open_webui_secret_key is weak"),
        ({"port": 0}, "no_port", "open_webui_port is 0; write a number from 1 to 65535."),
        ({"port": "web"}, "no_port", "open_webui_port is web; write a number"),
        ({"port": 65536}, "no_port", "open_webui_port is 65536"),
        ({"port": 80, "network_mode": "host"}, "privileged_port", "open_webui_port 80 is a privileged port"),
        ({"port": 80, "backend_hosts": ["hub"]}, "privileged_port", "open_webui_network_mode: bridge"),
        ({"url": "chat.x.org"}, "no_url", "open_webui_url is chat.x.org; write the address that people type"),
        ({"url": "https://x.org/chat"}, "no_url", "open_webui_url is https://x.org/chat"),
        ({"docker_host": "tcp://x:2375"}, "no_socket", "open_webui_docker_host is tcp://x:2375"),
        ({"config_dir": "/etc"}, "config_dir_shared", "open_webui_config_dir is /etc, which a whole host shares"),
        ({"data": "/srv"}, "data_shared", "such as /srv/open-webui."),
        ({"data": "/"}, "data_shared", "open_webui_data is /, which a whole host shares"),
            ({"config_dir": "/"}, "config_dir_shared", "open_webui_config_dir is /, which a whole host shares"),
            ({"backup_dir": "//"}, "backup_dir_shared", "such as /open-webui."),
        ({"database_url": "mysql://db"}, "no_database", "open_webui_database_url is no PostgreSQL address"),
        ({"database_url": "postgresql://db:port/x"}, "no_database", "open_webui_database_url is no PostgreSQL address"),
        ({"database_url": "postgres://u@localhost/x"}, "database_inside", "open_webui_database_url names localhost, which inside the container"),
        ({"database_url": "postgresql://u@[::1]/x"}, "database_inside", "names ::1, which"),
        ({"environment": {"A": "1", "PORT": "1"}, "secret_environment": {"DATABASE_URL": "x"}}, "reserved_name", "The role itself sets PORT, DATABASE_URL;"),
        ({"backends": []}, "no_backend", "open_webui_backends is empty"),
        ({"backends": [{"url": "http://a", "prefix": "a"}]}, "misspelt_backend", "open_webui_backends[0] has the unknown key prefix: did you mean prefix_id?"),
        ({"backends": [{"url": "http://a", "prefix_id": "a"}, {"url": "http://b", "prefix_id": "a"}]}, "prefix_twice", "has one prefix_id twice"),
        ({"users": [{"email": "A@x.org"}, {"email": "a@x.org"}]}, "user_twice", "open_webui_users names an address twice"),
        ({"users": [{"email": "a@x.org", "password": "seven77"}]}, "short_user_password", "fewer than 8 characters"),
        ({"users": [{"email": "a@x.org", "password": ""}]}, "short_user_password", "fewer than 8 characters"),
    ],
)  # fmt: skip
def test_what_is_refused(wishes, identity, says):
    decided = decide(None, "wishes", **wishes)
    assert ids(decided) == [identity] and says in decided["problems"][0]["say"]
    assert decided["problems"][0]["variable"].startswith("open_webui_")


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"version": "0.9.4", "accept_vulnerable_version": "true"},
        {"tag": "main", "digest": DIGEST},
        {"admin_email": "admin@localhost", "admin_password": "é" * 36, "admin_password_file": "~/password"},
        {"secret_key": KEY},
        {"port": 80},
        {"url": "https://chat.x.org/"},
        {"data": "/srv/open webui"},
        POSTGRES,
        {"database_url": "postgresql+psycopg://u:p%40@host.docker.internal:5433/x?sslmode=require"},
        {"database_url": "postgresql://u@localhost/x", "network_mode": "host"},
        {"backends": [{"url": "http://a", "prefix_id": ""}, {"url": "http://b"}]},
        {"users": [{"email": "a@x.org"}, {"email": "b@x.org", "password": "eight888"}]},
        {"state": "absent", "admin_password": "", "version": "main", "backends": [], "database_url": "mysql://"},
    ],
)
def test_what_is_not_refused(wishes):
    """An uninstallation needs no password, and a variable with two right forms has both."""
    assert decide(None, "wishes", **wishes)["problems"] == []


def test_all_that_is_wrong_is_said_at_once():
    assert ids(decide(None, "wishes", admin_email="", admin_password="", port=0)) == ["no_email", "short_password", "no_port"]


@pytest.mark.parametrize("os_family,system", [("Darwin", "macOS"), ("Windows", "Windows")])
def test_a_system_that_cannot_run_the_container(os_family, system):
    """Where the inventory says that this is no fault, the run goes on with a sentence."""
    refused = decide(None, "wishes", os_family=os_family)
    assert ids(refused) == ["no_linux"] and "hub runs %s, and Open WebUI needs a Linux host" % system in refused["problems"][0]["say"]
    told = decide(None, "wishes", os_family=os_family, where_possible=True)
    assert told["problems"] == [] and "hub runs %s" % system in told["impossible"]
    assert decide(None, "wishes", os_family="Debian")["impossible"] == ""


def test_a_restore_wants_an_archive():
    assert ids(decide(None, "wishes", "restore")) == ["no_archive"]
    assert decide(None, "wishes", "restore", restore_archive="/b/a.tar.gz")["problems"] == []


def test_a_variable_of_another_kind_is_named():
    with pytest.raises(BadWish, match="open_webui_environment is 'A=1'; write a dictionary."):
        read({"open_webui_environment": "A=1"})
    with pytest.raises(BadWish, match="open_webui_users is .*; write a list."):
        read({"open_webui_users": {"email": "x"}})


@pytest.mark.parametrize("version,compares", [("0.12.4", (0, 12, 4)), ("0.12.10-slim", (0, 12, 10)), ("main", ()), ("", ())])
def test_releases_compare_as_numbers(version, compares):
    assert numbers(version) == compares


def test_no_secret_is_told_or_shown():
    """What the action returns is printed by -v and kept by callbacks."""
    secrets = {
        "admin_password": "the admin's password",
        "secret_key": KEY,
        "database_url": "postgresql://webui:p%40ss@db/webui",
        "secret_environment": {"OAUTH_CLIENT_SECRET": "the client's secret"},
        "users": [{"email": "a@x.org", "password": "the user's password"}],
        "backends": [{"url": "http://10.0.0.5:11434", "prefix_id": "gpu", "key": "the token"}],
    }
    told = repr(decide(seen(), "wishes", "host", **{**SAVED, **secrets}))
    for secret in ("the admin's password", KEY, "p%40ss", "p@ss", "the client's secret", "the user's password", "the token"):
        assert secret not in told
    assert wish(**secrets).admin_password == "the admin's password", "the wish itself has it"
