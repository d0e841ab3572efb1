#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_probe
short_description: Look at everything that role gateway decides on, in one run
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Reads the gateway's files, HAProxy's release, the memory, the ports and the certificate of a Linux host, and changes nothing.
  - Of files it returns checksums, of the certificate's key nothing.
extends_documentation_fragment: [llmfleet.ollama.read_only, llmfleet.ollama.linux]
options:
  folder:
    description: Folder of the gateway's configuration.
    type: path
    default: /etc/llmfleet-gateway
  watch:
    description: More paths whose checksums are wanted.
    type: list
    elements: path
    default: []
  ports:
    description: Ports that the gateway is to have.
    type: list
    elements: int
    default: []
  haproxy:
    description: The program.
    type: path
    default: /usr/sbin/haproxy
  certificate:
    description: Path of a certificate, empty for none.
    type: str
    default: ''
  key:
    description: Path of its key.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Look at the gateway
  llmfleet.ollama.gateway_probe:
    ports: [8443, 8405]
  register: gateway_seen
"""

RETURN = r"""
files:
  description: Path to sha1 of its content, or V(directory).
  returned: always
  type: dict
links:
  description: Path of a symbolic link to what it points at.
  returned: always
  type: dict
listing:
  description: Names in the folder.
  returned: always
  type: list
  elements: str
record:
  description: What an earlier run wrote of the hosts, by their names; empty where there is none.
  returned: always
  type: dict
version:
  description: The release of HAProxy as three numbers, empty where it is not installed.
  returned: always
  type: list
  elements: int
offered:
  description: That of the package which the host would install; empty where one is installed, or where that is not known.
  returned: always
  type: list
  elements: int
selinux:
  description: Whether SELinux keeps HAProxy from all ports but a web server's.
  returned: always
  type: bool
memory_bytes:
  description: The machine's memory; null where it cannot be told.
  returned: always
  type: int
taken:
  description: Port to the program that listens on it and is not this gateway.
  returned: always
  type: dict
certificate:
  description: >-
    C(error) says why certificate and key cannot serve, C(digest) is the checksum of both, C(ends) is when the certificate ends, in seconds since 1970,
    C(days_left) is how long it is valid and C(names) for whom; null where that is not known.
  returned: always
  type: dict
authority:
  description: The certificate of the fleet's own authority, empty where there is none.
  returned: always
  type: str
web_uis:
  description: Checksums of the keys of web UIs that an earlier run wrote down, by their hosts.
  returned: always
  type: dict
drained:
  description: Hosts to which the gateway sends nothing new, since an upgrade that was cut off, or somebody, has said so.
  returned: always
  type: list
  elements: str
traffic:
  description: >-
    C(requests) since the gateway's last reload, C(seconds) ago, with those that it C(refused) (4xx) and that C(failed) (5xx); empty where none runs.
  returned: always
  type: dict
apt:
  description: Whether packages come by apt, whose lists must be fetched before anything can be installed.
  returned: always
  type: bool
root:
  description: Whether the module ran with root's rights.
  returned: always
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import host, runtime
from ansible_collections.llmfleet.ollama.plugins.module_utils.probe.port_owner import port_owner


def taken(ports, folder):
    """{port: program} of those that another program than the gateway of this folder has."""
    found = {}
    for port in ports:
        owner = port_owner(port)
        if owner and not host.runs_from(owner[1], folder):
            found[str(port)] = "%s, process %d" % owner if owner[1] else "a program that only root can see"
    return found


def main():
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "default": host.FOLDER},
            "watch": {"type": "list", "elements": "path", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "haproxy": {"type": "path", "default": "/usr/sbin/haproxy"},
            "certificate": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    files, links, names = host.files_below(params["folder"], params["watch"])
    version = host.haproxy_version(params["haproxy"])
    module.exit_json(
        changed=False,
        files=files,
        links=links,
        listing=names,
        record=host.record_of(os.path.join(params["folder"], host.RECORD)),
        version=version,
        offered=[] if version else host.offered(),
        selinux=host.selinux(),
        memory_bytes=host.memory_bytes(),
        taken=taken(params["ports"], params["folder"]),
        certificate=host.certificate(params["certificate"], params["key"]),
        authority=host.authority(os.path.join(params["folder"], host.AUTHORITY)),
        drained=runtime.drained(),
        traffic=runtime.traffic(),
        web_uis=host.web_uis_of(os.path.join(params["folder"], host.WEB_UIS)),
        root=os.geteuid() == 0,
        apt=os.path.exists("/usr/bin/apt-get"),
    )


if __name__ == "__main__":
    main()
