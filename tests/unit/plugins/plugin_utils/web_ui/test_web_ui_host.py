# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused on a host, and which steps of the role it gets. Deleted, a wrong host would be changed half before it fails, and a converged one
would be entered by steps that have nothing to do."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest
import yaml
from web_ui_cases import FRESH, NO_ENGINE, POSTGRES, SAVED, decide, ids, seen

ROLE = Path(__file__).resolve().parents[5] / "roles/open_webui"
HAND = {"container": {"managed": False}}
KEY = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    "patch,wishes,identity,says",
    [
        (NO_ENGINE, {}, "silent_engine", "No container engine answers on the host (no socket); start Docker"),
        ({"data": {"network": True, "filesystem": "nfs"}}, {}, "data_on_network", "open_webui_data open-webui lies on a network file system (nfs)"),
        ({"data": {"error": "is no database"}}, {}, "data_broken", "open_webui_data open-webui: is no database; restore a backup"),
        ({"port": {"used_by": "sshd"}}, {}, "port_taken", "open_webui_port 3000 is in use by sshd; stop that"),
        ({"container": {"managed": False, "data": None}}, {}, "data_inside", "copy it to the host (docker cp open-webui:/app/backend/data FOLDER)"),
        ({"container": {"managed": False, "data": "/srv/x/"}}, {}, "data_elsewhere", "set open_webui_data: /srv/x/ to take it over"),
        ({"container": {"managed": False, "database_elsewhere": True}}, {}, "database_elsewhere", "in the database of its DATABASE_URL"),
        ({"container": {"managed": False, "key_weak": True}, "secrets": {"key": False}}, {}, "key_of_container_weak", "with a key of fewer than 16 characters"),
        ({"database_error": "refused"}, POSTGRES, "silent_database", "Nobody answers at db:5432 of open_webui_database_url (refused); start PostgreSQL"),
        ({"missing": ["pg_dump", "psql"]}, SAVED, "missing_program", "call pg_dump and psql, which this host does not have"),
        ({"secrets": {"key_weak": True}}, {}, "kept_key_weak", "/etc/open-webui/secrets/secret_key is shorter than 16 characters"),
        ({"image": {"present": False}}, {"pull": "never"}, "no_image", "The image ghcr.io/open-webui/open-webui:0.12.4 is not on the host"),
        (
            {"backends": [{"url": "http://a", "version": None, "error": "refused"}, {"url": "http://b", "version": None, "error": "slow"}]},
            {},
            "silent_backends",
            "None of the Ollama servers in open_webui_backends answers this host (http://a: refused; http://b: slow); start one",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(patch, wishes, identity, says):
    decided = decide(seen(patch), "host", **wishes)
    assert ids(decided) == [identity] and says in decided["problems"][0]["say"]


@pytest.mark.parametrize(
    "patch,wishes",
    [
        ({}, {}),
        (FRESH, {}),
        ({"data": {"network": True}}, POSTGRES),
        ({"container": {"managed": False, "data": "open-webui/"}}, {}),
        ({"container": {"managed": False, "database_elsewhere": True}}, POSTGRES),
        ({"container": {"managed": False, "key_weak": True}, "secrets": {"key": False}}, {"secret_key": KEY}),
        ({"container": {"managed": False, "key_weak": True}}, {}),
        ({"image": {"present": False}}, {}),
        ({"backends": [{"url": "http://a", "version": None, "error": "refused"}, {"url": "http://b", "version": "0.32.15", "error": None}]}, {}),
    ],
)
def test_what_is_not_refused(patch, wishes):
    assert decide(seen(patch), "host", **wishes)["problems"] == []


def test_a_dry_run_over_a_fleet_that_is_not_there_yet():
    silent = {"backends": [{"url": "http://a", "version": None, "error": "refused"}]}
    assert decide(seen(silent), "host", check_mode=True)["problems"] == []


def test_a_missing_engine_is_installed_where_the_inventory_says_how():
    """And what cannot be known without it is not refused; one that stays silent after its installation is."""
    pending = decide(seen(NO_ENGINE, FRESH), "host", engine_package="podman-docker")
    assert pending["problems"] == [] and pending["steps"]["engine"] and pending["engine_unit"] == "podman.socket"
    assert decide(seen(NO_ENGINE), engine_package="docker.io")["engine_unit"] == "docker.service"
    assert ids(decide(seen(NO_ENGINE), "engine", engine_package="docker.io")) == ["silent_engine"]
    assert not decide(seen(NO_ENGINE), engine_package="docker.io", check_mode=True)["steps"]["engine"]


@pytest.mark.parametrize(
    "programs,package,installs,refused",
    [
        ([], "docker.io", True, []),
        (["docker", "dockerd"], "docker.io", False, []),
        (["docker"], "docker.io", False, ["engine_elsewhere"]),
        (["docker", "dockerd"], "podman", True, []),
        (["docker"], "podman", True, []),
    ],
)
def test_another_docker_is_started_and_not_removed(programs, package, installs, refused):
    """Debian's docker.io conflicts with docker-ce and docker-ce-cli, and apt removes without a question what is in the way."""
    decided = decide(seen(NO_ENGINE, FRESH, {"engine": {"programs": programs}}), "host", engine_package=package)
    assert ids(decided) == refused
    assert (decided["steps"]["install_engine"], decided["steps"]["engine"]) == (installs, not refused)


@pytest.mark.parametrize("installed,refused", [(True, ["silent_engine"]), (False, [])])
def test_a_container_is_not_forgotten_that_a_silent_engine_holds(installed, refused):
    decided = decide(seen({"engine": {"error": "no answer", "installed": installed}}), "removal", state="absent")
    assert ids(decided) == refused


@pytest.mark.parametrize(
    "patch,wishes,refused",
    [
        ({}, {"config_dir": "/etc"}, ["config_dir_shared"]),
        ({}, {"data": "/srv", "config_dir": "/"}, ["data_shared", "config_dir_shared"]),
        ({}, {"config_dir": "/etc", "purge": False}, []),
        ({"data": {"mounts": ["/v/open-webui/uploads"]}}, {}, ["data_holds_a_mount"]),
        ({"data": {"mounts": ["/v/open-webui/uploads"]}}, {"purge": False}, []),
        ({}, {}, []),
    ],
)
def test_a_purge_is_refused_what_is_not_open_webuis(patch, wishes, refused):
    """Deleted: `open_webui_config_dir: /etc` and a purge would remove /etc, and a disk that is mounted among the data would be emptied."""
    assert ids(decide(seen(patch), "removal", **{"state": "absent", "purge": True, **wishes})) == refused


def test_a_purge_takes_by_name_and_never_a_folder_that_the_inventory_names():
    """Deleted: what somebody keeps beside the secrets or the data would go with them."""
    purged = decide(seen(), "removal", state="absent", purge=True, data="/srv/w/x", config_dir="/etc/mine")["purged"]
    assert purged["folders"] == ["/srv/w/x", "/etc/mine"]
    assert purged["config"] == ["/etc/mine/" + name for name in ("secrets", "default_model", "gateway_key", "trust", ".before", ".before.new")]
    tasks = yaml.safe_load((ROLE / "tasks/purge.yml").read_text(encoding="utf-8"))
    removed = [task["ansible.builtin.file"]["path"] for task in tasks if task.get("ansible.builtin.file", {}).get("state") == "absent"]
    assert removed and not [path for path in removed if "open_webui_data" in path or "open_webui_config_dir" in path]
    kept = ("photos", "webui.database", "secret", "notes.txt")
    assert not [name for name in kept for pattern in purged["data"] if fnmatch.fnmatch(name, pattern)]


@pytest.mark.parametrize(
    "status,role,refused",
    [
        (200, "admin", ""),
        (200, "user", "me@x.org is no administrator in its database"),
        (400, "", "me@x.org cannot sign in there with this password"),
        (403, "admin", "cannot sign in there"),
        (0, "", ""),
        (502, "", ""),
    ],
)
def test_a_takeover_wants_an_administrator(status, role, refused):
    """One that gave no answer shows its faults when its successor is asked."""
    problems = decide(seen(HAND), "takeover", given={"status": status, "role": role})["problems"]
    assert len(problems) == bool(refused) and (not refused or refused in problems[0]["say"])


def taken(patch, **wishes):
    return {name for name, wanted in decide(seen(*patch), **wishes)["steps"].items() if wanted}


ALWAYS = {"lets_go", "try_administrator", "container", "configure", "save", "own_data", "remove", "remove_volume"}
MISSING = {"remove_volume", "try_administrator", "save", "lets_go"}
CUT = {"record": {"asked": "0.12.4", "before": {"restoring": ""}}}


@pytest.mark.parametrize(
    "patch,wishes,more,less",
    [
        ([], {}, set(), set()),
        ([{"requests": False}], {}, {"python", "remove_python"}, set()),
        ([{"requests": False}], {"check_mode": True}, {"python", "remove_python", "act"}, {"container", "remove", "remove_volume"}),
        ([{"previous": {"exists": True}}], {}, {"cut"}, set()),
        ([CUT], {"check_mode": True}, {"cut"}, set()),
        ([FRESH, CUT], {}, {"cut", "act", "pull", "secrets", "restart", "data", "make_volume", "forget"}, MISSING - {"lets_go"}),
        ([FRESH], {"data": "/srv/w"}, {"act", "pull", "secrets", "restart", "data", "forget"}, MISSING),
        ([FRESH], {"check_mode": True}, {"act", "pull", "secrets", "data", "make_volume"}, ALWAYS - {"remove"}),
        ([HAND], {}, {"takeover", "upgrade"}, set()),
        ([HAND, {"secrets": {"key": False}}], {}, {"takeover", "upgrade", "take_key", "secrets", "restart", "act"}, set()),
        ([HAND, {"secrets": {"key": False}}], {"secret_key": KEY}, {"takeover", "upgrade", "secrets", "restart", "act"}, set()),
        ([{"image": {"id": "sha256:b"}}], {}, {"judge_image", "upgrade"}, set()),
        ([{"secrets": {"stale": True}}], {}, {"restart", "act"}, set()),
        ([{"data": {"owner": 0}}], {}, {"data"}, set()),
        ([], {"pull": "always"}, {"pull"}, set()),
        ([], {"data": "/srv/w"}, {"remove_folder"}, {"remove_volume"}),
        ([{"data": {"database": False}}], {"data": "/srv/w"}, set(), {"remove_volume", "save"}),
    ],
)  # fmt: skip
def test_which_steps_are_taken(patch, wishes, more, less):
    assert taken(patch, **wishes) == (ALWAYS | more) - less


def test_a_converged_host_has_nothing_to_change():
    assert decide(seen(), "host")["changes"] == []
    assert decide(seen(FRESH), "host")["changes"] == ["pull", "secrets"]


def test_the_fact_says_what_served_before_only_where_it_was_another_release():
    assert decide(seen())["told"]["previous_version"] == ""
    assert decide(seen({"container": {"version": "0.12.0"}}), bind_address="127.0.0.1")["told"] == {
        "previous_version": "0.12.0",
        "wanted_version": "0.12.4",
        "url": "http://localhost:3000",
        "admin_email": "me@x.org",
        "password_file": "",
        "rolled_back": False,
        "warnings": [],
    }


def test_the_way_back_knows_where_the_old_release_serves():
    decided = decide(seen({"container": {"version": "0.12.0", "ports": [8123]}}), port=3001, bind_address="::", wait_seconds=12)
    assert decided["change"]["before"]["url"] == "http://127.0.0.1:8123/ready" and decided["former"]["patience"] == 180
    assert decided["told_back"] == {
        "version": "0.12.0",
        "previous_version": "",
        "wanted_version": "0.12.4",
        "url": "http://hub:3001",
        "rolled_back": True,
    }
    assert decided["calls"]["put aside"] == "http://localhost/containers/open-webui/rename?name=open-webui-previous"


def test_what_a_plan_of_the_fleet_tells_of_its_models():
    hostvars = {"gpu": {"ansible_host": "10.0.0.5", "ansible_facts": {"model_plan": {"ok": True, "models": [{"name": "a:1b", "parameter_size": "1B"}]}}}}
    rows = decide(seen(), hostvars=hostvars)["planned"]
    assert [(row["host"], row["prefix_id"], [model["name"] for model in row["models"]]) for row in rows] == [("gpu", "gpu", ["a:1b"])]
