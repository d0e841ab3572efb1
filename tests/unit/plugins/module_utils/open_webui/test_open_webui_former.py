# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a web UI that is cut off after each of its steps, and a way back that is cut off at each of its own, on a host with a real record, real
data and an engine that is a table. H7. Deleted, a run that is killed while a release migrates would leave a host that no further run mends, or one that
serves the old release on the new one's database."""

from __future__ import annotations

import os
import re
import sqlite3

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import record
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import data, former
from support import servers

ME = (os.getuid(), os.getgid())


class Killed(BaseException):
    """Of whom nothing is heard any more."""


class Engine:
    """Containers by name, as Docker keeps them; `acts` are left until whoever acts is killed."""

    def __init__(self):
        self.named, self.started, self.acts = {"open-webui": "old"}, ["old"], -1

    def container(self, name):
        return {"Id": self.named[name], "Image": "sha256:1", "State": {}, "Config": {"Labels": {}}} if name in self.named else None

    def log(self, name):
        return b"words of " + self.named[name].encode()

    def tell(self, method, path):
        if self.acts == 0:
            raise Killed
        self.acts -= 1
        name, act, new = re.fullmatch(r"/containers/([^/?]+)(/rename|/restart)?(?:[?](?:name=)?(.*))?", path).groups()
        if method == "DELETE":
            del self.named[name]
        elif act == "/rename":
            assert new not in self.named, "409"
            self.named[new] = self.named.pop(name)
        else:
            self.started.append(self.named[name])

    @staticmethod
    def volume(_name):
        return None


class Host:
    """Steps of an upgrade of which the new release writes into the data at once, in the order of role open_webui."""

    def __init__(self, top):
        self.top, self.engine, self.folder = top, Engine(), str(top / "etc/.before")
        self.place, self.archive, self.environment = top / "data", str(top / "backups/saved.tar.gz"), top / "etc/environment"
        self.place.mkdir()
        self.environment.parent.mkdir()
        self.environment.write_text("old")
        self.write("old")
        self.ready, self.ran = False, []

    def write(self, word):
        with sqlite3.connect(self.place / "webui.db") as database:
            database.executescript("CREATE TABLE IF NOT EXISTS chat (title TEXT); INSERT INTO chat VALUES ('%s')" % word)
        database.close()

    def chats(self, folder=None):
        with sqlite3.connect("%s/webui.db" % (folder or self.place)) as database:
            rows = [row[0] for row in database.execute("SELECT title FROM chat")]
        database.close()
        return rows

    def begin(self, **before):
        before = {
            "id": "old", "image": "sha256:1", "version": "0.12.0", "url": "http://old/ready", "data": str(self.place), "owner": ME[0], "group": ME[1],
            "saved": self.archive, "restoring": "", "restore_key": False, **before,
        }
        record.begin(self.folder, before, "0.12.4", "anna@desk", 100, [str(self.environment)], "open_webui")

    def steps(self):
        return [
            self.begin,
            lambda: self.environment.write_text("new"),
            lambda: data.save(str(self.place), self.archive, str(self.top / "no key"), {"version": "0.12.0"}),
            lambda: self.engine.tell("POST", "/containers/open-webui/rename?name=open-webui-previous"),
            lambda: record.note(self.folder, former.GIVEN),
            lambda: self.engine.named.update({"open-webui": "new"}) or self.write("new"),
            lambda: self.engine.tell("DELETE", "/containers/open-webui-previous?force=true"),
        ]

    def wait(self, url, _seconds):
        return None if (self.ready if "new" in url else True) else "silence"

    def former(self, **options):
        wanted = {
            "name": "open-webui", "record": self.folder, "url": "http://new/ready", "seconds": 300, "patience": 180, "late": True, "restores": False,
            "data": str(self.place), "uid": ME[0], "gid": ME[1], "secret_path": str(self.top / "key"), "logs": str(self.top / "log"),
            "dump_command": "", "restore_command": "", "exports": "", **options,
        }
        return former.Former(self.engine, wanted, self.wait, self.run_command)

    def run_command(self, argv, data):
        self.ran.append((argv, data))
        return (0, "", "")

    def after(self, steps):
        for step in self.steps()[:steps]:
            step()
        return self

    def is_back(self):
        return self.engine.named == {"open-webui": "old"} and self.engine.started[-1] == "old" and self.chats() == ["old"] and not self.is_open()

    def is_open(self):
        return os.path.lexists(self.folder) or self.former().todo != former.NOTHING


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


