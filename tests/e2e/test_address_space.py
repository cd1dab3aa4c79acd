"""A host with little address space, as under `ulimit -v` or on a processor with few address bits, serves without
restrictions."""

import resource

import pytest

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


def test_a_host_with_enough_address_space_logs_no_warning(serve):
    assert "no address space" not in serve("echo").log()
