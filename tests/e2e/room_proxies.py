"""The proxies that send each room to its host, with the configurations of the book."""

import re
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

from book import ROOT, blocks
from support import eventually, free_port

PAGE = ROOT / "docs/how-to/run-rooms-on-several-hosts.md"
NGINX = """
pid {folder}/nginx.pid;
error_log {folder}/log;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{text}
}}
"""


def documented(language, hosts, port):
    """The configuration in the book, with these hosts, and this port of the proxy."""
    (block,) = [block for block in blocks(PAGE) if block.language == language]
    text, ports = block.code, iter(host.port for host in hosts)
    text, count = re.subn(r"10\.0\.0\.1\d:8000", lambda _: f"127.0.0.1:{next(ports)}", text)
    assert count == len(hosts)
    text, count = re.subn(r"(listen |bind :)80\b", lambda found: f"{found[1].replace(':', '127.0.0.1:')}{port}", text)
    assert count == 1
    return text


def command(kind, folder: Path, text):
    if kind == "nginx":
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, text=text))
        return ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "log"]
    (folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", folder / "haproxy.cfg"]


@contextmanager
def room_proxy(kind, hosts, folder):
    """Context manager for a proxy in front of hosts. Returns its port."""
    port = free_port()
    arguments = command(kind, folder, documented(kind, hosts, port))
    with open(folder / "output", "w") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output)
    try:
        eventually(lambda: listens(process, port, folder), f"{kind} listening")
        yield port
    finally:
        process.terminate()
        process.wait()


def listens(process, port, folder):
    assert process.poll() is None, (folder / "output").read_text()
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return False
    return True
