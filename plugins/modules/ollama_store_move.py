#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of one store of Ollama in another one."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ollama_store_move
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
short_description: Takes the models of one store of Ollama into another
description:
  - With a new folder for the models, a server would start with none and fetch all of them again, and the old ones would stay on the disk.
    This module moves blobs and manifests instead, in two steps between which the new server can be proved.
  - On one file system the blobs get second names, which takes no time and no room. On different ones they are copied, and each copy is held
    against its digest. What the new store has already is not copied; of two manifests of one name the later one wins.
  - Each step may be cut off and run again. Until O(state=left) the old store is whole.
  - Works as O(user), so that root follows no link that this user could have made.
attributes:
  check_mode:
    description: Changes nothing, and says what would be moved or why not.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: A second run changes nothing.
    support: full
  async:
    description: Can be run with C(async); there is no progress then.
    support: full
  platform:
    description: Hosts with Python.
    platforms: linux, macos
    support: full
options:
  sources:
    description: The stores that the models shall leave. What is not there, or is O(dest) itself by another name, is left out.
    type: list
    elements: path
    required: true
  dest:
    description: The store that shall have them (E(OLLAMA_MODELS)).
    type: path
    required: true
  user:
    description: User that runs the server and owns both.
    type: str
    required: true
  state:
    description:
      - With V(judged) nothing is changed, and a move that cannot or may not be fails with the reason and the way out.
      - With V(brought) O(dest) has all models, and O(sources) still have them too.
      - With V(left) O(sources) have no longer what O(dest) has. Use it once the server has answered from O(dest).
    type: str
    choices: [judged, brought, left]
    required: true
  word:
    description: What shall happen to the models in O(sources), for O(state=judged).
    type: str
    choices: [refuse, move, leave]
    default: refuse
  reserve_bytes:
    description: Bytes that stay free on the file system of O(dest).
    type: int
    default: 2147483648
  background:
    description:
      - Whether O(state=brought) goes on in a process of its own, whose state file comes back as C(job).
      - The action of the same name sets it to show the progress; it is of no use in a task.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Take the models along to the new disk
  llmfleet.ollama.ollama_store_move:
    sources: [/usr/share/ollama/.ollama/models]
    dest: /srv/models
    user: ollama
    state: brought
"""

RETURN = r"""
stores:
  description: Those of O(sources) that hold models.
  returned: always
  type: list
  elements: str
bytes:
  description: Bytes of the models in them.
  returned: always
  type: int
copy_bytes:
  description: How many of them are on another file system, and not yet in O(dest).
  returned: with O(state=judged)
  type: int
moved_bytes:
  description: Bytes that O(dest) got in this run.
  returned: with O(state=brought)
  type: int
copied_bytes:
  description: How many of them were copied; the others only got a second name.
  returned: with O(state=brought)
  type: int
stays:
  description: Files of models in O(sources) that O(dest) does not have, and that therefore stay.
  returned: with O(state=left)
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import RESERVE_BYTES
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.job import start
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.store_move import Mover, as_user

ARGUMENTS = {
    "sources": {"type": "list", "elements": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["judged", "brought", "left"], "required": True},
    "word": {"type": "str", "choices": ["refuse", "move", "leave"], "default": "refuse"},
    "reserve_bytes": {"type": "int", "default": RESERVE_BYTES},
    "background": {"type": "bool", "default": False},
}


def judge(options):
    mover = Mover(options["sources"], options["dest"], options["reserve_bytes"])
    why = mover.judge(options["word"], options["user"])
    if why:
        raise Failure(why)
    return {**about(mover), "changed": False, "copy_bytes": mover.to_copy()}


def bring(options, progress):
    mover = Mover(options["sources"], options["dest"], options["reserve_bytes"], progress)
    said = about(mover)
    mover.bring()
    return {
        **said, "changed": mover.moved > 0, "moved_bytes": mover.moved_bytes, "copied_bytes": mover.copied_bytes, "warnings": mover.warnings,
    }


def leave(options):
    mover = Mover(options["sources"], options["dest"])
    said = about(mover)
    stays = mover.leave()
    return {**said, "changed": mover.moved > 0, "stays": stays}


def foresee(options):
    mover = Mover(options["sources"], options["dest"])
    return {**about(mover), "changed": bool(mover.stores)}


def about(mover):
    return {"stores": [store.path for store in mover.stores], "bytes": mover.bytes}


def work_for(options, check_mode):
    """What is to be done as the service's user. Check mode says what would come of it."""
    if options["state"] == "judged":
        return lambda progress: judge(options)
    if check_mode:
        return lambda progress: foresee(options)
    if options["state"] == "left":
        return lambda progress: leave(options)
    return lambda progress: bring(options, progress)


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    work = work_for(options, module.check_mode)

    def run(progress):
        try:
            return as_user(options["user"], work, progress)
        except Failure as exc:
            return {"failed": True, "msg": str(exc)}

    if options["background"] and options["state"] == "brought" and not module.check_mode:
        module.exit_json(changed=False, job=start(run, "moving the models"))
    result = run(lambda state: None)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
