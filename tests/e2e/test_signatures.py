"""Components run only with a signature by a trusted key."""

import base64
import re
import subprocess
import time

import pytest

import support
from admin import ADMIN, Admin
from signing import Signer, rsa_key, signature_of
from support import DEADLINE, Host, eventually, short, toml


@pytest.fixture
def site(narrowboat, component, tmp_path):
    """A host of the guest `traveller` that tests restart with different trusted keys. `release` and `other` are
    signers."""
    built = component("traveller")
    served = support.Travelling(built.read_bytes(), tmp_path / "traveller.wasm", {})
    served.release, served.other = Signer(tmp_path, "release"), Signer(tmp_path, "other")
    config = tmp_path / "narrowboat.toml"

    def configure(trusts, watch="events"):
        top = {"signatures": {"keys": [signer.public.name for signer in trusts]}} if trusts else {}
        plugins = {"traveller": {"component": served.file.name}}
        settings = support.configuration(component, plugins=plugins, admin=ADMIN, top=top, watch=watch)
        config.write_text(toml(settings))

    def start(trusts=(served.release,), **settings):
        configure(trusts, **settings)
        served.host = Host(narrowboat.binary, tmp_path, config)
        return served.host

    def does_not_start():
        """Runs a host that must not start, and returns its output."""
        configure([served.release])
        result = narrowboat("serve", "--config", config, "--listen", "127.0.0.1:0", timeout=DEADLINE)
        assert result.returncode == 2, result.stderr
        return result.stderr

    served.start, served.does_not_start = start, does_not_start
    served.put("v1")
    return served


def answers(host):
    return host.connect("/traveller/").ask("once").split()[0]


def is_live(host, version):
    eventually(lambda: answers(host) == version, f"{version} live")


def flipped(bytes):
    """Flips one bit in the middle."""
    middle = len(bytes) // 2
    return bytes[:middle] + (bytes[middle] ^ 1).to_bytes() + bytes[middle + 1 :]


# At the start.


def test_a_signed_component_is_served(site):
    site.release.sign(site.file)
    with site.start() as host:
        assert answers(host) == "v1"


def test_any_of_the_keys_is_enough(site):
    site.other.sign(site.file)
    with site.start(trusts=[site.release, site.other]) as host:
        assert answers(host) == "v1"


def test_a_signature_may_be_text(site):
    text = base64.encodebytes(site.release.signature(site.file.read_bytes()))
    signature_of(site.file).write_bytes(text)
    with site.start() as host:
        assert answers(host) == "v1"


def test_without_the_table_nobody_has_to_sign(site):
    signature_of(site.file).write_text("no signature")
    with site.start(trusts=[]) as host:
        assert answers(host) == "v1"
        site.put("v2")
        is_live(host, "v2")


# Invalid signatures: the component, the signature file, and the error.
UNSIGNED = {
    "without a signature": (
        lambda site, new: (new, None),
        r"traveller\.wasm is not signed: there is no .*traveller\.wasm\.sig",
    ),
    "with a bit changed": (
        lambda site, new: (flipped(new), site.release.signature(new)),
        r"traveller\.wasm is not signed by any of \[signatures\] keys \(.*release\.pub\)",
    ),
    "with a bit of its signature changed": (
        lambda site, new: (new, flipped(site.release.signature(new))),
        "is not signed by any of",
    ),
    "signed with another key": (
        lambda site, new: (new, site.other.signature(new)),
        "is not signed by any of",
    ),
    "with the signature of another version": (
        lambda site, new: (new, site.release.signature(site.version("v0"))),
        "is not signed by any of",
    ),
    "with something else beside it": (
        lambda site, new: (new, b"signed: the release manager"),
        r"traveller\.wasm is not signed: .*traveller\.wasm\.sig is not a signature .* 64 bytes",
    ),
}


def lay(site, component, signature):
    """Writes the signature file first, then replaces the component file."""
    signature_of(site.file).unlink(missing_ok=True)
    if signature is not None:
        signature_of(site.file).write_bytes(signature)
    site.write(component)


@pytest.mark.parametrize("what", UNSIGNED)
def test_a_component_is_refused_at_the_start(site, what):
    spoil, words = UNSIGNED[what]
    lay(site, *spoil(site, site.version("v1")))
    assert re.search(f'plugin "traveller": .*{words}', said := site.does_not_start()), said


# A file that changes.


@pytest.mark.parametrize("what", UNSIGNED)
def test_a_component_is_refused_as_a_file_that_changed(site, what):
    site.release.sign(site.file)
    with site.start() as host:
        client = site.connect()
        assert client.ask("once") == "v1 1 once"
        spoil, words = UNSIGNED[what]
        lay(site, *spoil(site, site.version("v2")))
        host.logged(f'deploy refused .*live="{short(site.version("v1"))}" .*{words}')
        assert client.ask("once") == "v1 2 once"


