# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two stores of a mirror: the one that Ollama fills, and the one that is served and holds only what was verified.

    <path>/ollama    OLLAMA_MODELS of the Ollama that fills
    <path>/public    what nginx serves: hard links to verified blobs, and manifests whose blobs are all there
    <path>/verified.json    which file was verified, by size, time and inode, so that each is hashed once

The first belongs to the user that talks to the internet: whatever lies there is opened without following a link, taken from that user, and only then
believed.

releases.py keeps Ollama's releases beside the models, with the same means.
"""

from __future__ import annotations

import json
import os
import stat

from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.files import link, sha256_of, write_file, write_json
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.held import taken
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.manifest import is_same
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, is_guard, parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.store import Store


def _sentences(told):
    """One sentence for all models of which the same is said; {(words for one, words for several): names}."""
    return [one.replace("%s", names[0], 1) if len(names) == 1 else several.replace("%s", ", ".join(names), 1) for (one, several), names in told.items()]


class MirrorStore:
    """Compares with upstream, verifies, publishes. begin: called before each act."""

    def __init__(self, options, version="", check_mode=False, begin=taken):
        self.check_mode, self.begin = check_mode, begin
        self.path = options["path"]
        self.filled = Store(os.path.join(self.path, "ollama"), version)
        self.public = Store(os.path.join(self.path, "public"))
        self.index = os.path.join(self.path, "verified.json")
        self.owners = owners(self.filled.path)
        self.verify_all = options["verify_all"]
        self.exact = options["exact"]
        try:
            self.registry = parse_registry(options["registry"])
        except BadName as exc:
            raise Failure(str(exc).replace("llm_registry", "model_mirror_upstream"))
        # What is served is for clients of every release: upstream's plain manifest, which all of them take.
        self.client = RegistryClient(self.registry, version, options["https_proxy"], options["no_proxy"], lists=False)
        self.names = self._names(options["models"])
        self.verified = self._read_index()
        self.missing, self.published, self.corrupt, self.removed, self.warnings = [], [], [], [], []
        self.changed = False
        self.hashed_bytes = 0

    def _names(self, models):
        names = {}
        for text in models:
            try:
                name = parse_name(text)
            except BadName as exc:
                raise Failure("model_mirror_models: %s" % exc)
            if is_guard(name):
                raise Failure("model_mirror_models: '%s' is a copy that Ollama keeps for itself: name the model that it was made from" % name.short)
            names[name.key] = name
        if self.exact and not names:
            raise Failure(
                "model_mirror_models is empty and model_mirror_exact is true, which would empty the mirror: name what it shall keep"
            )
        return list(names.values())

    def _read_index(self):
        try:
            with open(self.index, encoding="utf-8") as handle:
                content = json.load(handle)
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    # -- the work ------------------------------------------------------------------------------------------------------

    def run(self):
        problems, unsure = {}, {}
        for name in self.names:
            if not self.registry.serves(self.registry.pull_name(name)):
                self.warnings.append("%s is not mirrored: hosts pull a name with a host of its own from there" % name.short)
                continue
            # Once: what is published is what upstream says at this moment.
            lookup = self.client.manifest(name)
            whole = self._publish(name, lookup)
            problem = self._compare(name, whole, lookup)
            if problem:
                (unsure if whole else problems).setdefault(problem, []).append(name.short)
        self.warnings += _sentences(unsure)
        if problems:
            raise Failure("; ".join(_sentences(problems)))
        if self.exact:
            self._remove_unwanted()
        if not self.check_mode:
            self._prune()
            self._write_index()
        return self

    def _publish(self, name, lookup):
        """Serves a model that the filling store holds whole. Says whether it is served now."""
        manifest = self._to_serve(name, lookup)
        if manifest is None:
            return self._whole(self.public, name)
        sound = [self._verify(digest, size) for digest, size in manifest.layers.items()]
        if not all(sound):
            return False
        served = self.public.manifest(name)
        if served is None or served.body != manifest.body or not self._whole(self.public, name):
            self.changed = True
            self.published.append(name.short)
            if not self.check_mode:
                self.begin()
                for digest in manifest.layers:
                    if not self._serve(digest):
                        return False
                # Last, so that nobody is promised a blob that is not there.
                write_file(os.path.join(self.public.path, "manifests", *name), manifest.body)
        return True

    def _to_serve(self, name, lookup):
        """The manifest of a model that the filling store holds, byte for byte as upstream gives it now. A newer Ollama keeps a list, which upstream gives
        only to its like: the plain one was asked for, and is served if it is of the same layers.

        Whoever reaches the filling server may give its models any name, so what it holds is never published on its own word: only what is served
        already goes on, and what root has put there by hand is taken where upstream says nothing, a sign-in that it wants (401, 403) included.
        """
        held, offered = self.filled.manifest(name), lookup.manifest
        if held is None:
            return None
        newer = bool(held.children or held.named)
        if offered is not None and not offered.children and (newer or is_same(held, offered)):
            return None if newer and self.filled.bad_blobs(offered) else offered
        served = self.public.manifest(name)
        goes_on = served is not None and served.body == held.body
        unsaid = offered is None and not newer and self._roots_own(name)
        return held if goes_on or unsaid else None

    def _roots_own(self, name):
        """Whether nobody but root, or who runs this, can have written the manifest."""
        try:
            found = nofollow.lstat(os.path.join(self.filled.path, "manifests", *name))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022

    def _serve(self, digest):
        """A second name for a verified blob; False where another file has its name by now."""
        source = self.filled.blob_path(digest)
        try:
            with nofollow.opened(source) as descriptor:
                if self.verified.get(digest) != identity(descriptor):
                    return False
                link(source, self.public.blob_path(digest), descriptor)
        except OSError:
            return False
        return True

    def _verify(self, digest, size):
        """Whether a blob is what its name says. One that is not is removed, also from what is served."""
        try:
            with nofollow.opened(self.filled.blob_path(digest)) as descriptor:
                if self.verified.get(digest) == identity(descriptor) and not self.verify_all:
                    return True
                if not self.check_mode:
                    self.begin()
                before = None if self.check_mode else nofollow.seal(descriptor, self.owners)
                length = os.fstat(descriptor).st_size
                self.hashed_bytes += length
                if length == size and sha256_of(descriptor) == digest:
                    self._believe(digest, descriptor)
                    return True
                if before:
                    nofollow.give_back(descriptor, before)
        except FileNotFoundError:
            return False
        except OSError:
            # A link, a pipe, somebody else's file: what has this name is no blob.
            pass
        self.corrupt.append(digest)
        self.changed = True
        self.verified.pop(digest, None)
        if not self.check_mode:
            self.begin()
            for store in (self.filled, self.public):
                store.drop_blob(digest)
        return False

    def _believe(self, digest, descriptor):
        if not self.check_mode:
            # Root may have put it there for itself alone; what upstream names by its digest is no secret.
            os.fchmod(descriptor, 0o644)
        self.verified[digest] = identity(descriptor)

    @staticmethod
    def _whole(store, name):
        manifest = store.manifest(name)
        return manifest is not None and not store.bad_blobs(manifest)

    def _compare(self, name, whole, lookup):
        """Notes a model to be pulled. What stands in the way of that, or in doubt of a copy that is here: words for one model and for several."""
        place = self.registry.label(name)
        if lookup.kind == "found":
            held = [found for found in (self.filled.manifest(name), self.public.manifest(name)) if found] if whole else []
            if held and is_same(held[0], lookup.manifest):
                return None
            if not whole and self._has_only_the_list(name):
                words = " for releases of Ollama from 0.40 on another model at %s, and the one that fills the mirror (model_mirror_ollama_version) pulls that: "
                words = words % place + "let one before 0.40 fill it"
                return "%s is" + words, "%s are" + words
            self.missing.append(name.short)
            return None
        if whole:
            if lookup.kind == "missing":
                return None
            words = " served as it is here, since %s does not say whether the tag has moved: %s" % (place, lookup.words)
            return "%s is" + words, "%s are" + words
        if lookup.kind == "missing":
            words = " not exist at %s (model_mirror_upstream): check the name and the tag in llm_models" % place
            return "%s does" + words, "%s do" + words
        if lookup.kind == "too_new":
            words = " a newer Ollama than the one that fills the mirror: raise model_mirror_ollama_version"
            return "%s needs" + words, "%s need" + words
        if lookup.kind == "unreachable":
            words = " not on the mirror, and %s (model_mirror_upstream) does not answer: %s" % (place, lookup.words)
            return "%s is" + words, "%s are" + words
        # A sign-in, for example. Ollama may know more than we do, but what it would pull could be compared with nothing, so it is not asked.
        words = " not on the mirror, and %s (model_mirror_upstream) does not tell a stranger what the tag holds (%s): "
        words = words % (place, lookup.words) + "name another one in llm_models, or put its files into %s/ollama as root" % self.path
        return "%s is" + words, "%s are" + words

    def _has_only_the_list(self, name):
        """Whether the filling store has all that its release would pull, which is not what every client takes. Of a list that was copied only those of
        its manifests are left that are there."""
        held = self.filled.manifest(name)
        if held is None or held.chosen is None or self.filled.bad_blobs(held):
            return False
        offered = self.client.of_other_generation(name)
        child = offered.choose() if offered is not None else None
        return child is not None and child.digest == held.chosen.digest

    # -- tidying -------------------------------------------------------------------------------------------------------

    def _remove_unwanted(self):
        keep = {name.key for name in self.names}
        for store in (self.public, self.filled):
            for name in list(_names(store)):
                # What Ollama keeps for its own way back is not ours to remove.
                if name.key not in keep and not is_guard(name):
                    self.changed = True
                    if name.short not in self.removed:
                        self.removed.append(name.short)
                    if not self.check_mode:
                        self.begin()
                        for path in store.manifest_paths(name):
                            nofollow.unlink(path)

    def _prune(self):
        """Removes blobs that no manifest names any more, such as those of a tag that has moved."""
        for store in (self.public, self.filled):
            used = store.used_blobs()
            if used is None:
                # A manifest that we can't read may name anything.
                return
            folder = os.path.join(store.path, "blobs")
            for file, mode in nofollow.names(folder).items():
                # Not the beginning of a pull that goes on next time, and no folder: Ollama makes none there.
                if "partial" not in file and file.replace("-", ":", 1) not in used and not stat.S_ISDIR(mode):
                    self.changed = True
                    self.begin()
                    nofollow.unlink(os.path.join(folder, file))
                    self.verified.pop(file.replace("-", ":", 1), None)

    def _write_index(self):
        if self.verified != self._read_index():
            self.begin()
            write_json(self.index, self.verified, 0o644)

    def result(self):
        return {
            "changed": self.changed,
            "missing": self.missing,
            "published": self.published,
            "corrupt": self.corrupt,
            "removed": self.removed,
            "hashed_bytes": self.hashed_bytes,
            "served": sorted(name.short for name in _names(self.public)),
            "probe": self._probe(),
        }

    def _probe(self):
        """A path of a blob that is served, for the proof that a client can have it."""
        for name in _names(self.public):
            manifest = self.public.manifest(name)
            if manifest is not None:
                return "/v2/%s/%s/blobs/%s" % (name.namespace, name.model, sorted(manifest.layers)[0])
        return ""


def _names(store):
    """The Name of every model of a store. A file whose path makes no name belongs to no model, and Ollama does not list it either."""
    for parts, _path in store.manifests():
        try:
            yield parse_name("%s/%s/%s:%s" % parts)
        except BadName:
            continue


def owners(folder):
    """Of whom a file below a folder may be taken: of root, of ourselves, and of the user that the folder was given to."""
    try:
        return {0, os.geteuid(), nofollow.lstat(folder).st_uid}
    except OSError:
        return {0, os.geteuid()}


def identity(descriptor):
    """What a file has that nobody but root can give to another one. An index from before knew no inode; such a file is hashed once more."""
    found = os.fstat(descriptor)
    return [found.st_size, found.st_mtime_ns, found.st_ino, found.st_uid]
