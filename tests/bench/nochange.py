# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that has nothing to do: the module on running instances against ``ansible.builtin.ping``.

    python tests/bench/nochange.py [ROUNDS]

Twenty dummy instances whose processes are sleepers: the module reads the same files, compares the
same configuration and checks the same processes as for real ones.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import show
from bench.plays import task_seconds

from callao.config import dump, effective, load
from callao.host import Host
from callao.instances import InstancePaths, Record, Runtime, fingerprint
from callao.instances.process_identity import identify
from callao.instances.records import write_json

INSTANCES = 20

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    {tasks}
"""

PAIR = """
    - name: ping
      ansible.builtin.ping:
      loop: "{{ range(20) | list }}"
    - name: instance
      callao.lima.instance:
        name: "dummy{{ item }}"
        template: debian-12
        cpus: 1
        memory: 1GiB
      register: result
      failed_when: result is changed
      loop: "{{ range(20) | list }}"
"""

IMPORTS = """
import json, sys, time
import ansible.module_utils.basic
began = time.perf_counter()
import callao.host, callao.config, callao.templates, callao.instances, callao.lifecycle, psutil
print(json.dumps(time.perf_counter() - began))
"""


def make_dummies(home: Path, process: subprocess.Popen[bytes]) -> None:
    """Folders that look like what a start leaves."""
    from callao.lifecycle import Request
    from callao.lifecycle.desired import desired

    host = Host.detect()
    for number in range(INSTANCES):
        name = f"dummy{number}"
        request = Request(name=name, template="debian-12", config={"cpus": 1, "memory": "1GiB"})
        wanted = desired(request, None, home, host, lock=None)
        assert wanted is not None
        paths = InstancePaths(home / name)
        paths.dir.mkdir(parents=True)
        paths.lima_yaml.write_text(dump(wanted.document))
        document = load(paths.lima_yaml.read_text(), name)
        config = effective(document, host, name=name, instance_dir=paths.dir)
        write_json(paths.callao_json, Record(template="debian-12"))
        identity = identify(process.pid)
        runtime = Runtime(
            agent=identity, driver=identity, ssh_port=40000 + number, booted=fingerprint(config), ready=True
        )
        write_json(paths.runtime, runtime)


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="callao-bench-") as folder:
        process = subprocess.Popen(["sleep", "3600"])
        try:
            home = Path(folder) / "home"
            make_dummies(home, process)
            play = PLAY.format(tasks=PAIR.strip() + "\n" + PAIR * (rounds - 1))
            taken = task_seconds(Path(folder), play, "all: {}\n", home)
        finally:
            process.kill()
            process.wait()
    pairs = zip(taken["instance"], taken["ping"], strict=True)
    extra = [1000 * (ours - theirs) / INSTANCES for ours, theirs in pairs]
    ping = 1000 * statistics.median(taken["ping"]) / INSTANCES
    median = statistics.median(extra)
    show(f"no change: a task beyond ping ({ping:.0f} ms)", f"+{median:.0f} ms", "<= +90 ms", median <= 90)
    argv = [sys.executable, "-c", IMPORTS]
    imports = [1000 * json.loads(subprocess.check_output(argv)) for _ in range(11)]
    median = statistics.median(imports)
    show("no change: imports beyond Ansible's own", f"{median:.0f} ms", "<= 60 ms", median <= 60)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
