"""Runs `codex-pooler demo` for a test and speaks to what stands around it: simulator, metrics, process."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx2
from openai import AsyncOpenAI, OpenAI

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("CODEX_POOLER_BIN") or ROOT / "target/debug/codex-pooler").absolute()
MODEL = "gpt-5.5"
NAMES = {"BASE_URL", "KEY", "BACKEND_URL", "METRICS_URL", "SIMULATOR_CONTROL_URL"}

START = 30.0
STOP = 10.0
# Of one request, so that a hang is a failure and not a wait.
PATIENCE = 30.0


def wait_until(condition, what, timeout=10.0):
    """Waits until `condition()` is true, gives what it said, and fails with `what` when that takes too long."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)
    return value


class Demo:
    """One demo process on a directory of its own. A second `start` finds what the first one left."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.env_file = self.directory / "env"
        self.log = self.directory / "log"
        self.env = {}
        self.process = None
        self.clients = []

    def start(self):
        self.env_file.unlink(missing_ok=True)
        command = [BINARY, "demo", "--port", "0", "--data", self.directory / "data", "--env", self.env_file]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START
        while not NAMES <= self._read_env().keys():
            if not self._runs_on(0.05) or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"{BINARY} demo does not start:\n{self.log.read_text(errors='replace')[-4000:]}")
        self.control = httpx2.Client(base_url=self.env["SIMULATOR_CONTROL_URL"], timeout=PATIENCE)
        self.clients.append(self.control)
        return self

    def _read_env(self):
        if self.env_file.exists():
            lines = self.env_file.read_text().splitlines()
            self.env = dict(line.split("=", 1) for line in lines if "=" in line)
        return self.env if self.env_file.exists() else {}

    def _runs_on(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def stop(self, how=signal.SIGTERM):
        """Ends the process that `start` started; gives its exit code."""
        while self.clients:
            self.clients.pop().close()
        self.process.send_signal(how)
        if self._runs_on(STOP):
            self.process.kill()
        return self.process.wait()

    # What stands in the env file.

    @property
    def base_url(self):
        return self.env["BASE_URL"]

    @property
    def key(self):
        return self.env["KEY"]

    def client(self, **options):
        client = OpenAI(**{"base_url": self.base_url, "api_key": self.key, "timeout": PATIENCE, **options})
        self.clients.append(client)
        return client

    def async_client(self):
        return AsyncOpenAI(base_url=self.base_url, api_key=self.key, timeout=PATIENCE)

    # The simulator.

    def fault(self, *orders):
        """Orders faults, see docs/simulator.md, Control endpoint."""
        self._ask("POST", "/faults", json=list(orders))

    def heal(self):
        """Takes all orders back."""
        self._ask("DELETE", "/faults")

    def hits(self):
        """How many requests each fault has hit, in the order of the orders."""
        return [fault["hits"] for fault in self._ask("GET", "/faults")["faults"]]

    def asked(self, path="/backend-api/codex/responses"):
        """The requests that reached the simulator on this path, oldest first."""
        return [one for one in self._ask("GET", "/requests")["requests"] if one["path"] == path]

    def in_flight_upstream(self):
        return self._ask("GET", "/state")["in_flight"]

    def expire(self, account):
        """Makes the simulator refuse the access tokens that the account has now."""
        self._ask("POST", f"/accounts/{account}/expire")

    def _ask(self, method, path, **options):
        answer = self.control.request(method, path, **options)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    # The metrics.

    def metrics(self):
        """All samples, by name with labels."""
        answer = httpx2.get(self.env["METRICS_URL"], timeout=PATIENCE)
        assert answer.status_code == 200
        lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def requests_total(self, **labels):
        """`codex_pooler_requests_total`, summed over everything that has these labels."""
        wanted = [f'{name}="{value}"' for name, value in labels.items()]
        samples = self.metrics().items()
        own = [(name, value) for name, value in samples if name.startswith("codex_pooler_requests_total{")]
        return sum(value for name, value in own if all(label in name for label in wanted))
