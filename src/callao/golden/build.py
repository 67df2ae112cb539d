# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the image of a recipe once, under a lock, in a staging directory that is then renamed."""

from __future__ import annotations

import json
import math
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from callao.atomic import put_folder_in_place
from callao.errors import ImageError
from callao.flock import exclusive
from callao.golden.architectures import BOOT, grub_packages
from callao.golden.disk import GRUB, make_disk
from callao.golden.emulation import mmdebstrap_mode, with_emulator
from callao.golden.hooks import customize_hook, essential_hook, grub_hooks
from callao.golden.host import refuse_unfit
from callao.golden.recipe import Recipe, all_packages, recipe_key
from callao.golden.run import run
from callao.host_basics import native_arch

ReportStep = Callable[[str], None]

_BOOT_FILES = (("vmlinuz-", "vmlinuz"), ("vmlinux-", "vmlinuz"), ("initrd.img-", "initrd.img"))
"""How the names of files in /boot begin, and what they are called in the image's folder. Some
architectures have a kernel that is not compressed."""


@dataclass(frozen=True)
class Built:
    """An image and its parts; ``changed`` is whether this call built it."""

    changed: bool
    image: str
    kernel: str
    initrd: str
    release: str
    arch: str
    key: str


def find(wanted: Recipe, home: Path) -> Built | None:
    """The image of this recipe, if it has been built."""
    folder = _folder(wanted, home)
    return _result(wanted, folder, changed=False) if folder.is_dir() else None


def build(wanted: Recipe, home: Path, say: ReportStep) -> Built:
    """The image of this recipe, built unless it is there.

    :param say: called with a line for each step.
    :raises ImageError: when this host lacks something, or a tool fails; nothing is left then.
    """
    golden = home / "_golden"
    golden.mkdir(parents=True, exist_ok=True)
    with exclusive(
        golden / ".lock", math.inf, ImageError, lambda who: say(f"waiting for another run, {who}")
    ):
        there = find(wanted, home)
        if there is not None:
            return there
        target = _folder(wanted, home)  # by the files it is built from, whatever they are at the end
        refuse_unfit(wanted.arch, golden)
        _remove_abandoned(golden)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=golden) as folder:
            made = _build(wanted, Path(folder), say)
            put_folder_in_place(made, target)
    return _result(wanted, target, changed=True)


def _folder(wanted: Recipe, home: Path) -> Path:
    return home / "_golden" / f"debian-{wanted.release}-{recipe_key(wanted)}"


def _build(wanted: Recipe, folder: Path, say: ReportStep) -> Path:
    made = folder / "made"
    made.mkdir()
    scratch = folder / "scratch"
    scratch.mkdir()
    tar, raw = scratch / "root.tar", scratch / "disk.raw"
    say(f"installing {len(all_packages(wanted))} packages of Debian {wanted.release} (about a minute)")
    host_arch = native_arch()
    run(with_emulator(mmdebstrap_argv(wanted, tar, host_arch), wanted.arch, host_arch))
    say("making the disk")
    _boot_files(tar, made)
    make_disk(tar, raw, wanted.arch, scratch, GRUB if wanted.arch == host_arch else scratch / "grub")
    say("compressing")
    options = ["-c", "-O", "qcow2", "-o", "compression_type=zstd"]
    run(["qemu-img", "convert", *options, str(raw), str(made / f"debian-{wanted.release}.qcow2")])
    (made / "recipe.json").write_text(json.dumps(asdict(wanted), indent=2) + "\n")
    made.chmod(0o755)
    return made


def mmdebstrap_argv(wanted: Recipe, tar: Path, host_arch: str) -> list[str]:
    """See mmdebstrap(1). An ordinary user builds in a user namespace of its own."""
    foreign = wanted.arch != host_arch
    packages = grub_packages(wanted.arch).values() if foreign else ()
    grub = grub_hooks(packages, str(tar.parent)) if packages else []
    return [
        "mmdebstrap",
        f"--mode={mmdebstrap_mode(wanted.arch, host_arch)}",
        *(["--skip=check/qemu"] if foreign else []),  # it needs arch-test, and we look ourselves
        "--variant=minbase",
        f"--architectures={wanted.debian_arch}",
        f"--include={','.join(all_packages(wanted))}",
        f"--essential-hook={essential_hook(cloud_init=wanted.cloud_init)}",
        *(f"--customize-hook={hook}" for hook in grub),
        f"--customize-hook={customize_hook(BOOT[wanted.arch], cloud_init=wanted.cloud_init)}",
        "--aptopt=Acquire::Retries 3",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--format=tar",
        wanted.suite,
        str(tar),
        *([wanted.mirror] if wanted.mirror else []),
    ]


def _boot_files(tar: Path, folder: Path) -> None:
    """Copy the kernel and its initrd to the image's folder, for direct boots."""
    with tarfile.open(tar) as archive:
        for member in archive:
            name = Path(member.name).name
            for prefix, target in _BOOT_FILES:
                if member.isfile() and name.startswith(prefix):
                    source = archive.extractfile(member)
                    if source is not None:
                        with (folder / target).open("wb") as file:
                            shutil.copyfileobj(source, file)
    if not (folder / "vmlinuz").exists() or not (folder / "initrd.img").exists():
        raise ImageError("the new root has no kernel in /boot.")


def _result(wanted: Recipe, folder: Path, *, changed: bool) -> Built:
    return Built(
        changed=changed,
        image=str(folder / f"debian-{wanted.release}.qcow2"),
        kernel=str(folder / "vmlinuz"),
        initrd=str(folder / "initrd.img"),
        release=wanted.release,
        arch=wanted.arch,
        key=recipe_key(wanted),
    )


def _remove_abandoned(golden: Path) -> None:
    """Remove what a killed build has left; the caller holds the lock."""
    for path in golden.glob(".building-*"):
        shutil.rmtree(path, ignore_errors=True)
