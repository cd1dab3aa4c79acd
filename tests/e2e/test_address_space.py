"""A host with little address space, as under `ulimit -v` or on a processor with few address bits, serves without
restrictions."""

import re
import resource

import pytest

from admin import ADMIN, Admin

GIB = 1 << 30


@pytest.mark.parametrize("size", [8, 64])
def test_without_room_for_a_pool_each_instance_is_mapped_as_it_starts(serve, size):
    bound = lambda: resource.setrlimit(resource.RLIMIT_AS, (size * GIB, size * GIB))
    host = serve("echo", "misbehave", process={"preexec_fn": bound})
    assert host.log().count("no address space for a pool") == 1, host.log()
    clients = [host.connect("/echo/") for _ in range(100)]
    for client in clients:
        assert client.ask("hello") == "hello"
    # A memory can grow to the same size as with a pool.
    hungry = host.connect("/misbehave/")
    hungry.send("hoard")
    assert hungry.ended()[0] == 1011
    host.logged("refused more than its memory of 64.0 MiB")
    assert clients[0].ask("still here") == "still here"


def test_with_little_address_space_a_pool_reserves_the_limit_of_each_memory(serve):
    # Less than 4 GiB for each of 10,256 instances, and more than 64 MiB.
    bound = lambda: resource.setrlimit(resource.RLIMIT_AS, (1024 * GIB, 1024 * GIB))
    host = serve("echo", "misbehave", admin=ADMIN, process={"preexec_fn": bound})
    assert "no address space" not in host.log()
    echo, hungry = host.connect("/echo/"), host.connect("/misbehave/")
    assert echo.ask("hello") == "hello"
    assert re.search(rb"^narrowboat_pool_instances [1-9]", Admin(host).ask("/metrics").body, re.MULTILINE)
    hungry.send("hoard")
    assert hungry.ended()[0] == 1011
    host.logged("refused more than its memory of 64.0 MiB")


def test_a_host_with_enough_address_space_logs_no_warning(serve):
    assert "no address space" not in serve("echo").log()
