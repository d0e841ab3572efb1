# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in of Ollama 0.40 and later: names in manifests-v2 as links to blobs, lists with a manifest for each runner, anchors in manifests, copies for
the way back. Made from ollama's manifest/manifest.go, manifest/downgrade_test.go and ollama/ollama#18830; no real server of it ran with these tests.
"""

from __future__ import annotations

import json
import os

from support.fake_ollama import DEFAULT, FakeOllama, manifest_bytes, sha

PLAIN = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.ollama.manifest.list.v2+json"


def offer_list(registry, path, children):
    """The registry offers a list to whoever takes one. children: {runner: blobs}, of which the first is the plain manifest that others get."""
    bodies = {runner: manifest_bytes(blobs) for runner, blobs in children.items()}
    for runner, blobs in reversed(children.items()):
        registry.put(path, blobs)
        registry.blobs["sha256:" + sha(bodies[runner])] = bodies[runner]
    entries = [{"mediaType": PLAIN, "digest": "sha256:" + sha(body), "runner": runner, "format": "gguf"} for runner, body in bodies.items()]
    registry.lists[path] = json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": entries}).encode()
    return sha(registry.lists[path]), {runner: sha(body) for runner, body in bodies.items()}


class NewerOllama(FakeOllama):
    """anchors: whether a pull writes one; tells: which digest /api/tags has of a list, 'list' or 'child' (releases differ); hides_guards: as 0.40.2."""

    def __init__(self, path, registry, version="0.40.1", anchors=True, tells="list", hides_guards=False, **where):
        self.anchors, self.tells, self.hides_guards = anchors, tells, hides_guards
        super().__init__(path, registry, version, **where)

    def v2_file(self, name):
        host, *rest = self.split(name)
        return "/".join([self.path, "manifests-v2", "ollama.com" if host == DEFAULT else host.replace(":", "%3A")] + rest)

    def put_blob(self, body):
        with open(self.blob_file("sha256:" + sha(body)), "wb") as handle:
            handle.write(body)

    def document(self, name):
        """What a name leads to: a manifest or a list."""
        path = self.v2_file(name)
        if os.path.exists(path):
            with open(path, "rb") as handle:
                return handle.read()
        return super().read(name)

    def read(self, name):
        """The manifest that runs."""
        body = self.document(name)
        children = json.loads(body).get("manifests")
        if not children:
            return body
        chosen = next(child for runner in ("ollama", "llamacpp", "mlx") for child in children if child["runner"] == runner)
        with open(self.blob_file(chosen["digest"]), "rb") as handle:
            return handle.read()

    def write(self, name, body, anchored=()):
        self.put_blob(body)
        path = self.v2_file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink("../../../../blobs/sha256-" + sha(body), path)
        older = self.manifest_file(name)
        if os.path.exists(older):
            os.unlink(older)
        if self.anchors and anchored:
            content = json.loads(self.read(name))
            kinds = [(LIST if "manifests" in json.loads(kept) else PLAIN, kept) for kept in anchored]
            content["layers"] += [{"mediaType": kind, "digest": "sha256:" + sha(kept), "size": len(kept)} for kind, kept in kinds]
            super().write(name, json.dumps(content).encode())

    def names(self):
        found = set(super().names())
        for folder, _folders, files in os.walk(self.path + "/manifests-v2"):
            for tag in files:
                host, namespace, model = os.path.relpath(folder, self.path + "/manifests-v2").split("/")
                prefix = "" if host == "ollama.com" else "%s/%s/" % (host.replace("%3A", ":"), namespace)
                found.add("%s%s:%s" % (prefix or ("" if namespace == "library" else namespace + "/"), model, tag))
        return sorted(name for name in found if not (self.hides_guards and name.startswith("llamacpp:")))

    def copy(self, source, destination):
        """Whether a real server writes an anchor for a copy is not known here: this one does not."""
        self.write(destination, self.document(source))

    def tag(self, name):
        told = super().tag(name)
        if self.tells == "list":
            told["digest"] = sha(self.document(name))
        return told

    def delete(self, request, name):
        if os.path.lexists(self.v2_file(name)):
            if os.path.exists(self.manifest_file(name)):
                os.unlink(self.manifest_file(name))
            os.unlink(self.v2_file(name))
            self.send(request, 200)
        else:
            super().delete(request, name)

    def settle(self, name, _manifest):
        """The end of a pull: the list with its blobs, or the manifest."""
        _host, *rest = self.split(name)
        offered = self.registry.lists.get("/".join(rest))
        plain = self.registry.models["/".join(rest)]
        if offered is None:
            self.write(name, plain, anchored=[plain])
            return
        children = [self.registry.blobs[child["digest"]] for child in json.loads(offered)["manifests"]]
        for child in children:
            self.put_blob(child)
        self.write(name, offered, anchored=[offered, *children])

    def convert(self, name):
        """What happens behind a first load: other weights under another digest, and a copy for the way back named by it."""
        before = self.read(name)
        content = json.loads(before)
        for part in content["layers"]:
            if part["mediaType"].endswith("image.model"):
                made = b"converted" + part["digest"].encode()
                self.put_blob(made)
                part.update(digest="sha256:" + sha(made), size=len(made))
        content.update(runner="llamacpp", format="gguf")
        after = json.dumps(content).encode()
        # The anchor goes with the name that is written anew.
        self.write(name, after)
        FakeOllama.write(self, "llamacpp:" + sha(after), before)

    def downgrade(self):
        """What an older release leaves at its start: blobs that its own folder of names does not need are gone."""
        kept = set()
        for folder, _folders, files in os.walk(self.path + "/manifests"):
            for file in files:
                with open(os.path.join(folder, file), "rb") as handle:
                    content = json.loads(handle.read())
                kept |= {part["digest"].replace(":", "-") for part in content["layers"] + [content["config"]]}
        for blob in os.listdir(self.path + "/blobs"):
            if blob not in kept:
                os.unlink(self.path + "/blobs/" + blob)
