"""Schedules of workers: runs at times of day, each once across hosts."""

import signal
import time
from contextlib import ExitStack

import pytest

from admin import ADMIN, Admin
from redis_server import Redis
from support import eventually, toml

EVERY_MINUTE = {"channel": "desk", "plugin": "clerk", "cron": "* * * * *"}


@pytest.fixture
def redis():
    with Redis() as redis:
        yield redis


@pytest.fixture
def serve(serving):
    """Starts hosts with a worker of the guest `clerk`, until the end of the test. Their `redis` has layers and keys."""

    with ExitStack() as stack:

        def start(worker, redis=None, **settings):
            shared = {"backend": "redis", "hosts": [redis.address]} if redis else {}
            top = {"keyvalue": {"backend": "redis", "hosts": [redis.address]}} if redis else {}
            options = {"plugins": {"clerk": {}}, "workers": [worker], "admin": ADMIN, "top": top} | settings
            return stack.enter_context(serving("commander", layer=shared, **options))

        yield start


def schedule(host):
    """The schedule of the first worker in the status."""
    return Admin(host).ask("/v1/status").json()["workers"][0]["schedule"]


def runs_of(host, count):
    """The next runs that workers report, each as words."""
    client = host.connect("/commander/")
    assert client.ask("add ticks") == "ok"
    return client, [client.recv(100).removeprefix("message: ").split() for _ in range(count)]


def test_three_hosts_run_each_minute_once(serve, redis):
    hosts = [serve(EVERY_MINUTE | {"timezone": "Europe/Berlin"}, redis) for _ in range(3)]
    client, runs = runs_of(hosts[0], 2)
    timestamps = [int(run[2]) for run in runs]
    assert timestamps[0] % 60 == 0 and timestamps[1] == timestamps[0] + 60
    assert {(run[0], run[3], run[4], run[5]) for run in runs} == {("run", "Europe/Berlin", "1", "false")}
    with pytest.raises(TimeoutError):
        client.recv(5)
    for host in hosts:
        eventually(lambda host=host: (schedule(host)["last_run"] or {}).get("state") == "succeeded", "the last run")


def test_at_least_once_repeats_a_run_that_fails(serve):
    worker = {"channel": "failing", "plugin": "clerk", "cron": "* * * * *", "at_least_once": True}
    host = serve(worker)
    _, runs = runs_of(host, 3)
    assert [run[4] for run in runs] == ["1", "2", "3"]
    assert len({run[2] for run in runs}) == 1
    eventually(lambda: schedule(host)["last_run"]["state"] == "succeeded", "the end of the run")
    figures = Admin(host).ask("/metrics").body.decode()
    labels = 'tenant="default",plugin="clerk",channel="failing"'
    assert f'narrowboat_schedule_runs_total{{{labels},result="failed"}} 2' in figures
    assert f'narrowboat_schedule_runs_total{{{labels},result="succeeded"}} 1' in figures


def test_at_least_once_another_host_repeats_the_run_of_one_that_is_killed(serve, redis):
    worker = {"channel": "stuck", "plugin": "clerk", "cron": "* * * * *", "at_least_once": True}
    limits = {"worker_time": "10m"}
    dying = serve(worker, redis, limits=limits)
    eventually(lambda: (schedule(dying)["last_run"] or {}).get("state") == "running", "the first run", 100)
    other = serve(worker, redis, limits=limits)
    client = other.connect("/commander/")
    assert client.ask("add ticks") == "ok"
    first = schedule(dying)["last_run"]
    dying.stop(signal.SIGKILL)
    run = client.recv(100).removeprefix("message: ").split()
    assert (run[1], run[4]) == (first["time"], "2")
    other.logged("host of a scheduled run has died")


def test_a_host_that_starts_again_goes_on_with_the_schedule_in_its_file(serve, tmp_path):
    settings = {"top": {"keyvalue": {"path": str(tmp_path / "keyvalue")}}}
    host = serve(EVERY_MINUTE, **settings)
    _, (before,) = runs_of(host, 1)
    eventually(lambda: schedule(host)["last_run"]["state"] == "succeeded", "the end of the run")
    last = schedule(host)["last_run"]
    host.stop(signal.SIGKILL)
    host = serve(EVERY_MINUTE, **settings)
    eventually(lambda: schedule(host)["last_run"] == last, "the last run, as the file has it")
    _, (after,) = runs_of(host, 1)
    assert int(after[2]) > int(before[2])
    assert 'result="missed"} 0' in Admin(host).ask("/metrics").body.decode()


