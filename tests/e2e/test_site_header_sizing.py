# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`playbooks/plan.yml` sizes the lab's fleet from the headers of full-size models that a real mirror serves.

The lab's own models are stand-ins with tiny headers. So another host becomes a mirror by role model_mirror, and its store is filled with full-size
files: published dimensions, tensor types and tokenizer, and holes in place of the weights. Beside it, on the same nginx, lies what the public
registry looks like: blobs are answered with a redirect to another host.
Deleted, nothing would show that header sizing works over a network, through a redirect, and for a whole fleet at the price of one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.sizing.source import catalogue
from fleet import HOSTS, OUTPUT, ROOT, Run, ask, enter
from support import MIB, full_size, headers

NAME, MIRROR, REGISTRY, STORAGE = "lab-headers", "172.30.77.20", "172.30.77.21", "172.30.77.22"
LINE = re.compile(r'"(?:GET|HEAD) (?P<path>\S+) [^"]*" (?P<status>\d+) (?P<bytes>\d+)')

PUBLIC_REGISTRY = f"""
server {{
  listen {REGISTRY}:80;
  root /srv/model-mirror/public;
  access_log /var/log/nginx/registry.log;
  location ~ "^/v2/(?<model>[a-z/0-9-]+)/manifests/(?<tag>.+)$" {{ try_files /manifests/registry.ollama.ai/$model/$tag =404; }}
  location ~ "/blobs/sha256:(?<a>..)(?<b>.+)$" {{ return 307 http://{STORAGE}/docker/registry/v2/blobs/sha256/$a/$a$b/data?X-Amz-Expires=86400; }}
}}
server {{
  listen {STORAGE}:80;
  access_log /var/log/nginx/storage.log;
  location ~ "^/docker/registry/v2/blobs/sha256/../(?<digest>[0-9a-f]+)/data$" {{ alias /srv/model-mirror/public/blobs/sha256-$digest; }}
}}
"""

PLAY = """
- hosts: model_mirror
  gather_facts: false
  roles: [llmfleet.ollama.model_mirror]
"""


def inside(*command: str, given: str = "") -> str:
    done = enter(NAME, *command, given=given)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def log(name: str) -> list[dict]:
    return [LINE.search(line).groupdict() for line in inside("sh", "-c", f"cat /var/log/nginx/{name}.log").splitlines()]


def models(lines: list[dict]) -> dict[str, list[int]]:
    """The bytes of each answer that brought a part of a model, by its path."""
    found = {}
    for line in lines:
        if int(line["bytes"]) > MIB:
            found.setdefault(line["path"], []).append(int(line["bytes"]))
    return found


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    try:
        for host in HOSTS:
            ask(host, "/api/version")
    except OSError:
        subprocess.run([sys.executable, "lab/lab.py", "up"], cwd=ROOT, check=True)
    folder = tmp_path_factory.mktemp("full-size")
    shapes = {model.label: model for model in headers.models()}
    shapes["qwen3-8b-r1"] = shapes["qwen3-8b"]
    for tag in catalogue.family_tags("deepseek-r1"):
        if tag.quantization in ("Q4_K_M", "Q8_0") and tag.row["shape"] in shapes:
            full_size.publish(folder, "deepseek-r1", tag.row["tag"], shapes[tag.row["shape"]], tag.quantization)
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)
    subprocess.run(
        ["docker", "run", "--detach", "--name", NAME, "--hostname", NAME, "--label", "llmfleet.lab=host", "--network", "llmfleet", "--ip", MIRROR,
         "--privileged", "--cgroupns=private", "--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--volume", f"{folder}:/srv/model-mirror/public",
         "llmfleet/debian13"],
        check=True, capture_output=True,
    )  # fmt: skip
    try:
        prepare()
        yield folder
    finally:
        subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)