# steps that were taken before the cut -> what the next run does where the new one answers, and where it does not
CUTS = [(1, "start", "start"), (2, "start", "start"), (3, "start", "start"), (4, "back", "back"), (5, "back", "back"), (6, "proved", "back"),
        (7, "settle", "settle")]  # fmt: skip


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("steps,serves,silent", CUTS)
def test_an_upgrade_that_is_cut_off_is_ended_or_taken_back_by_the_next_run(host, steps, serves, silent, ready):
    host.after(steps)
    host.ready = ready
    result = host.former().run()
    assert result["done"] == (serves if ready else silent) and not host.is_open()
    if result["done"] in ("proved", "settle"):
        assert host.engine.named == {"open-webui": "new"} and host.chats() == ["old", "new"] and host.environment.read_text() == "new"
    else:
        assert host.is_back() and host.environment.read_text() == "old"


@pytest.mark.parametrize("acts", range(4))
def test_a_way_back_that_is_cut_off_is_gone_on_with(host, acts):
    """Also between the removal of the new container and the data, where only the record tells whose the data is."""
    host.after(6)
    host.engine.acts = acts
    try:
        host.former().run()
    except Killed:
        host.engine.acts = -1
        host.former().run()
    assert host.is_back()


def test_what_the_new_release_wrote_is_kept_where_somebody_may_have_used_it(host):
    """Hours may lie between the cut and the next run. In the run that fails itself nobody was ever let in."""
    result = host.after(6).former().run()
    assert host.chats(result["kept"]) == ["old", "new"] and result["about"]["chats"] == 1
    assert (host.top / "log/failed-0.12.4.log").read_text() == "words of new"
    assert host.former().words() == ""


def test_the_run_itself_goes_back_without_asking_and_keeps_no_second_copy(host):
    host.ready = True
    result = host.after(6).former(seconds=0, late=False).run()
    assert result["done"] == "back" and result["kept"] == "" and host.is_back()


def test_secrets_that_keep_the_server_from_its_start_are_taken_back(host):
    """The container is the same, so nothing but its files has to come back."""
    result = host.after(2).former(seconds=0, late=False).run()
    assert result["done"] == "start" and host.is_back() and host.environment.read_text() == "old"
    assert (host.top / "log/failed-0.12.4.log").read_text() == "words of old"


def test_what_is_said(host):
    began = "anna@desk began to bring Open WebUI 0.12.4 to this host at 1970-01-01 00:01 UTC and did not come to an end; before that there was "
    began += "Open WebUI 0.12.0"
    back = host.after(6).former()
    assert back.words() == began + ". The new one stays if it answers, and else gives way to the old one."
    kept = back.run()["kept"]
    assert back.words() == began + ". 0.12.0 has its name, its data of %s back; what was newer lies in %s." % (host.archive, kept)
    host.begin()
    host.wait = lambda url, _seconds: url + ": silence"
    start = host.former()
    start.run()
    assert start.words() == began + ". Nothing was replaced yet, and 0.12.0 was started again, but does not answer yet (http://old/ready: silence)."


# steps that were taken before the cut -> what a run without --check does
FORETOLD = {
    1: "starts 0.12.0 again, of which nothing was replaced yet", 4: "gives 0.12.0 its name back", 5: "gives 0.12.0 its name, and its data of {archive} back",
    6: "keeps the new one if it answers, and else has 0.12.0 back", 7: "forgets it, since nothing is left to do",
}


@pytest.mark.parametrize("steps", FORETOLD)
def test_what_a_dry_run_says(host, steps):
    """Deleted, who tries a run with --check on a host that was cut off would read that the old one is back."""
    host.after(steps)
    said = host.former().foretold()
    assert "did not come to an end" in said and said.endswith(". A run without --check %s." % FORETOLD[steps].format(archive=host.archive))


def test_what_a_dry_run_says_of_a_restore(host):
    assert host.former().foretold() == ""
    host.begin(id="", restoring=host.archive)
    host.engine.named.clear()
    assert host.former().foretold().endswith("did not come to an end. A run without --check brings that to its end.")
    assert host.former(restores=True).foretold().endswith("A run without --check puts another archive in its place.")


def test_data_that_cannot_be_had_stops_everything(host):
    """The old release on a database that a newer one has migrated would be the end of both."""
    host.after(6)
    os.unlink(host.archive)
    with pytest.raises(data.DataError, match="is gone: put that back, or restore another one with playbooks/restore.yml"):
        host.former().run()
    assert record.read(host.folder) and "old" in host.engine.named.values() and host.chats() == ["old", "new"]


