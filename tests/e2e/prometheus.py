"""Independent readers of metrics: Prometheus and promtool."""

import json
import subprocess
import urllib.parse
import urllib.request
from contextlib import contextmanager
from urllib.error import URLError

from support import DEADLINE, eventually, free_port


def lint(text):
    """The complaints of `promtool check metrics`."""
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=DEADLINE
    )
    return result.returncode, result.stdout + result.stderr


@contextmanager
def scraping(folder, admin):
    """Context manager for a Prometheus that scrapes a host. It evaluates PromQL expressions."""
    address = f"127.0.0.1:{free_port()}"
    job = {
        "job_name": "narrowboat",
        "authorization": {"credentials_file": str(admin.token_file)},
        "static_configs": [{"targets": [f"{admin.address}:{admin.port}"]}],
    }
    # JSON is valid YAML.
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]
    with open(folder / "prometheus.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)

    def ask(expression):
        query = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/query?{query}", timeout=DEADLINE) as answer:
                return json.load(answer)["data"]["result"]
        except (URLError, ConnectionError):
            return []

    try:
        eventually(lambda: ask("up"), "a first scrape", 60)
        yield ask
    finally:
        process.kill()
        process.wait()
