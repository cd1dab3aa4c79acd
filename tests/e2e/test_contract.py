"""Guests that were compiled for an earlier form of the contract go on loading; `contract/` has them."""

import json

import pytest

from admin import ADMIN, Admin
from support import TEXT, frame, toml, with_manifest


@pytest.fixture
def old(root):
    """The component, with another isolation in its manifest."""
    component = (root / "tests/e2e/contract/consumer-0.1.0.wasm").read_bytes()
    manifest = {"name": "busy", "capabilities": {"groups": ["busy"], "log": True}}
    return lambda isolation: with_manifest(component, toml(manifest | {"isolation": isolation}))


@pytest.mark.parametrize("isolation", ["connection", "shared"])
def test_an_old_guest_is_served_and_moves_to_a_version_of_today_and_back(serve, component, old, isolation, tmp_path):
    file = tmp_path / "busy.wasm"
    file.write_bytes(old(isolation))
    host = serve(plugins={"busy": {"component": str(file)}}, admin=ADMIN, watch="off")
    raw = host.raw("/busy/?busy=0")
    raw.send(b"".join(frame(TEXT, text) for text in (b"note kept", b"timer 1", b"a", b"b", b"c")))
    assert [raw.recv_frame()[1] for _ in range(3)] == [b"a", b"b", b"c"]
    manifest = {"name": "busy", "isolation": isolation, "capabilities": {"groups": ["busy"], "log": True}}
    today = with_manifest(component("busy").read_bytes(), toml(manifest | {"description": "today"}))
    for version in (today, old(isolation)):
        assert Admin(host).deploy("busy", version).json()["migrated"] == 1
        raw.send_frame(TEXT, b"told")
        assert json.loads(raw.recv_frame()[1])["consumer"]["note"] == "kept"
