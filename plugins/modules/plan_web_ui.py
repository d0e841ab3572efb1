#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_web_ui
short_description: Decide what a web UI needs
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - From what the inventory wants of an Open WebUI, and what M(llmfleet.ollama.open_webui_probe) found on its host, to what is wrong, what differs, and
    how the container is to be run.
  - Fails with one sentence for each thing that is wrong. Returns none of the secrets that it reads.
  - Runs on the controller only. It opens no connection to the host and changes nothing. Used by role P(llmfleet.ollama.open_webui#role).
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  wishes:
    description: The role's variables by their names.
    type: dict
    required: true
  seen:
    description: The result of M(llmfleet.ollama.open_webui_probe). Without it only what follows from the wishes is decided.
    type: dict
  checks:
    description:
      - What may be wrong at this point of a run. V(wishes) needs nothing else, V(restore) neither; the others need O(seen).
      - V(host) is for a host whose container engine is still to be installed, V(engine) for one whose engine was, V(removal) for one that loses its web UI,
        V(takeover) for a container that was made by hand, V(image) and V(revision) for another image over the same database, V(backup) and V(archive)
        for what is saved and restored, V(command) and V(start) for what failed.
    type: list
    elements: str
    choices: [wishes, restore, host, engine, removal, takeover, archive, image, revision, backup, command, start]
    default: []
  archive:
    description: What the archive says of itself that is restored, the C(about) of M(llmfleet.ollama.open_webui_backup). Leave it out where nothing is restored.
    type: dict
  given:
    description: What only the one check of O(checks) knows of, such as the answer of the image that was asked for its migrations.
    type: dict
"""

EXAMPLES = r"""
- name: Refuse what cannot work, before any host is touched
  llmfleet.ollama.plan_web_ui:
    wishes: "{{ web_ui_wishes }}"
    checks: [wishes]

- name: Decide what the host lacks
  llmfleet.ollama.plan_web_ui:
    wishes: "{{ web_ui_wishes }}"
    seen: "{{ web_ui_seen }}"
    checks: [host]
  register: web_ui_plan
"""

RETURN = r"""
problems:
  description: What is wrong, each with C(id), C(variable) and C(say). Where there is one, the task fails and V(msg) has their sentences.
  returned: success
  type: list
  elements: dict
changes:
  description: Steps of the role by which the host will change. Whether the container differs, the engine says later.
  returned: success
  type: list
  elements: str
impossible:
  description: Why there can be no web UI on this host; empty where there can.
  returned: success
  type: str
image:
  description: The wanted image, with tag or digest.
  returned: success
  type: str
url:
  description: The address that people type.
  returned: success
  type: str
local_url:
  description: The address on the host itself.
  returned: success
  type: str
database:
  description: C(host) and C(port) of the PostgreSQL; the host is empty for SQLite.
  returned: success
  type: dict
steps:
  description: Whether each step of the role is taken.
  returned: when O(seen) is given
  type: dict
container:
  description: Options of M(community.docker.docker_container).
  returned: when O(seen) is given
  type: dict
planned:
  description: The planned models behind each connection, as M(llmfleet.ollama.open_webui_config) takes them.
  returned: when O(seen) is given
  type: list
  elements: dict
revision:
  description: The newest migration of the database that the image will get; empty where it is not known.
  returned: when O(seen) is given
  type: str
told:
  description: The fact C(open_webui), without what only the server says.
  returned: when O(seen) is given
  type: dict
"""