@pytest.mark.parametrize("watch", ["events", "poll"])
def test_the_signature_may_come_long_after_the_component(site, watch):
    site.release.sign(site.file)
    with site.start(watch=watch) as host:
        client = site.connect()
        assert client.ask("once") == "v1 1 once"
        # The file of the old signature still exists.
        assert "is not signed by any of" in site.refuse("v2")
        site.release.sign(site.file)
        host.logged(f"version is live .*version=\"{short(site.version('v2'))}\"")
        assert client.ask("once") == "v2 2 once"


def test_the_signature_may_come_before_the_component(site):
    site.release.sign(site.file)
    with site.start() as host:
        new = site.version("v2")
        signature_of(site.file).write_bytes(site.release.signature(new))
        host.silence(1)
        assert answers(host) == "v1"
        assert site.taken(new)
        assert "refused" not in host.log()


def test_a_signature_that_comes_at_once_is_waited_for(site):
    site.release.sign(site.file)
    with site.start() as host:
        site.put("v2")
        time.sleep(0.1)
        site.release.sign(site.file)
        is_live(host, "v2")
        assert "refused" not in host.log()


def test_a_file_that_is_signed_again_does_not_end_what_was_deployed(site):
    site.release.sign(site.file)
    with site.start(trusts=[site.release, site.other]) as host:
        new = site.version("v2")
        assert Admin(host).deploy("traveller", new, headers=site.release.header(new)).status == 200
        site.other.sign(site.file)
        host.silence(1)
        assert answers(host) == "v2"


def test_a_component_is_refused_before_it_is_read(site):
    site.release.sign(site.file)
    with site.start() as host:
        assert "is not signed by any of" in site.refused(b"not even WebAssembly")
        answer = Admin(host).deploy("traveller", b"not even WebAssembly")
        assert answer.status == 422 and "not signed" in answer.json()["error"]


# Uploads.


def test_a_signed_component_is_deployed_by_the_program(site, narrowboat, tmp_path):
    site.release.sign(site.file)
    with site.start() as host:
        client, admin = site.connect(), Admin(host)
        file = tmp_path / "new.wasm"
        file.write_bytes(site.version("v2"))
        unsigned = narrowboat("deploy", "traveller", file, *admin.arguments)
        assert unsigned.returncode == 3
        assert "the upload is not signed: the upload has no header Narrowboat-Signature" in unsigned.stderr
        assert "build the bundle with `narrowboat plugin build DIR`, sign the bundle, and deploy it" in unsigned.stderr
        site.release.sign(file)
        signed = narrowboat("deploy", "traveller", file, *admin.arguments)
        assert (signed.returncode, "and its signature" in signed.stderr) == (0, True), signed.stderr
        assert client.ask("once") == "v2 1 once"
        assert admin.states("traveller")[0] == (short(site.version("v2")), "live")


def test_a_file_beside_it_that_is_no_signature_is_told_by_the_program(site, narrowboat, tmp_path):
    site.release.sign(site.file)
    with site.start() as host:
        file = tmp_path / "new.wasm"
        file.write_bytes(site.version("v2"))
        signature_of(file).write_text("signed")
        result = narrowboat("deploy", "traveller", file, *Admin(host).arguments)
        assert result.returncode == 2 and "new.wasm.sig is not a signature" in result.stderr


def test_an_upload_is_refused_that_nobody_trusted_has_signed(site):
    site.release.sign(site.file)
    with site.start() as host:
        admin, new = Admin(host), site.version("v2")
        for component, headers in [
            (new, {}),
            (new, site.other.header(new)),
            (new, site.release.header(flipped(new))),
            (flipped(new), site.release.header(new)),
        ]:
            answer = admin.deploy("traveller", component, headers=headers)
            assert answer.status == 422 and "is not signed" in answer.json()["error"], answer.body
            assert admin.states("traveller")[0] == (short(component), "refused")
        assert answers(host) == "v1"
        # A version that was refused for its signature may be deployed again.
        assert admin.deploy("traveller", new, headers=site.release.header(new)).status == 200
        assert answers(host) == "v2"


@pytest.mark.parametrize("header", ["", "signed", "A" * 64, "A" * 86 + "=", "A" * 90 + "==", "é"])
def test_a_header_that_is_no_signature_is_answered_400(site, header):
    site.release.sign(site.file)
    with site.start() as host:
        headers = {"Narrowboat-Signature": header.encode()}
        answer = Admin(host).deploy("traveller", site.version("v2"), headers=headers)
        assert answer.status == 400 and "64 bytes" in answer.json()["error"], answer.body
        assert answers(host) == "v1"


