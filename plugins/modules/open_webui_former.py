#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: open_webui_former
short_description: End a change of Open WebUI that was cut off, or have the container from before back
version_added: 0.1.0
author: [llmfleet authors (@llmfleet)]
description:
  - Which containers there are, and the record of M(llmfleet.ollama.host_change), tell how far a change came. A new container that answers stays, and the
    old one is removed. Otherwise the old one gets its name, its data and its files back. A restore that was cut off is brought to its end.
  - Each step can be done again. The record is removed in the end.
  - Needs Python's standard library only.
extends_documentation_fragment: [llmfleet.ollama.container_engine, llmfleet.ollama.linux]
options:
  name:
    description: Name of the container. The one that was put aside is V(NAME-previous).
    type: str
    default: open-webui
  record:
    description: The folder of the record.
    type: path
    required: true
  url:
    description: Where the new container answers when it is ready.
    type: str
    required: true
  seconds:
    description: How long a new container beside the old one may take to answer. V(0) asks nobody and goes back.
    type: int
    default: 0
  patience:
    description: How long the old container may take to answer. That it does not is told, and no failure.
    type: int
    default: 180
  late:
    description: A run that was cut off may be long past, and its new container may have been used. What is replaced by the archive is kept.
    type: bool
    default: false
  restores:
    description: Another archive is about to be restored, so a restore that was cut off is not brought to its end.
    type: bool
    default: false
  data:
    description: Name of the volume or absolute path of the folder that holds Open WebUI's data.
    type: str
    default: open-webui
  uid:
    description: Owner of data that a restore brings.
    type: int
    default: 0
  gid:
    description: Group of data that a restore brings.
    type: int
    default: 0
  secret_path:
    description: Where the secret key of an archive goes.
    type: path
    default: /etc/open-webui/secrets/secret_key
  logs:
    description: Folder of C(failed-VERSION.log), the last lines of a container that gives way.
    type: path
    default: /var/backups/open-webui
  dump_command:
    description: The user's command that saves PostgreSQL.
    type: str
    default: ""
  restore_command:
    description: The user's command that restores PostgreSQL.
    type: str
    default: ""
  exports:
    description: Lines of a shell that tell both commands where the database is.
    type: str
    default: ""
attributes:
  check_mode:
    description: Says what there is to do.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: Without a record and a container that was put aside it does nothing.
    support: full
"""

EXAMPLES = r"""
- name: End what a run that was cut off has begun
  llmfleet.ollama.open_webui_former:
    record: /etc/open-webui/.before
    url: http://127.0.0.1:3000/ready
    seconds: 180
    late: true
"""

RETURN = r"""
done:
  description: >-
    What was done, in check mode what there is to do. V(proved), the new container stays; V(back), the old one is back; V(start), it was started;
    V(restore), a restore was ended; V(settle), only the record was left; empty, there was nothing to do.
  type: str
  returned: success
said:
  description: The same in sentences for people; in check mode, what would be done.
  type: str
  returned: success
version:
  description: The release from before.
  type: str
  returned: success
answers:
  description: Whether the container from before answers; true where another one stays.
  type: bool
  returned: success
saved:
  description: The archive that was brought back; empty for none.
  type: str
  returned: success
about:
  description: What that archive says of itself.
  type: dict
  returned: success
kept:
  description: Where the data lies that the archive has replaced and that may be newer; empty for nowhere.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.look.common import clock
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.data import DataError
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import Engine, EngineError
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.former import Former, wait


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "name": {"type": "str", "default": "open-webui"},
            "record": {"type": "path", "required": True},
            "url": {"type": "str", "required": True},
            "seconds": {"type": "int", "default": 0},
            "patience": {"type": "int", "default": 180},
            "late": {"type": "bool", "default": False},
            "restores": {"type": "bool", "default": False},
            "data": {"type": "str", "default": "open-webui"},
            "uid": {"type": "int", "default": 0},
            "gid": {"type": "int", "default": 0},
            "secret_path": {"type": "path", "default": "/etc/open-webui/secrets/secret_key", "no_log": False},
            "logs": {"type": "path", "default": "/var/backups/open-webui"},
            "dump_command": {"type": "str", "default": ""},
            "restore_command": {"type": "str", "default": ""},
            "exports": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        former = Former(Engine(module.params["docker_host"]), module.params, wait, module.run_command)
        if not module.check_mode:
            # A migration may take long; the run that has the host is not silent meanwhile.
            with lock.alive_meanwhile(lock.folder_of("Linux", "open_webui"), clock()):
                former.run()
        result = dict(former.result, changed=bool(former.todo), said=former.foretold() if module.check_mode else former.words())
    except (DataError, EngineError) as error:
        module.fail_json(msg=f"Open WebUI: {error}.")
    except OSError as error:
        module.fail_json(msg=f"Open WebUI: {error.strerror} ({error.filename}).")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