def prepare() -> None:
    """The role makes the host a mirror, as on any machine; then the public registry's way of serving blobs is laid beside it."""
    deadline = time.monotonic() + 120
    while subprocess.run(["docker", "exec", NAME, "systemctl", "is-active", "ssh"], capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, f"{NAME} does not boot"
        time.sleep(0.5)
    key = (ROOT / ".cache/lab/ssh/id_ed25519.pub").read_text(encoding="utf-8")
    inside("sh", "-c", "install -d -o ansible -g ansible -m 700 ~ansible/.ssh && cat > ~ansible/.ssh/authorized_keys", given=key)
    for address in (REGISTRY, STORAGE):
        inside("ip", "address", "add", f"{address}/24", "dev", "eth0")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    inventory, play = OUTPUT / "headers.yml", OUTPUT / "headers-play.yml"
    variables = {
        "ansible_host": MIRROR,
        "ansible_user": "ansible",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(ROOT / ".cache/lab/ssh/id_ed25519"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        # Nothing comes from upstream: the store is filled already.
        "model_mirror_models": [],
        "model_mirror_releases": False,
    }
    inventory.write_text(json.dumps({"model_mirror": {"hosts": {NAME: variables}}}), encoding="utf-8")
    play.write_text(PLAY, encoding="utf-8")
    Run("headers-mirror", str(play), "-i", str(inventory), "--limit", NAME).assert_good()
    inside("sh", "-c", "cat > /etc/nginx/conf.d/public-registry.conf", given=PUBLIC_REGISTRY)
    inside("systemctl", "restart", "nginx")
    with urllib.request.urlopen(f"http://{REGISTRY}/v2/library/deepseek-r1/manifests/14b", timeout=10) as answer:
        assert answer.status == 200


def plan(name: str, registry: str = "") -> dict[str, dict]:
    """The model that each host of the lab would get of the family that the registry has."""
    output = Path(OUTPUT) / f"{name}.json"
    variables = {"llm_plan_output": str(output), "llm_models": [{"family": "deepseek-r1", "context": 8192, "min_context": 4096}]}
    if registry:
        # The names of the lab's own mirror are said, so that this is a registry of somebody else's, whose answers are kept.
        variables.update(llm_metadata_sources=["header"], llm_registry=f"http://{registry}", model_mirror_server_names=["lab-hub"])
    run = Run(name, "playbooks/plan.yml", "-e", json.dumps(variables)).assert_good()
    assert run.changed() == {}
    plans = json.loads(output.read_text(encoding="utf-8"))
    assert set(plans) == set(HOSTS)
    return {host: found["models"][0] for host, found in plans.items()}


@pytest.fixture(scope="module")
def by_catalogue(mirror):
    return plan("plan-catalogue")


@pytest.fixture
def cold_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def assert_same(by_header: dict, by_catalogue: dict) -> None:
    for host in HOSTS:
        found, known = by_header[host], by_catalogue[host]
        assert (found["source"], known["source"]) == ("header", "catalogue")
        assert (found["name"], found["context"], found["kv_cache_type"]) == (known["name"], known["context"], known["kv_cache_type"])
        assert abs(found["memory"]["total_bytes"] / known["memory"]["total_bytes"] - 1) < 0.01


def test_the_fleet_is_sized_from_headers_that_cross_the_wire_once(mirror, by_catalogue, cold_cache):
    """Both sources must agree on the same published models, and a fleet must not read a header for each host, or more than the header."""
    by_header = plan("plan-header", MIRROR)
    assert_same(by_header, by_catalogue)
    read = models(log("model-mirror"))
    assert len(read) >= len({model["name"] for model in by_header.values()})
    for path, answers in read.items():
        assert len(answers) == 1 and answers[0] <= 16 * MIB, (path, answers)
    # Nobody answers any more: a plan that asks although it knows would say so, or fall.
    inside("systemctl", "stop", "nginx")
    try:
        assert plan("plan-header-again", MIRROR) == by_header
    finally:
        inside("systemctl", "start", "nginx")


def test_headers_are_read_through_a_redirect_to_another_host(mirror, by_catalogue, cold_cache):
    """registry.ollama.ai answers a blob with 307 to its storage; a reader that loses the range on the way would fetch 40 GB."""
    assert_same(plan("plan-redirect", REGISTRY), by_catalogue)
    asked, sent = log("registry"), models(log("storage"))
    assert {line["status"] for line in asked if "/blobs/" in line["path"]} == {"307"}
    assert models(asked) == {} and sent
    for path, answers in sent.items():
        assert len(answers) == 1 and answers[0] <= 16 * MIB, (path, answers)
