# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web UI in a fleet with a gateway. Deleted, it could go on asking hosts one by one, one that is off among them, ask a gateway that it cannot reach, or
not trust the one that it asks."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway.wish import DEFAULTS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import backends, front, models
from support import ROOT
from web_ui_cases import decide, seen


def inventory(gateways=("hub",), **hub):
    groups = {"gateway": list(gateways), "ollama": ["gpu-a", "gpu-b"], "open_webui": ["hub"]}
    found = {
        "hub": {"ansible_host": "10.0.0.9", **hub},
        "second": {"ansible_host": "10.0.0.8"},
        "gpu-a": {"ansible_host": "10.0.0.1"},
        "gpu-b": {"ansible_host": "10.0.0.2"},
    }
    return {name: {"inventory_hostname": name, "groups": groups, **variables} for name, variables in found.items()}


@pytest.mark.parametrize(
    "hostvars, me, wanted",
    [
        (inventory(()), "hub", None),
        (inventory(), "hub", ("hub", "https://10.0.0.9:8443", True)),
        (inventory(), "gpu-a", ("hub", "https://10.0.0.9:8443", True)),
        (inventory(("second", "hub")), "hub", ("hub", "https://10.0.0.9:8443", True)),
        (inventory(("second", "hub")), "gpu-a", ("second", "https://10.0.0.8:8443", True)),
        (inventory(gateway_host="127.0.0.1"), "hub", ("hub", "http://127.0.0.1:8443", False)),
        (inventory(gateway_host="127.0.0.1"), "gpu-a", None),
        (inventory(gateway_state="absent"), "hub", None),
        (inventory(gateway_port="9443", gateway_accept_plain_http="true"), "hub", ("hub", "http://10.0.0.9:9443", False)),
        (
            inventory(gateway_tls_certificate="/c.pem", gateway_tls_key="/c.key", gateway_tls_names=["llm.example.net"]),
            "hub",
            ("hub", "https://llm.example.net:8443", False),
        ),
    ],
)
def test_which_gateway_is_asked(hostvars, me, wanted):
    found = front.front_of(hostvars, me)
    assert found == (wanted and front.Front(*wanted))


def test_one_connection_in_the_place_of_all_hosts():
    """Its key is a file of its own host; in what a run tells there is none."""
    found = backends.open_webui_backends(["gpu-a", "gpu-b"], inventory(open_webui_config_dir="/srv/ui"), "hub", "auto")
    assert found == [{"url": "https://10.0.0.9:8443", "prefix_id": "", "key_file": "/srv/ui/gateway_key"}]
    assert backends.open_webui_backend_problems(found) == []
    assert len(backends.open_webui_backends(["gpu-a", "gpu-b"], inventory(()), "hub", "auto")) == 2


def test_an_inventory_may_say_otherwise():
    own = [{"url": "http://10.0.0.1:11434", "prefix_id": "a"}]
    assert front.used(front.front_of(inventory(), "hub"), own) is None


def through(**hub):
    hostvars = inventory(**hub)
    return decide(seen(), hostvars=hostvars, backend_hosts=["gpu-a", "gpu-b"], backends=backends.open_webui_backends([], hostvars, "hub", "auto"))


def test_the_container_trusts_the_fleets_authority():
    """And the public ones as before. On the gateway's own host it shares the network, since the gateway lets in no network of an engine."""
    decided = through()
    assert decided["network_mode"] == "host"
    assert decided["container"]["env"]["SSL_CERT_DIR"] == "/etc/ssl/certs:/run/llmfleet-trust"
    assert "/etc/open-webui/trust:/run/llmfleet-trust:ro,z" in decided["container"]["volumes"]
    # It asks for a key, so module open_webui_probe cannot ask it.
    assert decided["look"]["backends"] == []
    plain = through(gateway_accept_plain_http=True)["container"]
    assert "SSL_CERT_DIR" not in plain["env"] and len(plain["volumes"]) == 2


def test_a_fleet_without_a_gateway_keeps_its_container():
    """One word more in its description would re-create the container of every fleet."""
    assert decide(seen(), hostvars=inventory(()), backend_hosts=["gpu-a"])["container"] == decide(seen(), backend_hosts=[])["container"]


def planned(name, placement="gpu"):
    return {"name": name, "placement": placement, "embedding": False, "parameter_size": "7B", "quantization": "Q4_K_M"}


def test_the_gateway_holds_what_all_hosts_hold():
    """A default model is chosen of the whole fleet, and no model is called unplanned because another host has it."""
    hostvars = inventory()
    hostvars["gpu-a"]["ansible_facts"] = {"model_plan": {"ok": True, "models": [planned("m:7b", "cpu")]}}
    hostvars["gpu-b"]["ansible_facts"] = {"model_plan": {"ok": True, "models": [planned("m:7b"), planned("x:1b")]}}
    connections = backends.open_webui_backends([], hostvars, "hub", "auto")
    [row] = models.planned_models(connections, ["gpu-a", "gpu-b"], hostvars, "hub", "host")
    assert (row["host"], row["url"], row["prefix_id"]) == ("hub", "https://10.0.0.9:8443", "")
    assert [(model["name"], model["on_gpu"]) for model in row["models"]] == [("m:7b", True), ("x:1b", True)]


def test_the_gateway_is_the_pages_own_address():
    """Links in mails, cookies and websockets depend on it; an address of one's own goes before it."""
    decided = through(gateway_web_ui=True)
    assert (decided["url"], decided["container"]["env"]["WEBUI_URL"]) == ("https://10.0.0.9:8443", "https://10.0.0.9:8443")
    assert decided["container"]["env"]["WEBUI_SESSION_COOKIE_SECURE"] == "True" and decided["settings"] == {"WEBUI_URL": "https://10.0.0.9:8443"}
    assert through()["url"] == "http://hub:3000"


def test_another_role_knows_the_gateways_defaults():
    defaults = yaml.safe_load((ROOT / "roles/gateway/defaults/main.yml").read_text(encoding="utf-8"))
    assert {name: defaults["gateway_" + name] for name in DEFAULTS} == DEFAULTS
    assert yaml.safe_load((ROOT / "roles/open_webui/defaults/main.yml").read_text(encoding="utf-8"))["open_webui_config_dir"] == backends.CONFIG_DIR
