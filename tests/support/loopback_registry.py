# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry on the loopback that serves sparse files by range, and the plan playbook run against it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from support import GIB, plays, servers

MODEL = "application/vnd.ollama.image.model"


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Registry:
    """manifests: '/v2/library/model/manifests/tag' -> bytes or function(handler); blobs: digest -> path of a file or function(handler)."""

    def __init__(self):
        self.manifests, self.blobs, self.requests, self.sent = {}, {}, [], 0
        self.url = None

    def add(self, model, tag, path, config=None):
        """A model whose file lies at `path`; a hole of gigabytes is not hashed, so its digest is made from its name."""
        size, blob = os.path.getsize(path), digest(path)
        document = json.dumps(config or {"model_format": "gguf", "file_type": "F16"}).encode()
        self.blobs[blob], self.blobs[digest(path + "c")] = path, document
        self.manifests["/v2/library/%s/manifests/%s" % (model, tag)] = json.dumps(
            {
                "schemaVersion": 2,
                "config": {"digest": digest(path + "c"), "size": len(document)},
                "layers": [{"mediaType": MODEL, "digest": blob, "size": size}],
            }
        ).encode()
        return blob

    def handler(self):
        registry = self

        class Handler(servers.Quiet):
            def do_GET(self):
                registry.requests.append(self.path)
                found = registry.manifests.get(self.path) or registry.blobs.get(self.path.rsplit("/", 1)[-1])
                if callable(found):
                    return found(self)
                if isinstance(found, str):
                    return self.answer_file(found)
                return self.answer(200 if found is not None else 404, found or b"")

            def answer(self, status, body=b"", headers=None):
                super().answer(status, body, headers)
                registry.sent += len(body)

        return Handler


@contextlib.contextmanager
def served(registry):
    with servers.serving(registry.handler()) as registry.url:
        yield registry


def plan(folder, hosts, environment=None, own=None, **variables):
    """playbooks/plan.yml for hosts {name: GiB of its one card}, own: variables of single hosts -> (exit status, text of the terminal, plans by host)."""
    cards = {}
    for name, gib in hosts.items():
        card = {"index": 0, "name": "card", "vendor": "nvidia", "uuid": name, "memory_usable_bytes": int(gib * GIB)}
        cards[name] = dict({"llm_vram_override": {"devices": [card]}}, **(own or {}).get(name, {}))
    inventory, output = {"all": {"children": {"ollama": {"hosts": cards, "vars": variables}}}}, folder / "plan.json"
    output.unlink(missing_ok=True)
    played = plays.ours(folder, inventory, "playbooks/plan.yml", "-e", "llm_plan_output=%s" % output, **{"ANSIBLE_FORKS": "2", **(environment or {})})
    return played.code, played.told, json.loads(output.read_text()) if output.exists() else {}
