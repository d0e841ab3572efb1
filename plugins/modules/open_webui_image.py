#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: open_webui_image
short_description: Have an image of Open WebUI on a host, and show how far its pull is
version_added: 0.1.0
description:
  - Pulls an image by the API of Docker or of Podman over its Unix socket, with nothing but Python's standard library, and prints percent, rate and time
    left, less often the longer it takes. C(community.docker.docker_image_pull) does the same in silence.
  - Uses what C(docker login) has kept for the user that runs it.
author:
  - llmfleet authors (@llmfleet)
extends_documentation_fragment: [llmfleet.ollama.container_engine, llmfleet.ollama.linux]
options:
  name:
    description: The image with its tag or its digest.
    type: str
    required: true
  pull:
    description: V(missing) asks the registry only for an image that is not there, V(always) each time.
    type: str
    choices: [missing, always]
    default: missing
  background:
    description: Set by the action plugin; of no use in a task.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says that an image would be pulled, and asks no registry.
    support: full
  diff_mode:
    description: Shows the image's identity before and after.
    support: full
  idempotent:
    description: A second run changes nothing, unless the tag has moved and O(pull) is V(always).
    support: full
"""

EXAMPLES = r"""
- name: Have the image
  llmfleet.ollama.open_webui_image:
    name: ghcr.io/open-webui/open-webui:v0.12.4
"""

RETURN = r"""
image_id:
  description: Identity of the image; empty in check mode where it would be pulled.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.job import start
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.engine import Engine, EngineError
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui.image import pull


def outcome(before, after):
    return {"changed": before != after, "image_id": after, "diff": {"before": before + "\n", "after": after + "\n"}}


def bring(engine, name, before, progress):
    try:
        pull(engine, name, progress)
        after = (engine.image(name) or {}).get("Id") or ""
    except EngineError as error:
        return {"failed": True, "msg": str(error)}
    if not after:
        return {"failed": True, "msg": "the engine says that it has pulled %s, and has no such image" % name}
    return outcome(before, after)


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
            "pull": {"type": "str", "choices": ["missing", "always"], "default": "missing"},
            "background": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    try:
        engine = Engine(module.params["docker_host"])
        before = (engine.image(name) or {}).get("Id") or ""
    except EngineError as error:
        module.fail_json(msg=str(error))
    if before and module.params["pull"] == "missing":
        module.exit_json(**outcome(before, before))
    if module.check_mode:
        module.exit_json(changed=True, image_id="", diff=outcome(before, "unknown")["diff"])
    if module.params["background"]:
        module.exit_json(changed=False, job=start(lambda progress: bring(engine, name, before, progress), "the pull of " + name))
    result = bring(engine, name, before, lambda state: None)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