def test_the_status_has_the_next_run(serve, narrowboat):
    host = serve({"channel": "desk", "plugin": "clerk", "cron": "@yearly", "timezone": "asia/tokyo"})
    year = time.gmtime(time.time() + 9 * 3600).tm_year + 1
    shown = schedule(host)
    assert shown["next_run"] == f"{year}-01-01T00:00:00+09:00"
    assert (shown["cron"], shown["timezone"], shown["last_run"]) == ("@yearly", "Asia/Tokyo", None)


def test_a_reload_changes_a_schedule_without_a_restart(serve):
    host = serve({"channel": "desk", "plugin": "clerk", "cron": "0 0 1 1 *"})
    client = host.connect("/commander/")
    text = host.config.read_text().replace("0 0 1 1 *", "0 0 2 2 *")
    host.config.write_text(text)
    eventually(lambda: "-02-02T00:00:00+00:00" in schedule(host)["next_run"], "the next run of the new schedule")
    assert client.ask("channel")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"cron": "0 25 * * *"}, 'field 2 (hour), "25"'),
        ({"cron": "0 0 8 * * *"}, "has 6 fields; write five"),
        ({"cron": "@daily", "timezone": "Europe/Berlyn"}, 'did you mean "Europe/Berlin"?'),
        ({"cron": "@daily", "every": "10s"}, "either `every` or `cron`"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_place(narrowboat, component, tmp_path, keys, problem):
    file = tmp_path / "narrowboat.toml"
    plugins = {"clerk": {"component": str(component("clerk")), "grants": "all"}}
    worker = {"channel": "desk", "plugin": "clerk"} | keys
    file.write_text(toml({"plugins": plugins, "workers": [worker]}))
    result = narrowboat("serve", "--config", file)
    assert result.returncode == 2
    assert problem in result.stderr


PYTHON = """
from channels.consumer import AsyncConsumer

class Reports(AsyncConsumer):
    async def worker_cron(self, event):
        await self.channel_layer.group_send("reports", {"type": "report", "time": event["time"]})
"""

PYTHON_TEST = """
from narrowboat.testing import Channel, advance, set_time

def test_the_report_of_the_night_without_that_hour():
    channel = Channel()
    channel.join("reports")
    set_time("2026-03-28T12:00:00+01:00")
    advance(14 * 3600 + 1)
    assert channel.receive() == {"type": "report", "time": "2026-03-29T03:00:00+02:00"}
    advance(23.5 * 3600)
    assert channel.receive() == {"type": "report", "time": "2026-03-30T02:30:00+02:00"}

def test_a_test_begins_with_the_year_2026():
    channel = Channel()
    channel.join("reports")
    advance(1.5 * 3600 + 1)
    assert channel.receive()["time"] == "2026-01-01T02:30:00+01:00"
"""

JAVASCRIPT = """
import { Worker, group } from "narrowboat";

export class Reports extends Worker {
  onWorkerCron({ time }) {
    group("reports").send({ type: "report", time });
  }
}
"""

JAVASCRIPT_TEST = """
import { Channel, advance, expect, setTime, test } from "narrowboat/testing";

test("the report of the night without that hour", () => {
  const channel = new Channel();
  channel.group("reports").join();
  setTime("2026-03-28T12:00:00+01:00");
  advance({ hours: 14, seconds: 1 });
  expect(channel.receive()).toEqual({ type: "report", time: "2026-03-29T03:00:00+02:00" });
  advance({ hours: 23, minutes: 30 });
  expect(channel.receive()).toEqual({ type: "report", time: "2026-03-30T02:30:00+02:00" });
});
"""


@pytest.mark.parametrize(
    ("runtime", "files"),
    [
        ("python", {"consumers.py": PYTHON, "test_reports.py": PYTHON_TEST}),
        ("javascript", {"consumers.js": JAVASCRIPT, "reports.test.js": JAVASCRIPT_TEST}),
    ],
)
def test_a_test_of_a_plugin_advances_its_schedule(narrowboat, tmp_path, runtime, files):
    manifest = {
        "name": "reports",
        "runtime": runtime,
        "worker": "consumers:Reports",
        "capabilities": {"groups": ["*"]},
    }
    folder = tmp_path / "reports"
    folder.mkdir()
    for name, text in (files | {"plugin.toml": toml(manifest)}).items():
        (folder / name).write_text(text)
    worker = {"channel": "reports", "plugin": "reports", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    plugins = {"reports": {"source": "reports", "grants": "all"}}
    (tmp_path / "narrowboat.toml").write_text(toml({"plugins": plugins, "workers": [worker]}))
    done = narrowboat("test", folder)
    assert done.returncode == 0, done.stdout + done.stderr
