# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror serves. Without these, a blob that is not what its name says, or half a model, could reach every host of the fleet."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror.models import MirrorStore
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import parse_name
from ansible_collections.llmfleet.ollama.plugins.modules import model_mirror_store
from support import needs
from support.fake_ollama import FakeOllama, model_blobs, sha
from support.fake_ollama_v2 import NewerOllama, offer_list


@pytest.fixture
def filler(tmp_path, registry):
    """The Ollama that fills: its store lies where the mirror's module looks."""
    server = FakeOllama(tmp_path / "mirror" / "ollama", registry)
    yield server
    server.stop()


@pytest.fixture
def mirror(tmp_path, registry):
    def run(models, check=False, version="0.32.15", **changes):
        options = {
            "path": str(tmp_path / "mirror"),
            "models": models,
            "registry": registry.url,
            "exact": False,
            "verify_all": False,
            "https_proxy": "",
            "no_proxy": "",
            **changes,
        }
        store = MirrorStore(options, version, check)
        store.client.pause = 0
        run.store = store.run()
        return run.store.result()

    return run


def served(tmp_path):
    found = []
    for folder, _folders, files in os.walk(tmp_path / "mirror" / "public"):
        found += [os.path.relpath(os.path.join(folder, file), tmp_path / "mirror" / "public") for file in files]
    return sorted(found)


def test_what_is_missing_is_named_and_nothing_is_served(mirror, registry, tmp_path):
    registry.put("library/small/1b", model_blobs("small"))
    result = mirror(["small:1b"])
    assert result["missing"] == ["small:1b"] and result["served"] == [] and result["probe"] == "" and served(tmp_path) == []


def test_filled_is_verified_once_and_served_without_a_second_copy(mirror, filler, registry, tmp_path):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    result = mirror(["small:1b"])
    assert result["published"] == ["small:1b"] and result["missing"] == [] and result["changed"]
    assert result["hashed_bytes"] == sum(len(data) for _kind, data in model_blobs("small"))
    blob = "blobs/sha256-" + sha(model_blobs("small")[1][1])
    assert os.path.samefile(tmp_path / "mirror" / "ollama" / blob, tmp_path / "mirror" / "public" / blob)
    assert "manifests/registry.ollama.ai/library/small/1b" in served(tmp_path)
    again = mirror(["small:1b"])
    assert not again["changed"] and again["hashed_bytes"] == 0, "a converged mirror would hash terabytes on every run"
    assert mirror(["small:1b"], verify_all=True)["hashed_bytes"] == result["hashed_bytes"]


class Told(Exception):
    """What the module says at its end."""


def test_what_is_served_may_be_read_whatever_umask_root_has(filler, registry, tmp_path, monkeypatch):
    """Deleted, nginx would answer 404 to every host where sudo or PAM give root the umask 077."""
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))

    class Module:
        check_mode = False
        warn = print

        def __init__(self, **_specification):
            self.params = {
                "path": str(tmp_path / "mirror"), "models": ["small:1b"], "registry": registry.url, "exact": False, "releases": [], "releases_exact": False,
                "verify_all": False, "version": "0.32.15", "https_proxy": "", "no_proxy": "", "as_root": False, "port": None, "nginx": "", "watch": [],
                "holder": None, "over": "",
            }

        def exit_json(self, **_result):
            raise Told

    monkeypatch.setattr(model_mirror_store, "AnsibleModule", Module)
    before = os.umask(0o077)
    try:
        with pytest.raises(Told):
            model_mirror_store.main()
    finally:
        os.umask(before)
    public = tmp_path / "mirror" / "public"
    assert {oct(path.stat().st_mode & 0o777) for path in [public, *public.rglob("*")] if path.is_dir()} == {"0o755"} and served(tmp_path)
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in public.rglob("manifests/**/1b"))


def test_check_mode_serves_nothing(mirror, filler, registry, tmp_path):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    assert mirror(["small:1b"], check=True)["published"] == ["small:1b"]
    assert served(tmp_path) == [] and not os.path.exists(tmp_path / "mirror" / "verified.json")


@pytest.mark.parametrize("published_before", [False, True])
def test_spoilt_blob_is_never_served(mirror, filler, registry, tmp_path, published_before):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    if published_before:
        mirror(["small:1b"])
    digest = "sha256:" + sha(model_blobs("small")[1][1])
    with open(filler.blob_file(digest), "r+b") as handle:
        handle.write(b"xxxx")
    os.utime(filler.blob_file(digest), ns=(1, 1))
    result = mirror(["small:1b"])
    assert result["corrupt"] == [digest] and result["missing"] == ["small:1b"] and result["changed"]
    assert not os.path.exists(filler.blob_file(digest)), "Ollama would trust the spoilt file and not pull it again"
    assert "blobs/" + digest.replace(":", "-") not in served(tmp_path)


