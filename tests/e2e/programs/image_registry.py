# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container registry that serves the images of one `docker save` archive, for pulls only. Usage: image_registry.py ARCHIVE PORT"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
# Engines look into a layer to see how it is packed, so one that is not packed at all may carry this name.
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PIECE = 1 << 20


class Images:
    """Manifests by repository and tag, and where each blob lies in the archive."""

    def __init__(self, archive: str) -> None:
        self.archive = archive
        self.blobs: dict = {}
        self.manifests: dict = {}
        with tarfile.open(archive) as saved:
            members = {member.name: member for member in saved.getmembers() if member.isfile()}
            digests: dict = {}
            for image in json.load(saved.extractfile("manifest.json")):
                described = []
                for name in [image["Config"], *image["Layers"]]:
                    if name not in digests:
                        digests[name] = self._digest(saved, members[name])
                        self.blobs[digests[name]] = (members[name].offset_data, members[name].size)
                    described.append({"mediaType": LAYER, "size": members[name].size, "digest": digests[name]})
                manifest = {"schemaVersion": 2, "mediaType": TYPE, "config": {**described[0], "mediaType": CONFIG}, "layers": described[1:]}
                content = json.dumps(manifest).encode()
                digest = "sha256:" + hashlib.sha256(content).hexdigest()
                for tag in image["RepoTags"]:
                    # A registry's own name is not part of the path.
                    repository, _colon, version = re.sub(r"^[^/]*[.:][^/]*/", "", tag).rpartition(":")
                    self.manifests[repository, version] = self.manifests[repository, digest] = (content, digest)

    @staticmethod
    def _digest(saved: tarfile.TarFile, member: tarfile.TarInfo) -> str:
        # Archives name their parts by digest: HEX.json, HEX/layer.tar or blobs/sha256/HEX.
        named = re.search(r"(?:^|/)([0-9a-f]{64})(?:\.json|/layer\.tar|)$", member.name)
        if named:
            return "sha256:" + named[1]
        digest = hashlib.sha256()
        with saved.extractfile(member) as content:
            for piece in iter(lambda: content.read(PIECE), b""):
                digest.update(piece)
        return "sha256:" + digest.hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    images: Images

    def do_GET(self) -> None:
        manifest = re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", self.path)
        blob = re.fullmatch(r"/v2/.+/blobs/(sha256:[0-9a-f]{64})", self.path)
        if self.path == "/v2/":
            self._head(200, "application/json", 2)
            self._body(b"{}")
        elif manifest and manifest.groups() in self.images.manifests:
            content, digest = self.images.manifests[manifest.groups()]
            self._head(200, TYPE, len(content), digest)
            self._body(content)
        elif blob and blob[1] in self.images.blobs:
            self._send(blob[1])
        else:
            content = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "not here"}]}'
            self._head(404, "application/json", len(content))
            self._body(content)

    do_HEAD = do_GET

    def _send(self, digest: str) -> None:
        offset, size = self.images.blobs[digest]
        self._head(200, "application/octet-stream", size, digest)
        if self.command == "HEAD":
            return
        with open(self.images.archive, "rb") as archive:
            archive.seek(offset)
            while size:
                piece = archive.read(min(PIECE, size))
                self.wfile.write(piece)
                size -= len(piece)

    def _head(self, status: int, kind: str, length: int, digest: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def _body(self, content: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments) -> None:
        """Quiet: the journal is read when something else fails."""


def main() -> None:
    Handler.images = Images(sys.argv[1])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
