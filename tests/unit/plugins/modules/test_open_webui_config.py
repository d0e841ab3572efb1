# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module open_webui_config against a fake that has the real one's order of checks. Without these tests a second run could report changes for ever,
check mode could change something, an open sign-up could pass, or a password could end in a log."""

from __future__ import annotations

import pytest

ONE = {"url": "http://10.0.0.5:11434", "prefix_id": "gpu1"}
TWO = {"url": "http://10.0.0.6:11434/", "prefix_id": "gpu2", "key": "sesame-token"}
ANN = {"email": "Ann@X.org", "name": "Ann", "password": "ann's own password"}


@pytest.fixture
def fleet(webui):
    webui.reachable = {"http://10.0.0.5:11434": "0.32.15", "http://10.0.0.6:11434": "0.32.14", "http://10.0.0.6:11434/": "0.32.14"}
    return webui


def test_the_second_run_changes_nothing(fleet, configure):
    wanted = {"backends": [ONE, TWO], "users": [ANN], "settings": {"WEBUI_URL": "https://chat.x.org"}}
    first = configure(**wanted)
    assert first["changed"] and first["users_created"] == ["ann@x.org"] and first["settings_changed"] == ["WEBUI_URL"]
    assert [backend["version"] for backend in first["backends"]] == ["0.32.15", "0.32.14"]
    second = configure(**wanted)
    assert not second["changed"] and fleet.changes == [] and "diff" not in second


def test_check_mode_says_what_would_change_and_changes_nothing(fleet, configure):
    result = configure(check=True, backends=[ONE], users=[ANN], settings={"DEFAULT_USER_ROLE": "user"})
    assert result["changed"] and result["users_created"] == ["ann@x.org"] and fleet.changes == []
    assert result["diff"]["after"]["backends"] == [{"url": "http://10.0.0.5:11434", "prefix_id": "gpu1", "enable": True}]


def test_no_secret_is_printed(fleet, configure):
    configure(backends=[TWO], users=[ANN])
    configure(backends=[ONE], users=[dict(ANN, password="a changed password", update_password="always")])
    for secret in ("sesame-token", "ann's own password", "a changed password", "the admin's password"):
        assert secret not in configure.printed
    assert '"key": "set"' in configure.printed


def test_a_key_from_a_file_is_given_and_never_printed(fleet, configure, tmp_path):
    """Open WebUI says back what it was sent when it does not like it."""
    (tmp_path / "key").write_text("sesame-of-a-file\n")
    configure(backends=[dict(ONE, key_file=str(tmp_path / "key"))])
    assert fleet.config["OLLAMA_API_CONFIGS"]["0"]["key"] == "sesame-of-a-file"
    fleet.refuses_to_ask = True
    result = configure(backends=[dict(ONE, key_file=str(tmp_path / "key"))])
    assert result["failed"] and "string_type" in result["msg"] and "sesame-of-a-file" not in configure.printed


def test_a_key_that_is_not_there_is_named(fleet, configure, tmp_path):
    """Without it the server would be said to be out of reach; a dry run comes before the file."""
    wanted = [dict(ONE, key_file=str(tmp_path / "none"))]
    assert configure(check=True, backends=wanted)["changed"]
    result = configure(backends=wanted)
    assert result["failed"] and "http://10.0.0.5:11434" in result["msg"] and "none (key_file in open_webui_backends)" in result["msg"]
    assert fleet.changes == []


def test_a_silent_server_is_left_out_and_comes_back(fleet, configure):
    del fleet.reachable["http://10.0.0.5:11434"]
    result = configure(backends=[ONE, TWO])
    assert [backend["url"] for backend in result["left_out"]] == [ONE["url"]]
    assert fleet.config["OLLAMA_BASE_URLS"] == ["http://10.0.0.6:11434"]
    assert fleet.config["OLLAMA_API_CONFIGS"]["0"]["prefix_id"] == "gpu2"
    fleet.reachable[ONE["url"]] = "0.32.15"
    assert configure(backends=[ONE, TWO])["changed"]
    assert fleet.config["OLLAMA_API_CONFIGS"]["1"]["prefix_id"] == "gpu2"


def test_when_no_server_answers_the_list_stays(fleet, configure):
    before = dict(fleet.config)
    fleet.reachable.clear()
    result = configure(backends=[ONE, TWO])
    assert result["failed"] and "reaches none" in result["msg"] and "open_webui_network_mode" in result["msg"]
    assert fleet.config == before


def test_what_the_administrator_set_on_a_connection_stays(fleet, configure):
    fleet.config = {
        "ENABLE_OLLAMA_API": True,
        "OLLAMA_BASE_URLS": ["http://gone:1", "http://10.0.0.5:11434"],
        "OLLAMA_API_CONFIGS": {"1": {"prefix_id": "old", "model_ids": ["a"], "tags": [{"name": "x"}]}},
    }
    configure(backends=[ONE])
    assert fleet.config["OLLAMA_API_CONFIGS"] == {
        "0": {"prefix_id": "gpu1", "model_ids": ["a"], "tags": [{"name": "x"}], "enable": True, "key": "", "connection_type": "local"}
    }


def test_a_connection_without_settings_is_one_with_defaults(fleet, configure):
    fleet.config = {"ENABLE_OLLAMA_API": True, "OLLAMA_BASE_URLS": ["http://10.0.0.5:11434"], "OLLAMA_API_CONFIGS": {}}
    assert not configure(backends=[{"url": "http://10.0.0.5:11434"}])["changed"]


def test_a_connection_that_was_switched_off_is_switched_on(fleet, configure):
    configure(backends=[ONE])
    fleet.config["OLLAMA_API_CONFIGS"]["0"]["enable"] = False
    assert configure(backends=[ONE])["changed"] and fleet.config["OLLAMA_API_CONFIGS"]["0"]["enable"] is True


def test_an_open_signup_is_closed_first(fleet, configure):
    fleet.admin_config["ENABLE_SIGNUP"] = True
    result = configure(backends=[ONE])
    assert result["signup"] == "closed" and fleet.admin_config["ENABLE_SIGNUP"] is False
    assert fleet.changes[0] == "/api/v1/auths/admin/config"


def test_a_signup_that_stays_open_is_a_failure(fleet, configure):
    fleet.always_open = True
    result = configure(backends=[ONE])
    assert result["failed"] and "still sign up" in result["msg"] and fleet.config["OLLAMA_BASE_URLS"] == ["http://localhost:11434"]
    assert list(fleet.users) == ["admin@x.org"], "the proof itself must not make a user"


def test_an_open_signup_does_not_fail_a_dry_run(fleet, configure):
    fleet.admin_config["ENABLE_SIGNUP"] = True
    assert configure(check=True)["settings_changed"] == ["ENABLE_SIGNUP"]
    assert fleet.admin_config["ENABLE_SIGNUP"] is True


def test_the_user_cannot_ask_for_an_open_signup(fleet, configure):
    configure(settings={"ENABLE_SIGNUP": True})
    assert fleet.admin_config["ENABLE_SIGNUP"] is False


def test_users_on_later_pages_are_found(fleet, configure):
    for number in range(5):
        configure(users=[{"email": f"u{number}@x.org", "password": "long enough"}])
    assert not configure(users=[{"email": "u4@x.org"}])["changed"]
    assert configure(users=[{"email": "u4@x.org", "role": "admin"}])["users_updated"] == ["u4@x.org"]


def test_a_new_user_without_a_password_is_told(fleet, configure):
    result = configure(users=[{"email": "new@x.org"}])
    assert result["failed"] and "new@x.org" in result["msg"] and "open_webui_users" in result["msg"]


@pytest.mark.parametrize("mode, changed", [("on_create", False), ("always", True)])
def test_a_changed_password_is_set_only_on_request(fleet, configure, mode, changed):
    configure(users=[ANN])
    result = configure(users=[dict(ANN, password="another password", update_password=mode)])
    assert result["changed"] is changed
    assert fleet.users["ann@x.org"]["password"] == ("another password" if changed else ANN["password"])
    assert not configure(users=[dict(ANN, password=fleet.users["ann@x.org"]["password"], update_password=mode)])["changed"]


def test_a_wrong_password_names_the_variable(fleet, configure):
    result = configure(admin_password="the inventory's newer one")
    assert result["failed"] and "open_webui_admin_password" in result["msg"] and "first start" in result["msg"]


def test_a_plain_user_is_no_administrator(fleet, configure):
    configure(users=[ANN])
    result = configure(admin_email="ann@x.org", admin_password=ANN["password"])
    assert result["failed"] and "no administrator" in result["msg"]


def test_an_unknown_setting_names_those_that_exist(fleet, configure):
    result = configure(settings={"WEBUI_URI": "x"})
    assert result["failed"] and "WEBUI_URI" in result["msg"] and "WEBUI_URL" in result["msg"] and fleet.changes == []


def test_it_waits_for_the_start(fleet, configure):
    fleet.starting = 2
    assert "failed" not in configure(wait_seconds=10)
    fleet.starting = 1000
    result = configure(wait_seconds=0)
    assert result["failed"] and "not ready after 0 s" in result["msg"]


def test_builtin_tools_are_switched_and_the_rest_of_the_defaults_stays(fleet, configure):
    """With tools, Ollama refuses every chat with a model that supports none."""
    assert configure(builtin_tools=False)["settings_changed"] == ["builtin_tools"]
    assert fleet.models_config["DEFAULT_MODEL_METADATA"] == {"description": "kept", "capabilities": {"builtin_tools": False}}
    assert not configure(builtin_tools=False)["changed"]
    assert configure(builtin_tools=True, check=True)["changed"]
    assert fleet.models_config["DEFAULT_MODEL_METADATA"]["capabilities"] == {"builtin_tools": False}


def test_a_release_without_builtin_tools_is_left_alone(fleet, configure):
    del fleet.models_config["DEFAULT_MODEL_METADATA"]
    assert not configure(builtin_tools=False)["changed"] and fleet.changes == []