def test_half_a_model_is_not_served(mirror, filler, registry, tmp_path):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    os.unlink(filler.blob_file("sha256:" + sha(model_blobs("small")[2][1])))
    assert mirror(["small:1b"])["missing"] == ["small:1b"] and served(tmp_path) == []


def test_moved_tag_is_missing_until_it_is_filled_and_the_old_blobs_go(mirror, filler, registry, tmp_path):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    mirror(["small:1b"])
    registry.put("library/small/1b", model_blobs("moved"))
    result = mirror(["small:1b"])
    assert result["missing"] == ["small:1b"] and result["served"] == ["small:1b"], "the old one is served until the new one is whole"
    filler.have("small:1b", model_blobs("moved"))
    assert mirror(["small:1b"])["published"] == ["small:1b"]
    assert "blobs/sha256-" + sha(model_blobs("small")[1][1]) not in served(tmp_path)
    assert not os.path.exists(filler.blob_file("sha256:" + sha(model_blobs("small")[1][1])))


def test_beginning_of_a_pull_is_kept(mirror, filler, registry, tmp_path):
    """Pruning it would make a mirror on a bad line start from zero each time."""
    registry.put("library/small/1b", model_blobs("small"))
    partial = tmp_path / "mirror" / "ollama" / "blobs" / ("sha256-" + "a" * 64 + "-partial")
    partial.write_bytes(b"x")
    mirror(["small:1b"])
    assert partial.exists()


def test_upstream_that_is_down_does_not_stop_a_mirror_that_is_whole(mirror, filler, registry):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    registry.fault = 503
    result = mirror(["small:1b"])
    assert result["published"] == ["small:1b"] and "served as it is here" in mirror.store.warnings[0]
    with pytest.raises(Failure, match="model_mirror_upstream"):
        mirror(["other:1b"])


def test_what_is_said_of_several_models_is_one_sentence(mirror, filler, registry):
    """A fleet with five tags and a silent upstream would otherwise read the same sentence five times."""
    registry.put("library/small/1b", model_blobs("small"))
    registry.fault = 503
    with pytest.raises(Failure) as problem:
        mirror(["small:1b", "other:1b"])
    said = str(problem.value)
    assert said.startswith("small:1b, other:1b are not on the mirror, and ") and said.count("does not answer") == 1


def test_a_mirror_is_not_set_up_without_root_or_on_another_programs_port(monkeypatch):
    """Before: "useradd: Permission denied", or an nginx that cannot bind after everything was fetched."""
    params = {"as_root": True, "port": None, "nginx": "/usr/sbin/nginx", "path": "/nowhere/mirror", "user": ""}
    monkeypatch.setattr(model_mirror_store.os, "geteuid", lambda: 1000)
    assert "set ansible_become to true for the group model_mirror" in model_mirror_store.refusal(params)
    monkeypatch.setattr(model_mirror_store.os, "geteuid", lambda: 0)
    assert model_mirror_store.refusal(params) is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        params["port"] = server.getsockname()[1]
        said = model_mirror_store.refusal(params)
        assert said.startswith("Port %d (model_mirror_port) of " % params["port"]) and "llm_registry" in said and "(process " in said
        monkeypatch.setattr(model_mirror_store, "port_owner", lambda _port: ("nginx", 1))
        assert model_mirror_store.refusal({**params, "nginx": __file__}) is None, "the host's own nginx takes a site more"
        assert model_mirror_store.refusal({**params, "nginx": "/nowhere"}), "a container's nginx does not"


@pytest.mark.parametrize("fault, words", [(404, "does not exist"), (412, "model_mirror_ollama_version")])
def test_what_upstream_refuses_stops_with_the_variable(mirror, registry, fault, words):
    registry.fault = fault
    with pytest.raises(Failure, match=words):
        mirror(["small:1b"])


def test_exact_removes_the_rest_and_refuses_to_empty_the_mirror(mirror, filler, registry, tmp_path):
    for name in ("small", "old"):
        registry.put("library/%s/1b" % name, model_blobs(name))
        filler.have(name + ":1b", model_blobs(name))
    mirror(["small:1b", "old:1b"])
    assert mirror(["small:1b"])["removed"] == [], "without exact nothing goes"
    result = mirror(["small:1b"], exact=True)
    assert result["removed"] == ["old:1b"] and result["served"] == ["small:1b"]
    assert "blobs/sha256-" + sha(model_blobs("old")[1][1]) not in served(tmp_path)
    with pytest.raises(Failure, match="model_mirror_exact"):
        mirror([], exact=True)


