"""The ways in which a component file may change, and the reaction of the host."""

import os
import re
import time

import pytest

from support import counted, eventually, short


@pytest.fixture(scope="module")
def served(travelling):
    with travelling() as served:
        yield served


def in_place(file, component):
    file.write_bytes(component)


def in_pieces(file, component, piece=8 * 1024, pause=0.02):
    """Writes slowly, so the host looks at the file more than twice meanwhile, and the file keeps changing."""
    with open(file, "wb") as out:
        for start in range(0, len(component), piece):
            out.write(component[start : start + piece])
            out.flush()
            # The pause simulates a slow writer.
            time.sleep(pause)


def anew(file, component):
    file.unlink()
    file.write_bytes(component)


def through_a_link(file, component):
    target = file.with_name(short(component))
    target.write_bytes(component)
    link = file.with_suffix(".link")
    link.symlink_to(target)
    link.rename(file)


def with_its_folder(file, component):
    """Replaces the folder by another folder, as some deployments do."""
    folder = file.parent
    beside = folder.with_name(f"{folder.name}.new")
    beside.mkdir()
    (beside / file.name).write_bytes(component)
    folder.rename(folder.with_name(f"{folder.name}.{short(component)}"))
    beside.rename(folder)


WAYS = [in_place, in_pieces, anew, through_a_link, with_its_folder]


@pytest.mark.parametrize("write", WAYS, ids=lambda write: write.__name__)
def test_a_component_is_noticed_however_it_is_written(served, write):
    client, since = served.connect(), len(served.host.log())
    component = served.version(write.__name__)
    served.taken(component, lambda component: write(served.file, component))
    assert counted(client)["version"] == write.__name__
    # The host does not warn about the incomplete file.
    assert "WARN" not in served.host.log()[since:]


def test_a_component_is_noticed_as_soon_as_the_host_listens(travelling):
    with travelling() as served:
        served.put("v2")
        served.host.logged(f"version is live .*version=\"{short(served.version('v2'))}\"")


def test_a_component_is_noticed_where_the_system_tells_of_nothing(travel):
    served = travel(watch="poll")
    client = served.connect()
    served.swap("v2")
    served.taken(served.version("v3"), lambda component: in_place(served.file, component))
    assert counted(client)["version"] == "v3"


def test_nobody_looks_if_nobody_shall(travel):
    served = travel(watch="off")
    client = served.connect()
    served.put("v2")
    # Longer than the interval of the checks, which is a second.
    assert "is live" not in served.host.silence(1.5)
    assert counted(client)["version"] == "v1"


def test_a_file_that_is_touched_is_no_new_version(travel):
    served = travel(log="debug")
    client = served.connect()
    os.utime(served.file)
    served.host.logged("is live already")
    served.write(served.version("v1"))
    eventually(lambda: served.host.log().count("is live already") >= 2, "a second look")
    assert counted(client)["path"] == []


def test_a_file_that_is_gone_leaves_the_version_and_may_come_back(served):
    client = served.connect()
    served.swap("before")
    served.file.unlink()
    assert counted(client)["version"] == "before"
    served.swap("after")
    assert counted(client)["version"] == "after"


@pytest.fixture
def other(travelling):
    """A file for a second plugin."""
    with travelling() as other:
        return other


def test_two_plugins_are_made_of_one_file(travel, other):
    component = {"component": str(other.file)}
    served = travel(table=component, plugins={"other": {"guest": "traveller"} | component})
    clients = [served.host.connect("/traveller/"), served.host.connect("/other/")]
    since = len(served.host.log())
    other.put("v2")
    for name in ("traveller", "other"):
        served.host.logged(f'version is live plugin="{name}"', since)
    assert [counted(client)["version"] for client in clients] == ["v2", "v2"]


def test_a_file_that_is_not_whole_for_long_holds_up_no_other(travel, other):
    plugins = {"other": {"guest": "traveller", "component": str(other.file)}}
    served = travel(plugins=plugins)
    host, client = served.host, served.host.connect("/other/")
    whole = served.version("v2")
    pieces = iter(range(len(whole) // 2, len(whole), 16))

    def other_is_live():
        in_place(served.file, whole[: next(pieces)])
        return re.search(f"version is live .*version=\"{short(other.version('v3'))}\"", host.log())

    other.put("v3")
    eventually(other_is_live, "the other's swap")
    assert counted(client)["version"] == "v3"
    served.taken(whole, lambda whole: in_place(served.file, whole))
    assert "WARN" not in host.log()