def test_the_header_is_documented(site):
    site.release.sign(site.file)
    with site.start() as host:
        paths = Admin(host).get("/openapi.json")["paths"]
        parameters = paths["/v1/plugins/{plugin}/versions"]["post"]["parameters"]
        header = next(each for each in parameters if each["in"] == "header")
        assert header["name"] == "Narrowboat-Signature" and not header["required"]


# Stored versions.


def test_a_kept_version_is_signed_still_after_a_restart(site):
    site.release.sign(site.file)
    with site.start() as host:
        for plan in ("v2", "v3"):
            new = site.version(plan)
            answer = Admin(host).deploy("traveller", new, headers=site.release.header(new))
            assert answer.status == 200
        assert host.stop() == 0
    with site.start() as host:
        assert answers(host) == "v3"
        assert Admin(host).post("/v1/plugins/traveller/rollback").status == 200
        assert answers(host) == "v2"


def test_a_version_does_not_come_back_whose_key_was_taken_away(site):
    site.release.sign(site.file)
    with site.start(trusts=[site.release, site.other]) as host:
        for plan, signer in [("v2", site.other), ("v3", site.release)]:
            new = site.version(plan)
            assert Admin(host).deploy("traveller", new, headers=signer.header(new)).status == 200
        assert host.stop() == 0
    with site.start() as host:
        admin = Admin(host)
        assert answers(host) == "v3"
        answer = admin.post("/v1/plugins/traveller/rollback")
        assert answer.status == 422
        assert "the kept version is not signed by any of [signatures] keys" in answer.json()["error"]
        assert answers(host) == "v3"
        # It stays in the list as the previous version, in case the key returns.
        assert (short(site.version("v2")), "previous") in admin.states("traveller")


def test_a_start_serves_the_file_if_the_key_of_the_deployed_version_was_removed(site):
    site.release.sign(site.file)
    with site.start(trusts=[site.release, site.other]) as host:
        new = site.version("v2")
        assert Admin(host).deploy("traveller", new, headers=site.other.header(new)).status == 200
        assert host.stop() == 0
    with site.start() as host:
        assert answers(host) == "v1"
        assert re.search(r"is served instead .*the kept version is not signed by any", host.log())


def test_a_version_that_was_kept_without_a_signature_does_not_come_back(site):
    with site.start(trusts=[]) as host:
        assert Admin(host).deploy("traveller", site.version("v2")).status == 200
        assert host.stop() == 0
    site.put("v3")
    site.release.sign(site.file)
    with site.start() as host:
        assert answers(host) == "v3"
        answer = Admin(host).post("/v1/plugins/traveller/rollback")
        assert answer.status == 422
        assert "the kept version is not signed: the version was kept without a signature" in answer.json()["error"]


def test_a_file_that_is_signed_when_the_table_comes_can_come_back(site):
    with site.start(trusts=[]) as host:
        assert host.stop() == 0
    site.release.sign(site.file)
    with site.start() as host:
        admin, new = Admin(host), site.version("v2")
        assert admin.deploy("traveller", new, headers=site.release.header(new)).status == 200
        assert admin.post("/v1/plugins/traveller/rollback").status == 200
        assert answers(host) == "v1"


def test_a_file_that_lost_its_signature_does_not_keep_the_host_from_starting(site):
    site.release.sign(site.file)
    with site.start() as host:
        assert host.stop() == 0
    signature_of(site.file).unlink()
    site.put("v2")
    with site.start() as host:
        assert answers(host) == "v1"
        host.logged(r"cannot trust the file; .*traveller\.wasm error=is not signed: ")


def test_a_file_that_is_signed_while_the_host_is_down_is_live_then(site):
    site.release.sign(site.file)
    with site.start() as host:
        site.refuse("v2")
        assert host.stop() == 0
    site.release.sign(site.file)
    with site.start() as host:
        assert answers(host) == "v2"


# Keys.


def test_a_key_is_read_anew_for_each_version(site):
    site.release.sign(site.file)
    with site.start(trusts=[site.release, site.other]) as host:
        site.other.public.unlink()
        new = site.version("v2")
        answer = Admin(host).deploy("traveller", new, headers=site.other.header(new))
        assert answer.status == 422 and "other.pub" in answer.json()["error"]
        assert "signatures.keys" in answer.json()["error"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda site: site.release.public.unlink(), "No such file"),
        (lambda site: site.release.public.write_text(""), "is not a public key of Ed25519"),
        (lambda site: site.release.private.rename(site.release.public), "is not a public key of Ed25519"),
        (lambda site: site.release.public.write_bytes(rsa_key()), "is not a public key of Ed25519"),
    ],
)
def test_a_key_that_is_none_is_told_at_the_start_with_its_place(site, spoil, words):
    site.release.sign(site.file)
    spoil(site)
    said = site.does_not_start()
    assert re.search(r"narrowboat\.toml:\d+:\d+: signatures\.keys: .*release\.pub", said) and words in said


