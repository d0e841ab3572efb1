# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans through a mirror on a real host: not there yet, behind Debian's default site, deployed, purged.

The registry behind it has full-size models (holes for weights) and a name that only the mirror's host knows, as where the planning machine has no way
out. tests/unit/playbooks/test_mirror_grid.py goes through the whole grid on the loopback; deleted, nothing would show that role, purge, nginx and
Ansible's own connection to the mirror's host agree with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fleet import OUTPUT, ROOT, enter
from support import full_size, headers

NAME, HUB, REGISTRY = "lab-planned", "172.30.77.23", "172.30.77.24"
UPSTREAM = "http://registry.full"
MIRROR = f"http://{HUB}"
SSH = ROOT / ".cache/lab/ssh/id_ed25519"
SHAPES = {model.label: model for model in headers.models()}
PUBLISHED = {
    "deepseek-r1": {"1.5b": "qwen2-1.5b", "7b": "qwen2-7b", "8b": "qwen3-8b", "14b": "qwen2-14b", "32b": "qwen2-32b", "70b": "llama-70b"},
    "qwen3": {"8b": "qwen3-8b", "14b": "qwen3-14b", "32b": "qwen3-32b"},
}
SITE = f"""
server {{
  listen {REGISTRY}:80;
  root /srv/registry;
  location ~ "^/v2/(?<model>[a-z/0-9-]+)/manifests/(?<tag>.+)$" {{ try_files /manifests/registry.ollama.ai/$model/$tag =404; }}
  location ~ "/blobs/sha256:(?<digest>.+)$" {{ try_files /blobs/sha256-$digest =404; }}
}}
"""
# What nobody but the upstream has, and what each host would get without a mirror.
FLEET = {
    "known": (12, {"family": "deepseek-r1"}, "deepseek-r1:14b"),
    "another-card": (24, {"family": "deepseek-r1"}, "deepseek-r1:32b"),
    "another-family": (12, {"family": "qwen3"}, "qwen3:14b"),
    "fixed": (12, {"model": "deepseek-r1:7b"}, "deepseek-r1:7b"),
}


def inside(script: str) -> str:
    done = enter(NAME, "sh", "-ec", script)
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def inventory(folder: Path) -> Path:
    hosts = {}
    for name, (gib, want, _expected) in FLEET.items():
        card = {"index": 0, "name": "card", "vendor": "nvidia", "uuid": name, "memory_usable_bytes": gib << 30}
        card["memory_bandwidth_bytes_per_second"] = 600 * 10**9
        hosts[name] = {"llm_vram_override": {"devices": [card]}, "llm_models": [{**want, "context": 4096}]}
    hub = {
        "ansible_host": HUB,
        "ansible_user": "ansible",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(SSH),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "model_mirror_upstream": UPSTREAM,
        # Weights that are holes cannot be pulled; what the mirror holds is laid there.
        "model_mirror_models": [],
        "model_mirror_releases": False,
    }
    variables = {"llm_registry": MIRROR, "llm_policy": {"quantizations": ["Q4_K_M"]}}
    file = folder / "hosts.json"
    file.write_text(json.dumps({"all": {"vars": variables, "children": {"ollama": {"hosts": hosts}, "model_mirror": {"hosts": {"hub": hub}}}}}))
    return file


class Controller:
    """Runs playbooks from here, with a metadata cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inventory, self.runs = folder, inventory(folder), 0

    def play(self, playbook: str, *arguments: str) -> str:
        self.runs += 1
        environment = dict(os.environ, ANSIBLE_NOCOLOR="1", LLMFLEET_REPORT_DIR="", XDG_CACHE_HOME=str(self.folder / "cache"))
        command = ["ansible-playbook", "-i", str(self.inventory), playbook, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / f"mirror-{self.runs}.log").write_text(done.stdout, encoding="utf-8")
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def plan(self, *arguments: str) -> dict[str, str]:
        """Where each host's header was read; what is planned has to be what there would be without a mirror."""
        output = self.folder / "plan.json"
        told = self.play("playbooks/plan.yml", "-e", f"llm_plan_output={output}", *arguments)
        assert "WARNING" not in told, told
        found = {name: plan["models"][0] for name, plan in json.loads(output.read_text()).items()}
        assert {name: model["name"] for name, model in found.items()} == {name: FLEET[name][2] for name in FLEET}
        return {name: model["asked"] for name, model in found.items()}


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    subprocess.run([sys.executable, "lab/lab.py", "base"], cwd=ROOT, check=True, capture_output=True)
    store = tmp_path_factory.mktemp("registry")
    store.chmod(0o755)  # nginx reads it
    for family, tags in PUBLISHED.items():
        for tag, shape in tags.items():
            full_size.publish(store, family, tag, SHAPES[shape], "Q4_K_M")
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)
    subprocess.run(
        ["docker", "run", "--detach", "--name", NAME, "--hostname", NAME, "--label", "llmfleet.lab=host", "--network", "llmfleet", "--ip", HUB,
         "--add-host", f"registry.full:{REGISTRY}", "--privileged", "--cgroupns=private", "--tmpfs", "/run", "--tmpfs", "/tmp:exec",
         "--volume", f"{store}:/srv/registry:ro", "llmfleet/debian13"],
        check=True, capture_output=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while subprocess.run(["docker", "exec", NAME, "systemctl", "is-active", "ssh"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, f"{NAME} does not boot"
            time.sleep(0.5)
        key = SSH.with_suffix(".pub").read_text(encoding="utf-8")
        keys = enter(NAME, "sh", "-ec", "install -d -o ansible -g ansible -m 700 ~ansible/.ssh; cat > ~ansible/.ssh/authorized_keys", given=key)
        assert keys.returncode == 0, keys.stderr
        inside(f"ip address add {REGISTRY}/24 dev eth0")
        assert enter(NAME, "sh", "-ec", "cat > /etc/nginx/conf.d/registry.conf", given=SITE).returncode == 0
        inside("mv /etc/nginx/sites-enabled/default /root/default; systemctl restart nginx")
        yield Controller(tmp_path_factory.mktemp("controller"))
    finally:
        subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)


def test_a_mirror_in_each_state_of_its_life_leaves_the_plan_as_it_is(controller):
    """What stands on the hub's port decides where a header is read, never what is planned."""
    over_the_hub = dict.fromkeys(FLEET, f"{UPSTREAM} over hub")
    assert controller.plan("--limit", "ollama") == over_the_hub, "nothing listens yet, and the hub is not even in the play"

    # Not reloaded: nginx cannot take all addresses while it holds a single one.
    inside("mv /root/default /etc/nginx/sites-enabled/default; systemctl restart nginx")
    assert controller.plan() == over_the_hub, "Debian's default site"

    controller.play("playbooks/deploy.yml", "--limit", "model_mirror")
    inside(
        "cd /srv/model-mirror/public && mkdir -p blobs manifests/registry.ollama.ai/library/deepseek-r1"
        " && cp /srv/registry/manifests/registry.ollama.ai/library/deepseek-r1/14b manifests/registry.ollama.ai/library/deepseek-r1/"
        " && for blob in /srv/registry/blobs/*; do ln -s $blob blobs/; done"
    )
    assert controller.plan() == {**over_the_hub, "known": MIRROR}, "it holds what the plan of the known card named once"

    controller.play("playbooks/uninstall.yml", "--limit", "model_mirror", "-e", "purge=true")
    assert controller.plan() == over_the_hub, "purged: nginx and its default site stay"
