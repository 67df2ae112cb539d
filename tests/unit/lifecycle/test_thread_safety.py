# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads that use the engine at once, in processes that have just begun: nothing is built yet."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CREATES = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from callao.events import silent
from callao.host import Host
from callao.lifecycle import Request, ensure
home, template = Path(sys.argv[1]), sys.argv[2]
begin = threading.Barrier(4)

def make(name):
    begin.wait()
    request = Request(name=name, template=template, state="present")
    return ensure(request, home=home, host=Host.detect(), check=False, report=silent).instance["cpus"]

with ThreadPoolExecutor(4) as pool:
    print(*pool.map(make, ["a", "b", "c", "d"]))
"""


@pytest.mark.parametrize("_round", range(3))
def test_four_creates_of_one_template_at_once(_round: int) -> None:
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        image, template = Path(folder) / "image.qcow2", Path(folder) / "box.yaml"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
        template.write_text(f"images: [{{location: {image}}}]\nvmType: qemu\ncpus: 3\nmemory: 1GiB\n")
        argv = [sys.executable, "-c", CREATES, f"{folder}/h", str(template)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.returncode) == (["3"] * 4, 0), done.stderr