def openssl(command, *arguments):
    done = subprocess.run(["openssl", *command.split(), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_keys_and_signatures_of_openssl_are_as_good(site, narrowboat, tmp_path):
    private, public = tmp_path / "theirs.pem", tmp_path / "theirs.pub"
    openssl("genpkey -algorithm ed25519 -out", private)
    openssl("pkey -pubout -in", private, "-out", public)
    beside = signature_of(site.file)
    openssl("pkeyutl -sign -rawin -inkey", private, "-in", site.file, "-out", beside)
    made = beside.read_bytes()
    inspected = narrowboat("plugin", "inspect", site.file, "--key", public)
    assert inspected.returncode == 0 and "theirs.pub" in inspected.stdout
    site.other.public.write_bytes(public.read_bytes())
    with site.start(trusts=[site.other]) as host:
        assert answers(host) == "v1"
    # An Ed25519 signature is deterministic.
    private.chmod(0o600)
    signed = narrowboat("plugin", "sign", site.file, "--key", private)
    assert (signed.returncode, beside.read_bytes()) == (0, made), signed.stderr


def test_our_keys_and_signatures_are_good_for_openssl_and_the_host(site, narrowboat, tmp_path):
    made = narrowboat("plugin", "keygen", "ours", cwd=tmp_path)
    assert made.returncode == 0 and "ours.pem" in made.stdout and "ours.pub" in made.stdout
    private, public = tmp_path / "ours.pem", tmp_path / "ours.pub"
    assert private.stat().st_mode & 0o777 == 0o600
    signed = narrowboat("plugin", "sign", site.file, "--key", private)
    assert signed.stdout == f"{signature_of(site.file)}\n"
    beside = signature_of(site.file)
    openssl("pkeyutl -verify -rawin -pubin -inkey", public, "-in", site.file, "-sigfile", beside)
    again = tmp_path / "again.pub"
    openssl("pkey -pubout -in", private, "-out", again)
    assert again.read_bytes() == public.read_bytes()
    site.other.public.write_bytes(public.read_bytes())
    with site.start(trusts=[site.other]) as host:
        assert answers(host) == "v1"


@pytest.mark.parametrize("there", ["ours.pem", "ours.pub"])
def test_a_key_is_never_written_over(narrowboat, tmp_path, there):
    (tmp_path / there).write_text("a key")
    result = narrowboat("plugin", "keygen", "ours", cwd=tmp_path)
    assert result.returncode == 2 and there in result.stderr and "exists already" in result.stderr
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {there: "a key"}


def test_a_private_key_that_others_can_read_does_not_sign(site, narrowboat):
    site.release.private.chmod(0o640)
    result = narrowboat("plugin", "sign", site.file, "--key", site.release.private)
    assert result.returncode == 2 and "chmod 600" in result.stderr
    assert not signature_of(site.file).exists()


def test_a_file_that_is_not_a_private_key_does_not_sign(site, narrowboat):
    site.release.public.chmod(0o600)
    result = narrowboat("plugin", "sign", site.file, "--key", site.release.public)
    assert result.returncode == 2 and "is not a private key of Ed25519" in result.stderr


def test_inspect_says_whether_a_component_is_signed(site, narrowboat):
    inspect = lambda signer: narrowboat("plugin", "inspect", site.file, "--key", signer.public)
    unsigned = inspect(site.release)
    assert unsigned.returncode == 1 and "traveller.wasm.sig" in unsigned.stderr
    site.release.sign(site.file)
    signed = inspect(site.release)
    assert (signed.returncode, "release.pub" in signed.stdout) == (0, True)
    other = inspect(site.other)
    assert other.returncode == 1 and "is not a signature" in other.stderr and "sha256" in other.stdout


# The configuration.


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[signatures]\nkeys = []\n", 2, "signatures.keys: names no key"),
        ("[signatures]\n", 1, "`keys`"),
        ('[signatures]\nkeys = "release.pub"\n', 2, "signatures.keys"),
        ('[signatures]\nkey = ["release.pub"]\n', 2, "did you mean `keys`?"),
        (
            '[plugins.echo]\ncrate = "echo"\n[signatures]\nkeys = ["release.pub"]\n',
            2, "plugins.echo.crate: is built by the host",
        ),
    ],
)  # fmt: skip
def test_a_wrong_table_is_told_with_its_place(narrowboat, tmp_path, text, line, words):
    (tmp_path / "narrowboat.toml").write_text(text)
    for verb in ("serve", "dev"):
        result = narrowboat(verb, "--config", "narrowboat.toml", cwd=tmp_path)
        assert result.returncode == 2 and f"narrowboat.toml:{line}:" in result.stderr, result.stderr
        assert words in result.stderr
