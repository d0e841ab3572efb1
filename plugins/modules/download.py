#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: download
short_description: Download a file through a proxy whose password nobody sees
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Downloads one file, compares its checksum and puts it in its place whole.
  - M(ansible.builtin.get_url) takes its proxy from C(environment), which stands in the process list of the host for as long as the download lasts.
  - Needs Python's standard library only.
options:
  url:
    description: Where it is.
    type: str
    required: true
  dest:
    description: Path of the file. The folder must be there; what is downloaded lies in it as C(tmp*) until it is whole.
    type: path
    required: true
  checksum:
    description:
      - C(sha256:) and 64 hex digits, or C(sha256:) and the URL of a list that names the file. Empty compares nothing; anything else is refused.
    type: str
    default: ""
  force:
    description: Whether a file that is there already, and has the checksum where one is given, is downloaded again.
    type: bool
    default: false
  proxy:
    description: URL of a proxy for https. Empty leaves what the host itself has set.
    type: str
    default: ""
  no_proxy:
    description: Hosts that are asked without O(proxy), with commas between.
    type: str
    default: ""
  headers_to:
    description: A file that says C(Content-Length) while the download lasts, for whoever follows it.
    type: path
  timeout:
    description: Seconds that the server may be silent.
    type: int
    default: 60
extends_documentation_fragment: [ansible.builtin.files, llmfleet.ollama.linux]
attributes:
  check_mode:
    description: Says whether it would download.
    support: full
  diff_mode:
    description: An archive has no lines.
    support: none
  idempotent:
    description: As far as the checksum tells.
    support: full
"""

EXAMPLES = r"""
- name: Download a release
  llmfleet.ollama.download:
    url: https://github.com/ollama/ollama/releases/download/v0.32.15/ollama-linux-amd64.tar.zst
    dest: /var/tmp/ollama-linux-amd64.tar.zst
    checksum: sha256:0000000000000000000000000000000000000000000000000000000000000000
    proxy: "{{ ollama_https_proxy }}"
"""

RETURN = r"""
url:
  description: Where it came from.
  returned: always
  type: str
dest:
  description: Where it lies.
  returned: always
  type: str
"""

import os
import re
import shutil
import tempfile
from http.client import HTTPException
from urllib.parse import unquote, urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url

DIGEST = re.compile(r"[0-9a-fA-F]{64}\Z")
LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(\S+)$")
# A list of checksums has a line for each archive.
LONGEST_LIST = 1 << 20
CHUNK = 1 << 20
# An answer in chunks that ends early is no OSError.
CUT_OFF = (OSError, HTTPException)


class Download:
    def __init__(self, module):
        self.module, self.wanted = module, module.params
        self.told = {"url": self.wanted["url"], "dest": self.wanted["dest"]}

    def fail(self, message, **more):
        self.module.fail_json(msg=message, **self.told, **more)

    def opened(self, url, checked=False):
        """checked: what comes is compared with a sum, so it matters to nobody by which way."""
        answer, info = fetch_url(self.module, url, timeout=self.wanted["timeout"], decompress=False)
        if info["status"] == -1:
            self.fail(info["msg"])
        # A copy on the host itself has no status.
        if info["status"] != 200 and not url.startswith("file:/"):
            self.fail("Request failed", status_code=info["status"], response=info["msg"])
        if not checked and url.lower().startswith("https:") and info["url"].lower().startswith("http:"):
            self.fail("%s leads from https to %s, where anybody on the way can change it; give the archive's own sum, or another server." % (url, info["url"]))
        return answer, info

    def wanted_digest(self):
        if not self.wanted["checksum"]:
            return ""
        kind, _colon, value = self.wanted["checksum"].partition(":")
        if kind != "sha256" or not ("://" in value or DIGEST.match(value)):
            self.fail("checksum is %s; write sha256: and 64 hex digits, or sha256: and the URL of a list." % self.wanted["checksum"])
        if "://" not in value:
            return value.lower()
        answer, _info = self.opened(value)
        try:
            listed = answer.read(LONGEST_LIST).decode("utf-8", "replace")
        except CUT_OFF as error:
            self.fail("The list of checksums %s was cut off: %s" % (value, error))
        name = os.path.basename(urlsplit(self.wanted["url"]).path)
        for line in listed.splitlines():
            found = LINE.match(line.strip())
            if found and found.group(2) == name:
                return found.group(1).lower()
        self.fail("%s names no checksum of %s" % (value, name))
        return ""

    def run(self):
        dest, digest = self.wanted["dest"], self.wanted_digest()
        if os.path.exists(dest) and not self.wanted["force"] and (not digest or self.module.sha256(dest) == digest):
            return False
        if self.module.check_mode:
            return True
        temporary = self.fetched(os.path.dirname(dest), bool(digest))
        try:
            found = self.module.sha256(temporary)
            if digest and found != digest:
                self.fail("The checksum for %s did not match %s; it was %s." % (dest, digest, found))
            if os.path.exists(dest) and self.module.sha256(dest) == found:
                return False
            self.module.atomic_move(temporary, dest)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
        return True

    def fetched(self, folder, checked):
        answer, info = self.opened(self.wanted["url"], checked)
        length = info.get("content-length", "")
        self.note(length)
        handle, path = tempfile.mkstemp(dir=folder, prefix="tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                shutil.copyfileobj(answer, stream, CHUNK)
            size = os.path.getsize(path)
            if length.isdigit() and size != int(length):
                self.fail("%d of %s bytes came" % (size, length))
        except CUT_OFF as error:
            os.unlink(path)
            self.fail("The download was cut off: %s" % error)
        except SystemExit:
            os.unlink(path)
            raise
        finally:
            self.forget()
        return path

    def note(self, length):
        if self.wanted["headers_to"]:
            with open(self.wanted["headers_to"], "w", encoding="ascii") as stream:
                stream.write("Content-Length: %s\n" % length)

    def forget(self):
        if self.wanted["headers_to"] and os.path.exists(self.wanted["headers_to"]):
            os.unlink(self.wanted["headers_to"])


def main():
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "checksum": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
            "proxy": {"type": "str", "default": "", "no_log": True},
            "no_proxy": {"type": "str", "default": ""},
            "headers_to": {"type": "path"},
            "timeout": {"type": "int", "default": 60},
        },
        add_file_common_args=True,
        supports_check_mode=True,
    )
    proxy = module.params["proxy"]
    if proxy:
        os.environ["https_proxy"], os.environ["no_proxy"] = proxy, module.params["no_proxy"]
        # What an error says of it is hidden as well.
        secret = urlsplit(proxy).password
        module.no_log_values.update(word for word in (secret, unquote(secret or "")) if word)
    job = Download(module)
    changed = job.run()
    if os.path.exists(module.params["dest"]):
        changed = module.set_fs_attributes_if_different(module.load_file_common_arguments(module.params), changed)
    module.exit_json(changed=changed, **job.told)


if __name__ == "__main__":
    main()
