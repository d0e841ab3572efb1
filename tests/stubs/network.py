# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answer for the simulated hosts of a scenario, each at an address of its own on the loopback, and for the mirror of the fleet.

    network.py MIRROR PLATFORM:HOST:ADDRESS...

Whether somebody answers on a host, to whom, with which version and which settings is read from the host's state at each request: a
stopped service or a closed door is silence. The answers are those of tests/support/fake_ollama.py; no model is behind them.
"""

from __future__ import annotations

import json
import sys
import threading

import stage

sys.path.insert(0, str(stage.PROJECT / "tests"))

from support.fake_ollama import FakeOllama, FakeRegistry, model_blobs  # noqa: E402

TAGS = ("1.5b", "7b", "8b", "14b", "32b", "70b")


class HostsOllama(FakeOllama):
    """The Ollama of one simulated host."""

    def __init__(self, platform, host, address, registry):
        self.file = stage.state_file(platform, host)
        self.system = stage.simulated(platform)[1]
        self.running = None
        super().__init__(self.file.with_suffix(".store"), registry, address=(address, 11434))

    def look(self, client):
        """The server that answers this client, or None."""
        host = self.system(self.file, check=True)
        try:
            server = host.state["server"]
            self.spills = host.state.get("spills")
            if not server or not host.reaches(client, int(server["environment"]["OLLAMA_HOST"].rpartition(":")[2])):
                return None
            return server
        finally:
            host.close()

    def answer(self, request, verb):
        server = self.look(request.client_address[0])
        if server is None:
            request.close_connection = True
            return
        if self.running != server:
            # Another server than before has nothing loaded.
            self.loaded.clear()
            self.running = server
        self.version = server["version"]
        self.context_length = int(server["environment"].get("OLLAMA_CONTEXT_LENGTH", 4096))
        spills = [self.version, self.context_length] == self.spills
        self.vram_share = dict.fromkeys(self.names(), 0.7 if spills else 1.0)
        if request.path == "/v1/chat/completions":
            self.chat(request, json.loads(request.rfile.read(int(request.headers["Content-Length"]))))
        else:
            super().answer(request, verb)

    def chat(self, request, body):
        name = body["model"]
        if name not in self.names():
            self.send(request, 404, {"error": {"message": f"model '{name}' not found"}})
            return
        self.loaded[name] = {
            "name": name, "model": name, "size": self.loaded_size, "size_vram": self.loaded_size, "digest": "x",
            "context_length": self.context_length,
        }
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": name}
        words = [{"index": 0, "delta": {"role": "assistant", "content": word}} for word in (name, " on ", self.host)]
        usage = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
        told = [*({**chunk, "choices": [word]} for word in words), {**chunk, "choices": [], "usage": usage}]
        # chat_check asks for a stream; a model without weights says all of it at once.
        data = "".join(f"data: {line}\n\n" for line in [*map(json.dumps, told), "[DONE]"]).encode()
        self.send(request, 200, data, "text/event-stream")


def main():
    mirror, *hosts = sys.argv[1:]
    registry = FakeRegistry(address=(mirror, 80))
    for tag in TAGS:
        registry.put(f"library/deepseek-r1/{tag}", model_blobs(tag))
    for entry in hosts:
        HostsOllama(*entry.split(":"), registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