def test_names_with_a_host_of_their_own_are_left_to_the_hosts(mirror, registry):
    result = mirror(["huggingface.co/org/repo:Q4"])
    assert result["missing"] == [] and registry.asked == [] and "not mirrored" in mirror.store.warnings[0]


def test_bad_names_name_the_variable(mirror):
    with pytest.raises(Failure, match="model_mirror_models"):
        mirror(["a b"])
    with pytest.raises(Failure, match="model_mirror_upstream"):
        mirror(["a"], registry="http://x/y")


@needs.root
@pytest.mark.parametrize("owner, refused", [(65534, True), (0, False)])
@pytest.mark.parametrize("path", ["link", "link/mirror", "link/not/yet"])
def test_a_store_behind_a_strangers_link_is_refused(tmp_path, owner, refused, path):
    """Deleted: root would make and give away folders wherever that user turns the link, and a purge remove them there."""
    (tmp_path / "etc" / "mirror").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "etc")
    os.lchown(tmp_path / "link", owner, owner)
    said = model_mirror_store.refusal({"as_root": True, "port": None, "nginx": "", "path": str(tmp_path / path), "user": ""})
    assert bool(said) is refused and (not refused or said.startswith("model_mirror_store %s/%s lies behind a link" % (tmp_path, path)))


@pytest.mark.parametrize("home, refused", [("/home/alice", True), ("/srv/m/home", False), (None, False)])
def test_an_account_that_somebody_has_is_not_taken(monkeypatch, home, refused):
    """Deleted: `model_mirror_user: alice` would give alice another home and no shell, and a purge remove her."""
    monkeypatch.setattr(model_mirror_store.os, "geteuid", lambda: 0)
    monkeypatch.setattr(model_mirror_store, "home_of", {"alice": home}.get)
    said = model_mirror_store.refusal({"as_root": True, "port": None, "nginx": "", "path": "/srv/m", "user": "alice"})
    assert bool(said) is refused and (not refused or said.startswith("model_mirror_user alice is an account of this host already (its home is /home/alice)"))


def test_what_is_mounted_in_a_store_is_told(monkeypatch, tmp_path):
    points = [str(tmp_path), "%s/ollama" % tmp_path, "%s/public/blobs" % tmp_path, "%s-2/home" % tmp_path, "/"]
    monkeypatch.setattr(model_mirror_store, "mounts", lambda _root: [(point, "ext4") for point in points])
    (tmp_path.parent / "way").symlink_to(tmp_path)
    assert model_mirror_store.mounted(str(tmp_path.parent / "way")) == ["ollama", "public"]


# -- what the user of the filling server may have put there --------------------------------------------------------------

SOMEBODY = 65534


@pytest.fixture
def taken_over(mirror, filler, registry, tmp_path):
    """A mirror with one served model, whose filling server is in somebody else's hands; and a folder of root's."""
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    mirror(["small:1b"])
    victim = tmp_path / "etc"
    victim.mkdir()
    (victim / "shadow").write_text("root:secret")
    (victim / "shadow").chmod(0o600)
    return victim


def blob_of(tmp_path, area="ollama"):
    return tmp_path / "mirror" / area / "blobs" / ("sha256-" + sha(model_blobs("small")[1][1]))


def untouched(victim):
    shadow = victim / "shadow"
    return shadow.read_text() == "root:secret" and (shadow.stat().st_mode & 0o777, shadow.stat().st_uid) == (0o600, os.geteuid())


def test_a_blob_that_is_a_link_opens_no_file_of_roots(mirror, taken_over, tmp_path):
    """Deleted: whoever gets into the filling server makes /etc/shadow readable for all."""
    blob_of(tmp_path).unlink()
    blob_of(tmp_path).symlink_to(taken_over / "shadow")
    result = mirror(["small:1b"])
    assert untouched(taken_over) and result["corrupt"] and not os.path.lexists(blob_of(tmp_path, "public"))


@needs.root
@pytest.mark.parametrize("folder", ["blobs", "manifests"])
def test_a_folder_of_the_store_that_is_a_link_costs_root_nothing(mirror, taken_over, tmp_path, folder):
    """Deleted: `blobs -> /etc` in the filling server's store would make root remove every file there, and `manifests` each four folders below."""
    deep = taken_over / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "d").write_text("deep")
    os.rename(tmp_path / "mirror" / "ollama" / folder, tmp_path / "mirror" / "ollama" / "aside")
    link = tmp_path / "mirror" / "ollama" / folder
    link.symlink_to(taken_over)
    os.lchown(link, SOMEBODY, SOMEBODY)
    mirror(["small:1b"], exact=True)
    assert untouched(taken_over) and (deep / "d").exists()