def test_a_host_that_an_earlier_release_of_this_collection_left(host):
    """Without a record nobody knows which archive belongs to it: what answers stays, and else a person has to say."""
    host.engine.named["open-webui-previous"] = "older"
    with pytest.raises(data.DataError, match="open-webui and open-webui-previous are both there"):
        host.former().run()
    host.ready = True
    assert host.former().run()["done"] == "proved" and host.engine.named == {"open-webui": "old"}
    host.engine.named = {"open-webui-previous": "old"}
    assert host.former().run()["done"] == "back" and host.engine.named == {"open-webui": "old"} and host.chats() == ["old"]


def test_a_first_installation_has_nothing_to_go_back_to(host):
    host.begin(id="", version="", saved="")
    assert host.former().run()["done"] == "settle" and not host.is_open() and host.environment.read_text() == "old"


def killed_there(*_given):
    raise Killed


@pytest.mark.parametrize("killed", [True, False])
def test_a_restore_that_is_cut_off_is_brought_to_its_end(host, killed, monkeypatch):
    """L8. The container is gone and the data half there: a run of site.yml would make an empty database."""
    host.after(3)
    record.done(host.folder)
    host.write("later")
    host.begin(id="", restoring=host.archive)
    assert host.former().todo == "settle", "the container still serves: nothing was replaced, and people go on writing"
    host.engine.named.clear()
    if killed:
        with monkeypatch.context() as patched:
            patched.setattr(data, "_sweep", killed_there)
            with pytest.raises(Killed):
                host.former().run()
    assert host.former().run()["done"] == "restore" and host.chats() == ["old"] and not host.is_open()


def test_another_restore_takes_the_place_of_one_that_came_half(host):
    host.begin(id="", restoring=str(host.top / "gone.tar.gz"))
    host.engine.named.clear()
    with pytest.raises(data.DataError, match="began to restore .*gone.tar.gz at 1970-01-01 00:01 UTC and did not come to an end.*which is gone"):
        host.former().run()
    host.former(restores=True).run()
    assert not host.is_open() and host.chats() == ["old"]


def test_a_dump_that_a_killed_way_back_has_left_is_not_restored(host):
    host.after(6)
    (host.top / "backups/restore.dump").write_text("of another archive")
    host.former(restore_command="pg_restore it", exports=EXPORTS).run()
    assert host.is_back() and not (host.top / "backups/restore.dump").exists() and host.ran == []


EXPORTS = "export DATABASE_URL='postgresql://w:p%40ss@db/w'\nexport PGPASSWORD='p@ss word'\n"


def test_postgresql_is_saved_before_it_is_replaced_late_and_no_password_is_told(host):
    host.after(2)
    (host.top / "dump").write_text("old")
    data.save(None, host.archive, str(host.top / "no key"), {}, str(host.top / "dump"))
    for step in host.steps()[3:6]:
        step()
    ran = []

    def run_command(argv, data):
        ran.append((argv[2].rpartition("; ")[2], re.search("export DUMP=(.*)\n", data).group(1)))
        return (0, "", "") if len(ran) < 3 else (2, "", "p@ss word is wrong for postgresql://w:p%40ss@db/w\n")

    options = {"dump_command": "pg_dump it", "restore_command": "pg_restore it", "exports": EXPORTS}
    first = host.former(**options)
    first.run_command = run_command
    kept = first.run()["kept"]
    assert ran == [("pg_dump it", kept.rpartition(" and ")[2]), ("pg_restore it", str(host.top / "backups/restore.dump"))]
    assert not os.path.exists(ran[1][1])
    with pytest.raises(data.DataError, match="open_webui_database_dump_command ended with code 2: … is wrong for …$"):
        first._command("dump_command", "x")


def test_a_server_is_asked_until_it_is_ready():
    slept = []

    class Handler(servers.Quiet):
        asked = []

        def do_GET(self):
            self.asked.append(self.path)
            self.send_response(200 if len(self.asked) > 1 else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with servers.serving(Handler) as url:
        assert former.wait(url + "/ready", 60, sleep=slept.append) is None and Handler.asked == ["/ready"] * 2
        Handler.asked.clear()
        assert former.wait(url + "/ready", 0) == url + "/ready: status 503"
    assert "refused" in former.wait(url, 0)
