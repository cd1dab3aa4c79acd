"""Versions pinned by `sha256`: no other version runs."""

import hashlib

from admin import ADMIN, Admin


def sha256(bytes):
    return hashlib.sha256(bytes).hexdigest()


def test_a_pinned_version_runs(serve, component):
    pins = [sha256(component("echo").read_bytes())]
    host = serve(plugins={"echo": {"sha256": pins}})
    assert host.connect("/echo/").ask("hello") == "hello"


def test_another_version_does_not_start(narrowboat, component, tmp_path):
    config = tmp_path / "narrowboat.toml"
    config.write_text(
        f'[plugins.echo]\ncomponent = "{component("echo")}"\nsha256 = ["{"0" * 64}"]\n'
    )
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert "narrowboat.toml:3:" in result.stderr
    assert sha256(component("echo").read_bytes()) in result.stderr


def test_another_version_is_taken_neither_as_a_file_nor_by_upload(serve, component, tmp_path):
    echo, reply = component("echo").read_bytes(), component("reply").read_bytes()
    file = tmp_path / "echo.wasm"
    file.write_bytes(echo)
    table = {"component": str(file), "sha256": [sha256(echo), "f" * 64]}
    host = serve(plugins={"echo": table}, admin=ADMIN)
    client = host.connect("/echo/")
    since = len(host.log())
    file.write_bytes(reply)
    host.logged("plugins.echo.sha256: does not list " + sha256(reply), since)
    answer = Admin(host).ask("/v1/plugins/echo/versions", "POST", body=reply)
    assert answer.status == 422 and sha256(reply) in answer.body.decode()
    assert client.ask("still the first") == "still the first"


def test_an_invalid_hash_is_refused_at_start(narrowboat, tmp_path):
    config = tmp_path / "narrowboat.toml"
    config.write_text('[plugins.echo]\ncomponent = "echo.wasm"\nsha256 = ["ae5f"]\n')
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert "plugins.echo.sha256" in result.stderr and "64 hexadecimal digits" in result.stderr