def test_a_manifest_that_is_a_pipe_holds_nobody(mirror, taken_over, tmp_path):
    """Deleted: the module would wait for ever at a pipe in the store."""
    manifest = tmp_path / "mirror" / "ollama" / "manifests" / "registry.ollama.ai" / "library" / "small" / "1b"
    manifest.unlink()
    os.mkfifo(manifest)
    assert mirror(["small:1b"])["served"] == ["small:1b"]


def test_a_file_with_an_odd_name_stops_nothing(mirror, taken_over, tmp_path):
    """Deleted: one file whose path makes no model's name would end every run with a traceback."""
    odd = tmp_path / "mirror" / "ollama" / "manifests" / "registry.ollama.ai" / "library" / "small" / "a b\xf6$"
    odd.write_text("{}")
    (tmp_path / "mirror" / "ollama" / "blobs" / "sha256-folder").mkdir()
    assert mirror(["small:1b"])["served"] == ["small:1b"] and odd.exists()


@needs.root
def test_a_verified_blob_that_is_exchanged_is_verified_again(mirror, taken_over, tmp_path):
    """Deleted: another file of the same size and time under the same name would be served without a look."""
    blob, right = blob_of(tmp_path), blob_of(tmp_path).read_bytes()
    times = (blob.stat().st_atime_ns, blob.stat().st_mtime_ns)
    blob.unlink()
    blob.write_bytes(b"x" * len(right))
    os.chown(blob, SOMEBODY, SOMEBODY)
    os.utime(blob, ns=times)
    blob_of(tmp_path, "public").unlink()
    result = mirror(["small:1b"])
    assert result["corrupt"] and not os.path.lexists(blob_of(tmp_path, "public"))


def forged(tmp_path, filler):
    """Another model under the name of small:1b in the filling server's store, as any user of its host may make one there by /api/create and /api/copy."""
    filler.have("small:1b", model_blobs("evil"))
    folder = tmp_path / "mirror" / "ollama"
    for path in [folder, *folder.rglob("*")]:
        os.lchown(path, SOMEBODY, SOMEBODY)


def manifest_of(tmp_path):
    return (tmp_path / "mirror/public/manifests/registry.ollama.ai/library/small/1b").read_bytes()


@needs.root
@pytest.mark.parametrize("upstream", [None, 503, 404, 401, 403])
def test_a_tag_is_never_served_with_what_upstream_did_not_say(mirror, filler, registry, tmp_path, upstream):
    """Deleted: whoever reaches the filling server chooses weights and templates for the whole fleet, under a name that it trusts."""
    registry.put("library/small/1b", model_blobs("small"))
    forged(tmp_path, filler)
    registry.fault = upstream
    if upstream is None:
        assert mirror(["small:1b"])["missing"] == ["small:1b"]
    else:
        with pytest.raises(Failure, match="small:1b"):
            mirror(["small:1b"])
    assert [path for path in served(tmp_path) if "manifests" in path] == []


@needs.root
@pytest.mark.parametrize("writing", [True, False])
def test_nobody_has_a_manifest_made_roots_by_a_blob_that_is_refused(mirror, filler, registry, tmp_path, writing):
    """Deleted: a manifest is laid down as a blob that root takes and then does not believe; under its second name it would be root's word on a tag."""
    for name in ("small", "other"):
        registry.put("library/%s/1b" % name, model_blobs(name))
    forged(tmp_path, filler)
    folder = tmp_path / "mirror" / "ollama"
    evil = folder / "manifests/registry.ollama.ai/library/small/1b"
    filler.have("other:1b", model_blobs("other"))
    blob = folder / "blobs" / ("sha256-" + sha(model_blobs("other")[1][1]))
    blob.unlink()
    os.link(evil, blob)
    with open(evil, "r+b" if writing else "rb"):
        assert mirror(["other:1b"])["corrupt"]
    assert (evil.stat().st_uid, evil.stat().st_nlink) == (SOMEBODY, 1)
    registry.fault = 401
    with pytest.raises(Failure, match="small:1b"):
        mirror(["small:1b"])
    assert [path for path in served(tmp_path) if "manifests" in path] == []


