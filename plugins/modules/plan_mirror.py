#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_mirror
short_description: Decide what a model mirror needs
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - From what the inventory wants of a mirror, what the plans of its hosts name, and what M(llmfleet.ollama.model_mirror_store) found, to what is
    wrong, what differs, and what has to be fetched and pulled.
  - Fails with one sentence for each thing that is wrong.
  - Runs on the controller only. It opens no connection to the host and changes nothing. Used by role P(llmfleet.ollama.model_mirror#role).
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  wishes:
    description:
      - The role's variables by their names, C(model_mirror_state), C(model_mirror_purge), C(model_mirror_models), C(model_mirror_releases),
        C(model_mirror_exact), C(model_mirror_upstream), C(model_mirror_server_names), C(model_mirror_port), C(model_mirror_tls_certificate),
        C(model_mirror_tls_key), C(model_mirror_allowed_cidrs), C(model_mirror_store), C(model_mirror_user), C(model_mirror_ollama_version)
        and C(model_mirror_ollama_port).
    type: dict
    required: true
  proxy:
    description: The way to the upstream, as C(ollama_https_proxy) and C(ollama_no_proxy) of role P(llmfleet.ollama.ollama#role).
    type: dict
    default: {}
    suboptions:
      https_proxy:
        description: Empty for none.
        type: str
        default: ""
      no_proxy:
        description: What is asked without it.
        type: list
        elements: str
  paths:
    description: Where things lie on the host, C(site), C(unit), C(environment), C(nginx), C(ipv6), C(filler) and C(record).
    type: dict
    required: true
  seen:
    description: The result of M(llmfleet.ollama.model_mirror_store). Without it only the wishes are checked.
    type: dict
  after:
    description:
      - What O(seen) is the outcome of. C(pulled) is the message of the pull, empty for one that went well; what is still missing then is a failure.
        C(fetched) is the failed result of a fetch, empty for one that went well.
    type: dict
"""

EXAMPLES = r"""
- name: Decide what the mirror's host lacks
  llmfleet.ollama.plan_mirror:
    wishes: "{{ mirror_wishes }}"
    paths: "{{ mirror_paths }}"
    seen: "{{ mirror_seen }}"
  register: mirror_plan
"""

RETURN = r"""
problems:
  description: What is wrong, each with C(id), C(variable) and C(say). Where there is one, the task fails and V(msg) has their sentences.
  returned: success
  type: list
  elements: dict
changes:
  description: Paths that have to be written, or removed with C(state) absent. Empty on a converged host.
  returned: success
  type: list
  elements: str
no_proxy:
  description: O(proxy.no_proxy) as programs take it, in one string.
  returned: success
  type: str
look:
  description: The options of M(llmfleet.ollama.model_mirror_store) that follow from the wishes.
  returned: success
  type: dict
has_unit:
  description: Whether there is a unit, a site that nginx serves (C(has_site)) and a store (C(has_store)).
  returned: when O(seen) is given and the mirror is to go
  type: bool
site:
  description: C(path) and C(content) of nginx's site, and whether it C(differs) from what is there.
  returned: when O(seen) is given and the mirror is wanted
  type: dict
unit:
  description: The same of the unit that fills the store.
  returned: when O(seen) is given and the mirror is wanted
  type: dict
fetch:
  description: C(folders), C(lists) of checksums and C(archives) of releases that have to come from upstream.
  returned: when O(seen) is given and the mirror is wanted
  type: dict
pull:
  description: C(models) that have to be pulled, C(from) where, and the C(version) of the Ollama that does it.
  returned: when O(seen) is given and the mirror is wanted
  type: dict
serves:
  description: Whether the mirror that is there serves as it is wanted, whichever release fills its store.
  returned: when O(seen) is given and the mirror is wanted
  type: bool
would:
  description: What a dry run says of all this, one sentence for each kind.
  returned: when O(seen) is given and the mirror is wanted
  type: list
  elements: str
probe_url:
  description: A blob as a client asks for it; empty while nothing is served.
  returned: when O(seen) is given and the mirror is wanted
  type: str
lacks:
  description: Which archives could not be had, and why; empty where none is missing.
  returned: when O(after) is given
  type: str
"""
