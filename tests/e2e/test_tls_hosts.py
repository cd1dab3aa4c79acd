"""Certificates of tenants, which clients get by the name that they send."""

import json
import re
import socket
import ssl

import pytest

from admin import ADMIN, Admin
from certificates import certificate, write
from support import UPGRADE, configuration, eventually, toml


@pytest.fixture(scope="module")
def authority():
    return certificate("authority")


class Site:
    """A host with the certificate `host`, and the tenants `acme`, with a certificate of its own for acme.example and
    for .sub.example, and `bolt`, without one."""

    def __init__(self, serve, component, folder, authority):
        self.authority, self._component, self.folder = authority, component, folder
        write(folder, "ca", authority)
        self.renew("host", "host.example")
        self.renew("acme", "acme.example")
        self.tenants = {
            "acme": {
                "hosts": ["acme.example", ".sub.example"],
                "plugins": ["doorman"],
                "tls": self.files("acme"),
            },
            "bolt": {"hosts": ["bolt.example"], "plugins": ["doorman"]},
            "path": {"path": "/path", "plugins": ["doorman"]},
            "bare": {"hosts": ["bare.sub.example"], "plugins": ["doorman"]},
        }
        self.host = serve("doorman", tls=self.files("host"), tenants=self.tenants, admin=ADMIN)
        self.trusting = ssl.create_default_context(cafile=folder / "ca.pem")
        self.trusting.check_hostname = False

    def files(self, name):
        return {"cert": str(self.folder / f"{name}.pem"), "key": str(self.folder / f"{name}.key")}

    def renew(self, file, name):
        write(self.folder, file, certificate(name, self.authority))

    def open(self, name):
        """A TLS connection for which the client sends this name; `None` sends none."""
        tcp = socket.create_connection(("127.0.0.1", self.host.port))
        return self.trusting.wrap_socket(tcp, server_hostname=name)

    def shown(self, name):
        """The common name in the certificate for a name."""
        with self.open(name) as tls:
            return dict(part[0] for part in tls.getpeercert()["subject"])["commonName"]

    def status(self, name, host, path="/doorman/"):
        """The status of a handshake for `host` over a TLS connection for `name`."""
        with self.open(name) as tls:
            headers = "".join(f"{key}: {value}\r\n" for key, value in (UPGRADE | {"Host": host}).items())
            tls.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
            return int(tls.recv(4096).split()[1])

    def reload(self, tenants):
        config = configuration(self._component, "doorman", tls=self.files("host"), tenants=tenants, admin=ADMIN)
        self.host.config.write_text(toml(config))


@pytest.fixture
def site(serve, component, tmp_path, authority):
    return Site(serve, component, tmp_path, authority)


def test_a_client_gets_the_certificate_of_the_name_that_it_sends(site):
    expected = {
        "acme.example": "acme.example",
        "ACME.example": "acme.example",
        "sub.example": "acme.example",
        "deep.in.sub.example": "acme.example",
        "other.acme.example": "host.example",
        "bolt.example": "host.example",
        "bare.sub.example": "host.example",
        "below.bare.sub.example": "acme.example",
        "unknown.example": "host.example",
        None: "host.example",
    }
    assert {name: site.shown(name) for name in expected} == expected


def test_a_name_with_a_certificate_reaches_its_tenant_alone(site):
    assert site.status("acme.example", "acme.example") == 101
    assert site.status("sub.example", "acme.example") == 101
    for host, path in [("bolt.example", "/doorman/"), ("bare.sub.example", "/doorman/"), ("host.example", "/doorman/"), ("unknown", "/path/doorman/")]:
        assert site.status("acme.example", host, path) == 421, host


def test_a_tenant_without_a_certificate_is_reached_below_the_domain_of_another_one(site):
    assert site.status("bare.sub.example", "bare.sub.example") == 101
    assert site.status("below.bare.sub.example", "below.bare.sub.example") == 101
    assert site.status("below.bare.sub.example", "bare.sub.example") == 421


def test_a_name_without_a_certificate_reaches_the_tenant_that_the_request_names(site):
    for name in ["bolt.example", "unknown.example", None]:
        for host in ["acme.example", "bolt.example", "host.example"]:
            assert site.status(name, host) == 101, (name, host)


def test_a_renewed_certificate_is_for_its_tenant_alone(site):
    site.renew("acme", "renewed.example")
    eventually(lambda: site.shown("acme.example") == "renewed.example", "the renewed certificate")
    assert site.shown("bolt.example") == "host.example"
    site.host.logged(r"certificate reloaded table=\"?tenants.acme.tls\"?")
    of_host = re.search(r"(?m)certificate reloaded table=\"?tls\"?$", site.host.log())
    assert not of_host, "the certificate of the host has not changed"


def test_a_renewal_that_is_not_complete_is_told_with_both_files(site):
    other = certificate("acme.example", site.authority)
    write(site.folder, "other", other)
    (site.folder / "other.key").rename(site.folder / "acme.key")
    site.host.logged(r"tenants.acme.tls.key: the key in .*acme.key does not belong to the certificate in .*acme.pem; put")
    assert not re.search("certificate reloaded", site.host.log())
    (site.folder / "other.pem").rename(site.folder / "acme.pem")
    site.host.logged(r"certificate reloaded table=\"?tenants.acme.tls\"?")


def test_a_spoilt_certificate_of_a_tenant_leaves_its_old_one(site):
    (site.folder / "acme.pem").write_text("not a certificate\n")
    site.host.logged("cannot load a tenant's certificate .*its own from before.*tenants.acme.tls.cert: ")
    assert site.shown("acme.example") == "acme.example"
    [problem] = Admin(site.host).get("/v1/status")["secret_problems"]
    assert problem.startswith("tenants.acme.tls.cert: ")


def test_a_host_starts_without_the_certificate_of_a_tenant_and_takes_it_later(site, serve):
    (site.folder / "acme.key").unlink()
    site.host = serve("doorman", tls=site.files("host"), tenants=site.tenants)
    site.host.logged("cannot load a tenant's certificate .*the host's.*tenants.acme.tls.key: ")
    assert site.shown("acme.example") == "host.example"
    site.renew("acme", "acme.example")
    eventually(lambda: site.shown("acme.example") == "acme.example", "the certificate of the tenant")


def test_a_reload_adds_and_removes_certificates_and_no_connection_closes(site):
    site.host.url = lambda path="/": f"wss://127.0.0.1:{site.host.port}{path}"
    client = site.host.connect("/doorman/", ssl=site.trusting)
    site.renew("bolt", "bolt.example")
    bolt = site.tenants["bolt"] | {"tls": site.files("bolt")}
    acme = {key: value for key, value in site.tenants["acme"].items() if key != "tls"}
    site.reload(site.tenants | {"bolt": bolt, "acme": acme})
    eventually(lambda: site.shown("bolt.example") == "bolt.example", "the added certificate")
    assert site.shown("acme.example") == "host.example"
    assert json.loads(client.ask("scope"))["scheme"] == "wss"
