"""`narrowboat dev` serves plugins in Python from their folders, and takes their changes."""

import zipfile

import pytest

from develop import SourcePlugin
from support import eventually


@pytest.fixture
def develop(develop_source):
    return develop_source


def answers(client, text):
    """Waits until a connection answers with a text."""
    eventually(lambda: client.ask("hello") == text, f"the answer {text!r}")


def serves_at(host, path):
    """Waits until a new connection to a path is served, and returns it."""

    def is_served():
        raw = host.tcp()
        raw.request(path)
        return raw.response().status == 101

    eventually(is_served, f"an acceptance at {path}")
    return host.connect(path)


def only_package(folder, name, code):
    """The environment in which installers find one package, in version 1.0, and use no index."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    places = {"NO_INDEX": "1", "FIND_LINKS": str(folder)}
    return {f"{installer}_{key}": value for installer in ("PIP", "UV") for key, value in places.items()}


def test_a_source_folder_is_served_and_watched(develop, source_plugin):
    host = develop().listens()
    assert host.connect("/").ask("hello") == "hello"
    host.says(f"watching .*plugins/{source_plugin.name}\n")
    assert "building" not in host.stdout()


def test_a_changed_source_answers_on_an_open_connection(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.answers("'changed'")
    answers(client, "changed")


def test_a_syntax_error_is_reported_with_its_line_until_it_is_corrected(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.answers("'unclosed")
    host.logged(r"deploy refused .*echo\.py:6")
    assert client.ask("hello") == "hello"
    source_plugin.answers("'corrected'")
    answers(client, "corrected")


def test_an_error_of_an_import_is_reported_with_its_line(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.module.write_text("import no_such_module\n" + source_plugin.module.read_text())
    host.logged(r"(?s)deploy refused .*echo\.py:1")
    assert client.ask("hello") == "hello"


def test_a_consumer_that_cannot_be_saved_restarts_by_default(develop, source_plugin):
    source_plugin.answers("text_data)\n        self.call = (lambda: 1")
    host = develop().listens()
    client = host.connect("/")
    assert client.ask("hello") == "hello"
    source_plugin.answers("'changed'")
    host.logged("version is live .*restarted=1")
    assert client.ask("hello") == "changed"
    assert "refused" not in host.log()


def test_the_configuration_may_keep_a_consumer_that_cannot_be_saved(develop, source_plugin):
    source_plugin.answers("text_data)\n        self.call = (lambda: 1")
    source_plugin.requests('isolation = "connection"')
    source_plugin.config.write_text(source_plugin.tables("/", on_failed_move='"keep-old"'))
    host = develop().listens()
    client = host.connect("/")
    assert client.ask("hello") == "hello"
    source_plugin.answers("'changed'")
    host.logged("version is live .*kept_old=1")
    assert client.ask("hello") == "hello"


def test_a_source_that_is_wrong_at_the_start_is_served_once_it_is_corrected(develop, source_plugin):
    source_plugin.answers("'unclosed")
    host = develop().listens()
    host.logged(r"it is not served .*echo\.py:6")
    assert "this plugin is not available now" in host.refuses("/")
    source_plugin.answers("'corrected'")
    assert serves_at(host, "/").ask("hello") == "corrected"


def test_a_plugin_whose_manifest_appears_later_is_served(develop, source_plugin):
    source_plugin.manifest.unlink()
    host = develop().listens()
    host.logged(r"it is not served .*plugin\.toml: ")
    source_plugin.requests("")
    assert serves_at(host, "/").ask("hello") == "hello"


def test_a_new_source_plugin_in_the_configuration_is_served(develop, source_plugin, tmp_path):
    host = develop().listens()
    client, seen = host.connect("/"), len(host.stdout())
    other = SourcePlugin(tmp_path, "other")
    other.config.write_text(source_plugin.tables("/") + other.tables("/other/"))
    assert serves_at(host, "/other/").ask("hello") == "hello"
    host.says("watching .*plugins/other", seen)
    assert client.ask("hello") == "hello"


def test_a_requested_capability_is_granted_at_once(develop, source_plugin):
    source_plugin.config.write_text(source_plugin.tables("/", grants='"all"'))
    host = develop().listens()
    client = host.connect("/")
    source_plugin.requests('[capabilities]\ngroups = ["room.*"]')
    host.logged('version is live .*requested_by="file"')
    assert client.ask("hello") == "hello"
    assert "refused" not in host.log() and "approv" not in host.log()


def test_a_capability_that_is_not_granted_is_refused_until_the_configuration_grants_it(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.requests("[capabilities]\nlog = true")
    host.logged(r"refused.*narrowboat\.toml:1:.*log = true")
    assert client.ask("hello") == "hello"
    since = len(host.log())
    source_plugin.config.write_text(source_plugin.tables("/", grants="{ log = true }"))
    host.logged("plugin is ready", since)


def test_another_isolation_loads_the_plugin_again(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.requests('isolation = "connection"')
    host.logged('plugin is ready .*isolation="connection"')
    assert client.ended()[0] == 1012
    assert host.connect("/").ask("hello") == "hello"
    source_plugin.answers("'changed'")
    answers(host.connect("/"), "changed")
    assert "refused" not in host.log()


def test_another_name_in_the_manifest_loads_the_plugin_again(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.manifest.write_text('name = "renamed"\nruntime = "python"\n')
    host.logged("plugin is ready")
    assert client.ended()[0] == 1012
    assert "right component" not in host.log()


def test_a_plugin_that_cannot_be_loaded_again_goes_on_until_its_correction(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.answers("'unclosed")
    source_plugin.requests('isolation = "connection"')
    host.logged(r"it goes on as it was .*echo\.py:6")
    assert client.ask("hello") == "hello"
    source_plugin.answers("'corrected'")
    host.logged('plugin is ready .*isolation="connection"')
    assert host.connect("/").ask("hello") == "corrected"


def test_a_wrong_manifest_is_reported_with_its_line_and_the_old_version_serves(develop, source_plugin):
    host = develop().listens()
    client = host.connect("/")
    source_plugin.requests('isolaton = "shared"')
    host.logged(f"(?s)cannot read the changed file .*{source_plugin.manifest}: .*line 3.*isolaton")
    assert client.ask("hello") == "hello"
    source_plugin.requests("")
    source_plugin.answers("'corrected'")
    answers(client, "corrected")


def test_packages_are_installed_before_the_folder_is_packed(develop, source_plugin, tmp_path):
    host = develop(environment=only_package(tmp_path, "greeting", "HELLO = 'from a package'")).listens()
    client = host.connect("/")
    source_plugin.answers("__import__('greeting').HELLO")
    (source_plugin.folder / "requirements.txt").write_text("greeting==1.0\n")
    host.logged("installing packages .*requirements.txt")
    answers(client, "from a package")


def test_packages_that_cannot_be_installed_are_reported_and_the_old_version_serves(develop, source_plugin, tmp_path):
    host = develop(environment=only_package(tmp_path, "greeting", "")).listens()
    client = host.connect("/")
    (source_plugin.folder / "requirements.txt").write_text("absent==1.0\n")
    host.logged(r"cannot read the changed file .*could not install the packages of .*requirements\.txt")
    assert client.ask("hello") == "hello"
    (source_plugin.folder / "requirements.txt").unlink()
    source_plugin.answers("'corrected'")
    answers(client, "corrected")
