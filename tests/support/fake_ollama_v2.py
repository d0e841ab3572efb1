# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stand-in for the releases before 0.40 and from it on; its version says which one it is, and become() changes that over one store.

From 0.40 on: names in manifests-v2 as links to blobs, lists with a manifest for each runner, anchors in manifests, copies for the way back. Made from the
published sources of 0.40.0 and 0.40.1: manifest/manifest.go, paths.go and downgrade_test.go, server/images.go (pull, copy) and model_list.go, compatmigrate
(what a conversion leaves), and ollama/ollama#18830. By hand these tests ran with real servers in its place, 0.32.15 and the public branch that became 0.40
(refs/pull/16590/head), which pulled, listed, copied, deleted and opened each other's stores as it does; that branch writes no anchors and converted nothing.
"""

from __future__ import annotations

import json
import os

from support.fake_ollama import DEFAULT, FakeOllama, manifest_bytes, sha

PLAIN = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.ollama.manifest.list.v2+json"
RUNNERS = ("llamacpp", "ggml", "ollama", "mlx")


def offer_list(registry, path, children):
    """The registry offers a list to whoever takes one. children: {runner: blobs}, of which the first is the plain manifest that others get."""
    bodies = {runner: manifest_bytes(blobs) for runner, blobs in children.items()}
    for runner, blobs in reversed(children.items()):
        registry.put(path, blobs)
        registry.blobs["sha256:" + sha(bodies[runner])] = bodies[runner]
    registry.lists[path] = list_of(bodies)
    return sha(registry.lists[path]), {runner: sha(body) for runner, body in bodies.items()}


def list_of(bodies):
    entries = [{"mediaType": PLAIN, "digest": "sha256:" + sha(body), "runner": runner, "format": "gguf"} for runner, body in bodies.items()]
    return json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": entries}).encode()


class NewerOllama(FakeOllama):
    """anchors: whether a pull writes one; tells: what /api/tags has of a list, the digest of the 'list' or of the 'child' that runs, or 'rows', one for
    each that is there (0.40.0); hides_guards: as 0.40.2."""

    def __init__(self, path, registry, version="0.40.1", anchors=True, tells="rows", hides_guards=False, **where):
        self.anchors, self.tells, self.hides_guards = anchors, tells, hides_guards
        super().__init__(path, registry, version, **where)

    @property
    def is_newer(self):
        return tuple(int(part) for part in self.version.split(".")) >= (0, 40)

    def become(self, version, keeps_unknown=False, moves_names=False):
        """The same store under another release. keeps_unknown: OLLAMA_NOPRUNE is set. moves_names: as 0.40.0 was seen to do, without an anchor."""
        names = [(name, self.document(name)) for name in self.names() if not name.startswith("llamacpp:")]
        self.version = version
        self.loaded.clear()
        if not self.is_newer and not keeps_unknown:
            self.prune_as_older()
        if self.is_newer and moves_names:
            for name, body in names:
                self.write(name, body)

    def v2_file(self, name):
        host, *rest = self.split(name)
        return "/".join([self.path, "manifests-v2", "ollama.com" if host == DEFAULT else host.replace(":", "%3A")] + rest)

    def put_blob(self, body):
        with open(self.blob_file("sha256:" + sha(body)), "wb") as handle:
            handle.write(body)

    def document(self, name):
        """What a name leads to: a manifest or a list."""
        path = self.v2_file(name)
        if self.is_newer and os.path.exists(path):
            with open(path, "rb") as handle:
                return handle.read()
        return super().read(name)

    def children(self, name):
        """{runner: manifest} of those of a list that are here, the one that runs first; of a plain manifest itself."""
        body = self.document(name)
        content = json.loads(body)
        if not content.get("manifests"):
            return {content.get("runner", ""): body}
        there = {}
        for child in sorted(content["manifests"], key=lambda one: RUNNERS.index(one["runner"])):
            if os.path.exists(self.blob_file(child["digest"])):
                with open(self.blob_file(child["digest"]), "rb") as handle:
                    there[child["runner"]] = handle.read()
        return there

    def read(self, name):
        """The manifest that runs."""
        return next(iter(self.children(name).values()))

    def write(self, name, body, anchored=()):
        """anchored: manifests that an anchor keeps under the older name; without any, that name goes."""
        if not self.is_newer:
            super().write(name, body)
            return
        self.put_blob(body)
        path = self.v2_file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink("../../../../blobs/sha256-" + sha(body), path)
        older = self.manifest_file(name)
        if os.path.exists(older):
            os.unlink(older)
        if anchored:
            self.anchor(name, self.read(name), anchored)

    def anchor(self, name, manifest, kept):
        content = json.loads(manifest)
        kinds = [(LIST if "manifests" in json.loads(body) else PLAIN, body) for body in kept]
        content["layers"] += [{"mediaType": kind, "digest": "sha256:" + sha(body), "size": len(body)} for kind, body in kinds]
        super().write(name, json.dumps(content).encode())

    def names(self):
        found = set(super().names())
        if not self.is_newer:
            return sorted(found)
        for folder, _folders, files in os.walk(self.path + "/manifests-v2"):
            for tag in files:
                host, namespace, model = os.path.relpath(folder, self.path + "/manifests-v2").split("/")
                prefix = "" if host == "ollama.com" else "%s/%s/" % (host.replace("%3A", ":"), namespace)
                name = "%s%s:%s" % (prefix or ("" if namespace == "library" else namespace + "/"), model, tag)
                # A link to a blob that is gone hides the older name as well, although that could still be run.
                (found.add if os.path.exists(os.path.join(folder, tag)) else found.discard)(name)
        return sorted(name for name in found if not (self.hides_guards and name.startswith("llamacpp:")))

    def copy(self, source, destination):
        """Of a list only what is here, and no anchor."""
        body = self.document(source)
        if self.is_newer and json.loads(body).get("manifests"):
            there = self.children(source)
            if len(there) < len(json.loads(body)["manifests"]):
                body = list_of(there)
        self.write(destination, body)

    def rows(self, name):
        if not self.is_newer:
            return super().rows(name)
        told = super().tag(name)
        if self.tells == "list":
            return [dict(told, digest=sha(self.document(name)))]
        rows = [dict(told, digest=sha(body), details=dict(told["details"], runner=runner or "ggml")) for runner, body in self.children(name).items()]
        return rows[:1] if self.tells == "child" or self.hides_guards else sorted(rows, key=lambda row: row["digest"])

    def delete(self, request, name):
        if self.is_newer and os.path.lexists(self.v2_file(name)):
            if os.path.exists(self.manifest_file(name)):
                os.unlink(self.manifest_file(name))
            os.unlink(self.v2_file(name))
            self.send(request, 200)
        else:
            super().delete(request, name)

    def offered(self, place):
        """Of a list the manifest that runs here."""
        offered = self.registry.lists.get(place) if self.is_newer else None
        if offered is None:
            return super().offered(place)
        return self.registry.blobs[min(json.loads(offered)["manifests"], key=lambda one: RUNNERS.index(one["runner"]))["digest"]]

    def settle(self, name, manifest):
        """The end of a pull: the list with the manifest that runs here, or the plain one."""
        if not self.is_newer:
            super().settle(name, manifest)
            return
        _host, *rest = self.split(name)
        chosen = self.offered("/".join(rest))
        offered = self.registry.lists.get("/".join(rest))
        if offered is None:
            self.write(name, chosen, anchored=[chosen] if self.anchors else [])
            return
        self.put_blob(chosen)
        self.write(name, offered, anchored=[offered, chosen] if self.anchors else [])

    def convert(self, name):
        """What happens behind a first load: a list of what was pulled, written anew, and of other weights; a copy of those for the way back. What was pulled
        byte for byte is needed by nothing then, and goes at the next start."""
        pulled = self.document(name)
        source = dict(json.loads(self.read(name)), runner="ggml", format="gguf")
        made = dict(source, runner="llamacpp", layers=[dict(part) for part in source["layers"]])
        for part in made["layers"]:
            if part["mediaType"].endswith("image.model"):
                weights = b"converted" + part["digest"].encode()
                self.put_blob(weights)
                part.update(digest="sha256:" + sha(weights), size=len(weights))
        bodies = {"ggml": json.dumps(source).encode(), "llamacpp": json.dumps(made).encode()}
        for body in bodies.values():
            self.put_blob(body)
        document = list_of(bodies)
        self.write(name, document)
        if self.anchors:
            self.anchor(name, bodies["ggml"], [document, *bodies.values()])
        else:
            FakeOllama.write(self, name, bodies["ggml"])
        FakeOllama.write(self, "llamacpp:" + sha(bodies["llamacpp"]), bodies["llamacpp"])
        raw = self.blob_file("sha256:" + sha(pulled))
        if os.path.exists(raw):
            os.unlink(raw)

    def prune_as_older(self):
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