@pytest.mark.parametrize("upstream", [401, 403])
def test_what_upstream_shows_to_nobody_without_a_sign_in_is_not_even_pulled(mirror, registry, tmp_path, upstream):
    """Deleted: every run would pull gigabytes that nothing says the truth about, and fail behind that without the variable."""
    registry.put("library/small/1b", model_blobs("small"))
    registry.fault = upstream
    with pytest.raises(Failure) as problem:
        mirror(["small:1b", "other:1b"])
    assert str(problem.value) == (
        "small:1b, other:1b are not on the mirror, and %s (model_mirror_upstream) does not tell a stranger what the tag holds (HTTP %d): name "
        "another one in llm_models, or put its files into %s/mirror/ollama as root" % (registry.url.split("//")[1], upstream, tmp_path)
    )


def test_what_is_served_goes_on_where_upstream_begins_to_want_a_sign_in(mirror, filler, registry):
    registry.put("library/small/1b", model_blobs("small"))
    filler.have("small:1b", model_blobs("small"))
    mirror(["small:1b"])
    registry.fault = 401
    result = mirror(["small:1b"])
    assert result["served"] == ["small:1b"] and result["missing"] == [] and "HTTP 401" in mirror.store.warnings[0]


@needs.root
@pytest.mark.parametrize("upstream", [None, 503])
def test_a_forged_model_does_not_take_the_place_of_the_right_one(mirror, filler, registry, taken_over, tmp_path, upstream):
    right = manifest_of(tmp_path)
    forged(tmp_path, filler)
    registry.fault = upstream
    result = mirror(["small:1b"])
    assert manifest_of(tmp_path) == right and result["published"] == [] and result["missing"] == ([] if upstream else ["small:1b"])


@needs.root
def test_upstreams_own_bytes_are_served_and_not_those_of_the_filling_server(mirror, filler, registry, tmp_path):
    """Deleted: the same layers in other roles, say a template as the system's words, would be served."""
    registry.put("library/small/1b", model_blobs("small"))
    forged(tmp_path, filler)
    filler.have("small:1b", model_blobs("small"))
    manifest = tmp_path / "mirror/ollama/manifests/registry.ollama.ai/library/small/1b"
    manifest.write_bytes(manifest.read_bytes().replace(b"{", b'{"x": 1, ', 1))
    assert mirror(["small:1b"])["published"] == ["small:1b"] and manifest_of(tmp_path) == registry.models["library/small/1b"]


@pytest.fixture
def newer_filler(tmp_path, registry):
    server = NewerOllama(tmp_path / "mirror" / "ollama", registry)
    yield server
    server.stop()


@pytest.mark.parametrize("anchors", [True, False])
def test_a_newer_filler_fills_once_and_upstreams_own_bytes_are_served(mirror, newer_filler, registry, tmp_path, anchors):
    """Row G: the filler pulled on every run, and what was served was its anchor, a manifest that upstream never had."""
    newer_filler.anchors = anchors
    registry.put("library/small/1b", model_blobs("small"))
    offer_list(registry, "library/both/1b", {"llamacpp": model_blobs("both")})
    for name in ("small:1b", "both:1b"):
        newer_filler.settle(name, None)
        for digest, data in registry.blobs.items():
            newer_filler.put_blob(data)
            assert digest
    first = mirror(["small:1b", "both:1b"], version=newer_filler.version)
    assert first["published"] == ["small:1b", "both:1b"] and first["missing"] == []
    for name in ("small", "both"):
        body = (tmp_path / "mirror" / "public" / "manifests" / "registry.ollama.ai" / "library" / name / "1b").read_bytes()
        assert body == registry.models["library/%s/1b" % name]
    again = mirror(["small:1b", "both:1b"], version=newer_filler.version)
    assert not again["changed"] and again["missing"] == [] and again["published"] == []
    assert mirror.store.filled.manifest(parse_name("both:1b")).children, "the list's own blobs are not pruned"


def test_exact_takes_a_newer_fillers_names_in_both_folders_and_leaves_its_copies(mirror, newer_filler, registry):
    """Deleted, a model that nobody wants would keep its gigabytes through its anchor, or Ollama's way back would be gone."""
    for name in ("small", "gone"):
        registry.put("library/%s/1b" % name, model_blobs(name))
        newer_filler.settle(name + ":1b", None)
        for _kind, data in model_blobs(name):
            newer_filler.put_blob(data)
    newer_filler.convert("small:1b")
    guard = [name for name in newer_filler.names() if name.startswith("llamacpp:")]
    newer_filler.settle("small:1b", None)
    result = mirror(["small:1b"], exact=True, version=newer_filler.version)
    assert result["removed"] == ["gone:1b"] and sorted(newer_filler.names()) == sorted([*guard, "small:1b"])
    assert not os.path.exists(newer_filler.blob_file("sha256:" + sha(model_blobs("gone")[1][1])))
    with pytest.raises(Failure, match="keeps for itself"):
        mirror(guard)
