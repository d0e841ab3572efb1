#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror holds, and what it serves of that."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_mirror_store
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
short_description: What a model mirror holds, and what it serves of that
description:
  - Compares the store that an Ollama fills with the upstream registry and names what is missing or has moved there.
    It downloads nothing itself.
  - Verifies each blob by its sha256 once and links it into the store that is served; a blob that is not what its name says
    is removed from both.
  - Does the same for the archives of Ollama's releases, which come beside their C(sha256sum.txt) to C(releases/v<version>) in O(path),
    by download or by hand, and are served as C(/releases/v<version>/<archive>).
  - Used by role P(llmfleet.ollama.model_mirror#role).
extends_documentation_fragment: [llmfleet.ollama.registry_proxy, llmfleet.ollama.holder]
attributes:
  check_mode:
    description: Changes nothing and says what would change.
    support: full
  diff_mode:
    description: Shows nothing.
    support: none
  idempotent:
    description: A second run changes nothing, hashes nothing and takes no lock.
    support: full
  platform:
    description: Hosts with Python and hard links.
    platforms: posix
    support: full
options:
  path:
    description: Folder of the mirror. Ollama fills C(ollama) in it, C(public) is served.
    type: path
    required: true
  models:
    description: Names that the mirror shall hold.
    type: list
    elements: str
    default: []
  registry:
    description: The upstream, V(registry.example.net) or V(http://registry.example.net). Empty is C(registry.ollama.ai).
    type: str
    default: ''
  exact:
    description: Whether models that are not named are removed.
    type: bool
    default: false
  releases:
    description: Archives of Ollama's releases that the mirror shall hold, as the hosts want them.
    type: list
    elements: dict
    default: []
    suboptions:
      version:
        description: The release, without a leading v.
        type: str
        required: true
      archives:
        description: Names of its archives, the main one first.
        type: list
        elements: str
        required: true
      base_url:
        description: Where they come from, C(<base_url>/v<version>/<archive>).
        type: str
        required: true
      checksum:
        description:
          - Of the main archive, V(sha256:<hex>) or V(sha256:<URL of a list>). Empty is the one of O(releases[].sums), else C(sha256sum.txt) beside it.
          - V(list) is always C(sha256sum.txt) beside it.
        type: str
        default: ''
      sums:
        description: SHA-256 of archives that are known, by their names; they go before the list beside the archive.
        type: dict
        default: {}
  releases_exact:
    description: Whether archives that O(releases) does not name are removed.
    type: bool
    default: false
  verify_all:
    description: Whether blobs that were verified before are verified again.
    type: bool
    default: false
  version:
    description: Version of the Ollama that fills the store; the registry refuses models that are too new for it.
    type: str
    default: ''
  as_root:
    description: Refuse, before anything else, to run without root's rights, which setting up a mirror needs.
    type: bool
    default: false
  port:
    description: Where nginx shall serve the store. Where another program listens there, the module refuses before anything else.
    type: int
  user:
    description: Who shall fill the store. With O(as_root) the module refuses an account that somebody else has made, before anything else.
    type: str
    default: ''
  nginx:
    description: The host's own nginx. One in a container is somebody else's.
    type: path
    default: /usr/sbin/nginx
  watch:
    description: Files whose checksums come back in RV(files), so that no second module has to look.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: See what the mirror lacks
  llmfleet.ollama.model_mirror_store:
    path: /srv/model-mirror
    models: [deepseek-r1:14b]
  register: store
"""

RETURN = r"""
held:
  description: Who else changes the mirror.
  returned: failure, where somebody does
  type: dict
missing:
  description: Names that have to be pulled from upstream.
  returned: always
  type: list
  elements: str
published:
  description: Names that are served since this run.
  returned: always
  type: list
  elements: str
served:
  description: Names that are served.
  returned: always
  type: list
  elements: str
corrupt:
  description: Digests of blobs that were not what their names say, and were removed.
  returned: always
  type: list
  elements: str
removed:
  description: Names that were removed.
  returned: always
  type: list
  elements: str
hashed_bytes:
  description: Bytes that were verified in this run.
  returned: always
  type: int
probe:
  description: Path of a blob for a request that proves the service; empty while nothing is served.
  returned: always
  type: str
releases:
  description: >-
    The archives of releases. C(missing) has those that must be fetched, each with C(version), C(archive), C(url), and C(list_url) or
    C(sha256); C(served), C(published), C(corrupt) and C(removed) are C(v<version>/<archive>).
  returned: always
  type: dict
mounts:
  description: Names in O(path) at which, or in which, something is mounted.
  returned: always
  type: list
  elements: str
files:
  description: The sha1 of each file of O(watch), V(directory) for a folder, nothing for what is not there.
  returned: always
  type: dict
"""

import getpass
import os
import socket
from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import clock
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import home as home_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror import held
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.models import MirrorStore
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.releases import ReleaseStore
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.port_owner import port_owner
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.system import mounts


def refusal(params):
    """Why a mirror cannot be set up here at all, in one sentence."""
    if params["as_root"] and os.geteuid() != 0:
        return "A mirror is set up by root, but this runs as %s: set ansible_become to true for the group model_mirror." % getpass.getuser()
    link = stranger_on_the_way(params["path"]) if params["as_root"] else None
    if link:
        return (
            "model_mirror_store %s lies behind a link that somebody else than root made and may turn elsewhere (%s): write the place that it leads to, or "
            "have root make the link." % (params["path"], link)
        )
    home = home_of(params["user"]) if params["as_root"] and params["user"] else None
    if home is not None and home != params["path"] + "/home":
        # It would get another home and no shell, and go with the mirror.
        return (
            "model_mirror_user %s is an account of this host already (its home is %s): write a name that nobody has, such as model-mirror."
            % (params["user"], home)
        )
    owner = port_owner(params["port"]) if params["port"] else None
    if owner and not (owner[0] == "nginx" and os.path.exists(params["nginx"])):
        return (
            "Port %d (model_mirror_port) of %s is taken by %s, which is not this host's nginx: stop it, or set model_mirror_port to a free port and "
            "write that port into llm_registry, too (http://<host>:<port>; Windows hosts pull from 80 and 443 only)."
            % (params["port"], socket.gethostname(), "%s (process %d)" % owner if owner[1] else "another program")
        )
    return None


def stranger_on_the_way(path):
    """Why root must not go to a path, the nearest that is there of those that lead to it; None where it may."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    try:
        with nofollow.folder(path):
            return None
    except nofollow.Foreign as link:
        return link.strerror
    except OSError:
        return None


def mounted(path):
    """The names in a folder at which, or in which, something is mounted."""
    inside = os.path.realpath(path) + "/"
    return sorted({point[len(inside) :].split("/")[0] for point, _kind in mounts("") if point.startswith(inside)})


def work(params, check_mode, begin=held.taken):
    """One pass over what a mirror has."""
    store = MirrorStore(params, params["version"], check_mode, begin)
    wants, exact, verify_all = (params[name] for name in ("releases", "releases_exact", "verify_all"))
    releases = ReleaseStore(params["path"], wants, store.verified, exact, verify_all, check_mode, begin).run()
    store.changed = releases.changed
    # Last: it writes the index of what was verified.
    return store.run(), releases


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "models": {"type": "list", "elements": "str", "default": []},
            "registry": {"type": "str", "default": ""},
            "exact": {"type": "bool", "default": False},
            "releases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "version": {"type": "str", "required": True},
                    "archives": {"type": "list", "elements": "str", "required": True},
                    "base_url": {"type": "str", "required": True},
                    "checksum": {"type": "str", "default": ""},
                    "sums": {"type": "dict", "default": {}},
                },
            },
            "releases_exact": {"type": "bool", "default": False},
            "verify_all": {"type": "bool", "default": False},
            "version": {"type": "str", "default": ""},
            "https_proxy": {"type": "str", "default": "", "no_log": True},
            "no_proxy": {"type": "str", "default": ""},
            "as_root": {"type": "bool", "default": False},
            "port": {"type": "int"},
            "user": {"type": "str", "default": ""},
            "nginx": {"type": "path", "default": "/usr/sbin/nginx"},
            "watch": {"type": "list", "elements": "path", "default": []},
            "holder": {"type": "dict", "options": lock.OPTIONS},
            "over": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    refused = refusal(module.params)
    if refused:
        module.fail_json(msg=refused)
    # nginx reads what is published, whatever umask root has here.
    os.umask(0o022)
    holder, folder = module.params["holder"], lock.folder_of("Linux", "model_mirror")
    try:
        if module.check_mode or not holder or os.geteuid() != 0:
            store, releases = work(module.params, module.check_mode)
        else:
            store, releases = held.passed(partial(work, module.params, False), holder, module.params["over"], folder, clock())
    except lock.Held as busy:
        module.fail_json(msg=lock.words(busy.holder), held=busy.holder)
    except Failure as exc:
        module.fail_json(msg=str(exc))
    for warning in store.warnings:
        module.warn(warning)
    files = {}
    for path in module.params["watch"]:
        if os.path.isdir(path):
            files[path] = "directory"
        elif os.path.exists(path):
            files[path] = module.sha1(path)
    module.exit_json(files=files, mounts=mounted(module.params["path"]), releases=releases.result(), **store.result())


if __name__ == "__main__":
    main()
