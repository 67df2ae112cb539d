# SPDX-License-Identifier: GPL-3.0-or-later
"""``python tests/bench/storm.py``: kill -9 of client, host agent and QEMU at random moments, in many rounds.

Each round runs one command, or two at once, on a LIMA_HOME that is a small file system, and hits one of its
processes. Some rounds have no space, some a clock that has stepped, some another user who looks on. After
each round every instance works, or can be deleted; at the end nothing is left. The guests are boot sectors
that write: nothing here waits for a real one. Needs root, for the file system. A seed repeats the choices,
and not the moments.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.writer import make_disk, small_file_system

SPACE = 96 << 20
"""Bytes of the file system."""

CLEAR = 20
"""Rounds after which all is deleted, so that what is left over is found close to where it came from."""

PATIENCE = 180.0
"""Seconds after which a command counts as stuck; none of them waits longer for anything on purpose."""

SETTLE = 60.0
"""Seconds for what a blow has left to end or to stand."""

NAMES = ("a", "b", "c")
NOBODY = 65534

COMMANDS: dict[str, tuple[str, ...]] = {
    "create": ("create", "--name", "{one}", "{template}"),
    "start": ("start", "{one}", "--timeout", "2"),
    "create and start": ("start", "--name", "{one}", "{template}", "--timeout", "2"),
    "stop": ("stop", "{one}"),
    "stop --force": ("stop", "--force", "{one}"),
    "restart": ("restart", "--force", "{one}", "--timeout", "2"),
    "snapshot create": ("snapshot", "create", "{one}", "--tag", "s"),
    "snapshot apply": ("snapshot", "apply", "{one}", "--tag", "s"),
    "snapshot delete": ("snapshot", "delete", "{one}", "--tag", "s"),
    "clone": ("clone", "{one}", "{other}"),
    "factory-reset": ("factory-reset", "{one}"),
    "edit": ("edit", "{one}", "--cpus", "2"),
    "rename": ("rename", "{one}", "{other}"),
    "delete": ("delete", "--force", "{one}"),
    "prune": ("prune",),
    "list": ("list", "--json"),
}

TEMPLATE = """\
vmType: qemu
arch: x86_64
images:
- {{location: {image}, arch: x86_64}}
firmware: {{legacyBIOS: true}}
memory: 64MiB
cpus: 1
disk: 32MiB
mounts: []
hostResolver: {{enabled: false}}
"""


class Failed(AssertionError):
    """An instance, a command or a folder is not as it must be."""


@dataclass
class Storm:
    """One home under fire."""

    home: Path
    chance: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    lasted: dict[str, float] = field(default_factory=dict)
    """Seconds that a command took when nobody hit it."""

    def begin(self) -> None:
        make_disk(self.home / "image.qcow2")
        (self.home / "box.yaml").write_text(TEMPLATE.format(image=self.home / "image.qcow2"))
        self.home.chmod(0o755)

    def round(self) -> str:
        """One; returns what was done, for people."""
        names = self.chance.sample(sorted(COMMANDS), self.chance.choice((1, 1, 1, 2)))
        blow = self.chance.choice(("client", "client", "agent", "qemu", "none"))
        weather = self.chance.choice(("", "", "", "no space", "clock", "another user"))
        self.counts.update([*names, f"hit: {blow}", *([f"weather: {weather}"] if weather else [])])
        with self._weather(weather) as prefix:
            clients = {name: self._begun(name, prefix) for name in names}
            longest = max(self.lasted.get(name, 3.0) for name in names)
            time.sleep(self.chance.uniform(0.0, 1.1 * longest))
            self._hit(blow, next(iter(clients.values())))
            for name, client in clients.items():
                self._ended(name, client, hit=blow)
        self._check()
        return f"{' and '.join(names)}; {blow} hit{f'; {weather}' if weather else ''}"

    def end(self) -> None:
        """Every instance deleted: nothing may be left."""
        for name in self._instances():
            self._must("delete", "--force", name)
        self._must("prune")
        left = [path.name for path in self.home.iterdir() if not path.name.startswith("_")]
        if sorted(left) != ["box.yaml", "image.qcow2"]:
            raise Failed(f"left in the home: {left}")
        if ours := self._processes():
            raise Failed(f"still running: {ours}")

    def _words(self, name: str) -> list[str]:
        one, other = self.chance.sample(NAMES, 2)
        template = str(self.home / "box.yaml")
        return [word.format(one=one, other=other, template=template) for word in COMMANDS[name]]

    def _begun(self, name: str, prefix: list[str]) -> subprocess.Popen[str]:
        return self._popen(self._words(name), prefix)

    def _popen(self, words: list[str], prefix: list[str] | None = None) -> subprocess.Popen[str]:
        argv = [*(prefix or []), sys.executable, "-m", "callao.cli.main", "--tty=false", *words]
        environment = {**os.environ, "LIMA_HOME": str(self.home)}
        return subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _ended(self, name: str, client: subprocess.Popen[str], hit: str) -> tuple[int, str]:
        began = time.monotonic()
        try:
            said, _ = client.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            client.kill()
            said, _ = client.communicate()
            raise Failed(f"{name}: stuck; it said: {said}") from None
        if "Traceback" in said:
            raise Failed(f"{name}: {said}")
        if hit == "none" and client.returncode == 0:
            self.lasted[name] = min(20.0, time.monotonic() - began + self.lasted.get(name, 0.0) / 2)
        return client.returncode, said

    def _must(self, *words: str) -> str:
        """A command that has to end well."""
        status, said = self._ended(" ".join(words), self._popen(list(words)), hit="check")
        if status != 0:
            raise Failed(f"callao {' '.join(words)}: status {status}: {said}")
        return said

    @contextlib.contextmanager
    def _weather(self, what: str) -> Iterator[list[str]]:
        """What the round suffers under; yields the words before its commands."""
        match what:
            case "no space":
                ballast = self.home / "ballast"
                with contextlib.suppress(OSError), ballast.open("wb") as file:
                    while True:
                        file.write(bytes(1 << 16))
                        file.flush()
                try:
                    yield []
                finally:
                    ballast.unlink()
            case "clock":
                stepped = self.home / "_stat"
                lines = Path("/proc/stat").read_text().splitlines()
                step = self.chance.choice((-10, 5, 3600))
                moved = [
                    f"btime {int(each.split()[1]) + step}" if each.startswith("btime") else each
                    for each in lines
                ]
                stepped.write_text("\n".join([*moved, ""]))
                script = 'mount --bind "$0" /proc/stat && exec "$@"'
                yield ["unshare", "--mount", "sh", "-c", script, str(stepped)]
                stepped.unlink()
            case "another user":
                words = self._words(self.chance.choice(sorted(COMMANDS)))
                # One who may look, as at Python itself where that is root's, and in some rounds write too.
                may = self.chance.choice(("+dac_read_search", "+dac_read_search,+dac_override"))
                caps = [f"--inh-caps={may}", f"--ambient-caps={may}"]
                prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *caps]
                other = self._popen(words, prefix)
                yield []
                self._ended(f"as another user: {' '.join(words)}", other, hit="check")
            case _:
                yield []

    def _hit(self, who: str, client: subprocess.Popen[str]) -> None:
        if who == "client":
            client.kill()
        file = {"agent": "ha.pid", "qemu": "qemu.pid"}.get(who)
        for path in self.home.glob(f"[a-z]*/{file}") if file else ():
            with contextlib.suppress(ValueError, OSError):
                os.kill(int(path.read_text()), signal.SIGKILL)

    def _check(self) -> None:
        """Nobody is half alive, and each instance does what it is there for, or goes."""
        deadline = time.monotonic() + SETTLE
        while (torn := self._torn()) or (strays := self._strays()):
            if time.monotonic() > deadline:
                raise Failed(f"neither up nor down: {torn}" if torn else f"of no instance: {strays}")
            time.sleep(0.1)
        for name in self._instances():
            if self.chance.random() < 0.3:
                self._must("delete", "--force", name)
                self.counts["deleted"] += 1
            elif self.chance.random() < 0.3:
                self._works(name)
                self.counts["worked"] += 1
        for log in self.home.glob("[a-z]*/ha.stderr.log"):
            with contextlib.suppress(OSError):
                if "Traceback" in (text := log.read_text(errors="replace")):
                    raise Failed(f"{log}: {text}")

    def _works(self, name: str) -> None:
        """Its machine comes up, as far as one can without a guest, and goes off."""
        self._must("stop", "--force", name)
        status, said = self._ended("start", self._popen(["start", name, "--timeout", "1"]), hit="check")
        if status != 1 or "sshd" not in said:
            raise Failed(f"start {name}: status {status}: {said}")
        self._must("stop", "--force", name)

    def _instances(self) -> list[str]:
        said = self._must("list", "--json")
        return [json.loads(line)["name"] for line in said.splitlines() if line.startswith("{")]

    def _torn(self) -> dict[str, str]:
        """Instances of which the agent lives without its machine, or the machine without its agent."""
        found = {}
        for folder in self.home.glob("[a-z]"):
            lives = {file for file in ("ha.pid", "qemu.pid") if _lives(folder / file)}
            if len(lives) == 1:
                found[folder.name] = next(iter(lives))
        return found

    def _strays(self) -> list[str]:
        """Processes of the home that are no host agent or machine of an instance, nor children of one."""
        known: set[int] = set()
        for path in self.home.glob("[a-z]/*.pid"):
            with contextlib.suppress(OSError, ValueError, psutil.Error):
                process = psutil.Process(int(path.read_text()))
                known |= {process.pid, *(child.pid for child in process.children(recursive=True))}
        return self._processes(known)

    def _processes(self, known: Collection[int] = ()) -> list[str]:
        """Command lines of all those of the home, but for the known ones."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                ours = str(self.home) in line or process.environ().get("LIMA_HOME") == str(self.home)
                if ours and process.pid not in known and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"pid {process.pid}: {line}")
        return found


