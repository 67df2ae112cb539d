# SPDX-License-Identifier: GPL-3.0-or-later
"""Cold start: ``ensure(state=started)`` to ready, of the golden image and of the same with cloud-init; the
latter against bare QEMU, too.

    python tests/bench/cold.py [ROUNDS [CPUS]]

The machines have two CPUs if nothing else is said; by itself an instance has four, or as many as the host.
Bare means: an overlay, a cidata ISO with one user and one key, QEMU with the same firmware or kernel,
accelerator, CPU and memory; done when ssh has logged in and cloud-init has written its result. At the end
``systemd-analyze`` is shown of each image, in a guest that has come to its end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import say, seconds, show_ratio
from bench.report import reported
from support.home import Home, build_golden, temporary_home

from callao import cidata
from callao.ports import any_free
from callao.ssh import user_key


def bare(home: Home, folder: Path) -> None:
    """Boot by hand what the instance next door boots, and wait until it can be used."""
    folder.mkdir()
    key, port = user_key(home.path), any_free()
    seed = {
        "meta-data": b"instance-id: bare\nlocal-hostname: bare\n",
        "user-data": b"#cloud-config\nusers:\n- name: lima\n  sudo: ALL=(ALL) NOPASSWD:ALL\n"
        b"  shell: /bin/bash\n  ssh_authorized_keys: ['" + key.public.encode() + b"']\n",
    }
    cidata.write_iso(seed, folder / "cidata.iso")
    disk = folder / "disk.qcow2"
    base = ["-b", str(home.golden.disk), "-F", "qcow2"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, str(disk), "6G"], check=True)
    process = subprocess.Popen(_bare_argv(home, folder, disk, port))
    try:
        login = ["ssh", "-p", str(port), "-i", str(key.private), "-o", "StrictHostKeyChecking=no"]
        login += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60"]
        wait = "while [ ! -s /run/cloud-init/result.json ]; do sleep 0.4; done"
        while subprocess.run([*login, "lima@127.0.0.1", wait], capture_output=True, check=False).returncode:
            time.sleep(0.25)
    finally:
        process.kill()
        process.wait()


def _bare_argv(home: Home, folder: Path, disk: Path, port: int) -> list[str]:
    """The accelerator, machine, CPU, memory and firmware of the driver's own command line, and no more."""
    ours = json.loads((home.path / "measured.argv.json").read_text())
    kept = [ours[0]]
    for option in ("-accel", "-machine", "-cpu", "-smp", "-m", "-kernel", "-initrd", "-append"):
        if option in ours:
            kept += [option, ours[ours.index(option) + 1]]
    for index, word in enumerate(ours):
        if word == "-drive" and "if=pflash" in ours[index + 1]:
            kept += ["-drive", ours[index + 1].replace(str(home.path / "measured"), str(folder))]
    variables = home.path / "measured" / "qemu-efi-vars.fd"
    if variables.exists():
        (folder / variables.name).write_bytes(variables.read_bytes())
    drive = f"file={disk},if=none,id=d0,cache=writeback,discard=unmap"
    seed = f"file={folder / 'cidata.iso'},if=none,id=d1,format=raw,readonly=on"
    net = f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:22"
    return [
        *kept, "-display", "none", "-nodefaults", "-serial", f"file:{folder / 'serial.log'}",
        "-drive", drive, "-device", "virtio-blk-pci,drive=d0,bootindex=1",
        "-drive", seed, "-device", "virtio-blk-pci,drive=d1",
        "-netdev", net, "-device", "virtio-net-pci,netdev=n0", "-device", "virtio-rng-pci",
    ]  # fmt: skip


def copy_argv(home: Home) -> None:
    """Keep the running machine's command line for the bare one."""
    pid = int((home.path / "measured" / "qemu.pid").read_text())
    argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    (home.path / "measured.argv.json").write_text(json.dumps(argv))


def analysed(home: Home) -> str:
    """What systemd says of the boot, once all of it is over."""
    wait = "until systemctl is-system-running >/dev/null || [ $? -ne 1 ]; do sleep 1; done"
    look = "systemd-analyze time; systemd-analyze blame --no-pager | head -n 12"
    return home.ssh("measured", f"timeout 60 sh -c '{wait}'; {look}", timeout=120).stdout


def main(rounds: int, cpus: int) -> None:
    own: list[float] = []
    with_it: list[float] = []
    theirs: list[float] = []
    with (
        temporary_home(build_golden()) as golden,
        temporary_home(build_golden(cloud_init=True)) as with_cloud_init,
        reported("cold", golden) as quick,
        reported("cold-cloud-init", with_cloud_init) as home,
    ):
        for number in range(rounds):
            for each, times in ((quick, own), (home, with_it)):
                extra = {**each.direct(), "cpus": cpus}
                times.append(seconds(lambda: each.ensure("measured", timeout=600, extra=extra)))  # noqa: B023
                if number == rounds - 1:
                    say(analysed(each))
                if each is home:
                    copy_argv(home)
                    home.ensure("measured", state="stopped", force=True, template=None)
            theirs.append(seconds(lambda number=number: bare(home, home.path / f".bare-{number}")))
            quick.delete("measured")
            home.delete("measured")
            said = ", ".join(f"{times[-1]:.1f} s" for times in (own, with_it, theirs))
            say(f"round {number + 1}: golden, with cloud-init, bare QEMU with cloud-init: {said}")
    show_ratio("cold: golden to ready, against cloud-init", own, with_it, 0.40)
    show_ratio("cold: with cloud-init to ready, against bare QEMU", with_it, theirs, 1.05)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*numbers, *(3, 2)[len(numbers) :])