def _lives(pid_file: Path) -> bool:
    try:
        return psutil.Process(int(pid_file.read_text())).status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return False


def storm(rounds: int, seed: int, tell: Callable[[str], object]) -> Counter[str]:
    """Returns how often what happened.

    :param tell: hears of each round.

    :raises Failed: with the round that did it.
    """
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as place:
        home = Path(place)
        with small_file_system(home, SPACE):
            run = Storm(home, random.Random(seed))
            run.begin()
            try:
                for number in range(rounds):
                    try:
                        done = run.round()
                        if number % CLEAR == CLEAR - 1:
                            run.end()
                    except Failed as error:
                        raise Failed(f"round {number} of seed {seed}: {error}") from error
                    tell(f"{number}: {done}\n")
                run.end()
            finally:
                for process in psutil.process_iter():
                    with contextlib.suppress(psutil.Error):
                        if process.environ().get("LIMA_HOME") == str(home):
                            process.kill()
    return run.counts


def main() -> int:
    """Returns the process's exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    try:
        counts = storm(arguments.rounds, arguments.seed, sys.stderr.write)
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for what, count in sorted(counts.items()):
        sys.stdout.write(f"{count:5} {what}\n")
    sys.stdout.write(f"{arguments.rounds} rounds, seed {arguments.seed}: nothing lost, nothing left\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
