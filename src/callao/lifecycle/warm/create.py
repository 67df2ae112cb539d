# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates an instance that resumes from the saved memory of an equal one, in place of booting.

The first of a kind boots, is provisioned, and is saved under a key of all its inputs. Each later one has a
layer on its disk, a copy or a mapping of its memory, and an identity of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from callao import cidata
from callao.config import Config, MountType, effective, mac_address
from callao.config.schema import SSH
from callao.drivers import SPARE_SLOTS, WARM_SLOTS, Boot, RestoringDriver, driver_for
from callao.errors import CallaoError, InstanceError
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.images import FetchedImage
from callao.instances import Desired, Instance, InstancePaths, MachineLayout, Record, ResumeState, inspect
from callao.instances.records import read_json
from callao.lifecycle.backing_files import repair_backing_files
from callao.lifecycle.create import DiskSource, create
from callao.lifecycle.delete import delete
from callao.lifecycle.fetch_image import fetch_image
from callao.lifecycle.parent_pipe import parent_pipe
from callao.lifecycle.prune import files_in_use
from callao.lifecycle.snapshots.save import save, too_few_slots
from callao.lifecycle.start import authorized_keys, start
from callao.lifecycle.warm.limit import trim_cache
from callao.lifecycle.warm.staging import SOURCE_NAME, remove_staging_home
from callao.offline import NetworkAccess
from callao.snapshots.warm_cache import WarmEntry, WarmRecord

_PER_INSTANCE_FIELDS = frozenset({
    "additionalDisks", "mounts", "mountInotify", "networks", "portForwards", "probes", "message",
    "copyToHost", "hostname", "secrets",
})  # fmt: skip
"""Fields of lima.yaml that each copy has for itself; they are not part of the saved machine."""


def create_warm(
    wanted: Desired, *, home: Path, host: Host, access: NetworkAccess, timeout: float, report: Reporter
) -> ResumeState | None:
    """Create the instance; where it cannot be warm, as one that boots, with a notice.

    :returns: the saved state that its start resumes from; None where it boots.
    :raises CallaoError: when the instance cannot be created.
    """
    reason = _why_not_warm(wanted, host)
    if not reason:
        try:
            return _create_warm(wanted, home=home, host=host, access=access, timeout=timeout, report=report)
        except (CallaoError, TimeoutError) as error:
            reason = str(error)
    create_cold(wanted, reason, home=home, host=host, access=access, timeout=timeout, report=report)
    return None


def create_cold(
    wanted: Desired,
    reason: str,
    *,
    home: Path,
    host: Host,
    access: NetworkAccess,
    timeout: float,
    report: Reporter,
) -> None:
    """Create the instance so that it boots, in place of a warm one that failed.

    :param reason: why that failed, for the notice.
    """
    if (home / wanted.name).exists():
        delete(inspect(wanted.name, home, host), report)
    report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=f"warm: booting instead: {reason}"))
    create(wanted, home, report, access, timeout=timeout)


def _why_not_warm(wanted: Desired, host: Host) -> str:
    """Why the instance cannot be warm; empty when it can."""
    config = wanted.config
    if not driver_for(config.vm_type).features.saved_states:
        return f"a {config.vm_type} machine cannot be saved while it runs on this host."
    if config.plain:
        return "plain: no guest program runs that gives a copy its identity."
    if reason := too_few_slots(config, SPARE_SLOTS):
        return reason
    if _shared_config(config) != _shared_config(_source_config(wanted, host, Path("/"))):
        return "the configuration contains the instance's name or folder, which a copy does not share."
    return ""


def _create_warm(
    wanted: Desired, *, home: Path, host: Host, access: NetworkAccess, timeout: float, report: Reporter
) -> ResumeState:
    config = wanted.config
    image = fetch_image(config, home=home, access=access, report=report, timeout=timeout)
    entry = WarmEntry(home, _cache_key(config, image, home))
    with entry.lock(timeout):
        saved = entry.record()
        if saved is None:
            if not entry.remove_if_unused(lambda: files_in_use(home)):
                raise InstanceError(
                    f"{entry.folder} has a machine that cannot be read, and instances may stand on its disk."
                )
            report(
                Event(
                    stage=Stage.DISK,
                    state=EventState.NOTICE,
                    message="warm: the first of its kind: it boots once, and is saved for later instances.",
                )
            )
        record = saved or _boot_and_save(entry, wanted, host, access, timeout, report)
        variables = InstancePaths(entry.folder).qemu_efi_vars
        source = DiskSource(
            image=_image(entry, record, image.arch),
            mac_address=record.mac_address,
            files=(variables,) if variables.exists() else (),
        )
        create(wanted, home, report, access, source)
    entry.touch()
    if saved is None:
        trim_cache(home, report)
    shared = config.mount_type is MountType.VIRTIOFS and bool(config.mounts)
    return ResumeState(folder=str(entry.folder), layout=record.machine.layout, shared_memory=shared)


def _boot_and_save(
    entry: WarmEntry, wanted: Desired, host: Host, access: NetworkAccess, timeout: float, report: Reporter
) -> WarmRecord:
    """Boot a machine of this kind until it is ready, and save it."""
    staging_home = entry.staging_home
    remove_staging_home(staging_home, host, report)
    staging_home.mkdir(parents=True, mode=0o700)
    for shared in ("_config", "_cache"):
        (entry.home / shared).mkdir(exist_ok=True, mode=0o700)
        (staging_home / shared).symlink_to(entry.home / shared)
    staging = entry.staging
    shutil.rmtree(staging, ignore_errors=True)
    with parent_pipe() as pipe:
        try:
            source = Desired(
                SOURCE_NAME,
                _shared_document(wanted.document),
                _source_config(wanted, host, staging_home),
                wanted.template,
            )
            create(source, staging_home, report, access, DiskSource(reclaims=False), timeout)
            driver = driver_for(source.config.vm_type)
            start(
                inspect(SOURCE_NAME, staging_home, host),
                driver,
                staging_home,
                timeout,
                report,
                parent_pipe=pipe,
                access=access,
            )
            staging.mkdir(mode=0o700)
            saved = inspect(SOURCE_NAME, staging_home, host)
            record = _save(saved, staging, report)
            remove_staging_home(staging_home, host, report)  # ends the process that has the disk open
            repair_backing_files(InstancePaths(staging), saved.record, driver, entry.home)
            entry.commit(staging, record)
        except OSError as error:
            raise InstanceError(f"the machine cannot be kept in {entry.folder}: {error}.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            remove_staging_home(staging_home, host, report)
    return record


def _save(instance: Instance, staging: Path, report: Reporter) -> WarmRecord:
    report(Event(stage=Stage.SNAPSHOT, state=EventState.BEGUN))
    paths = instance.paths
    answer = save(paths, staging, keep_running=False)
    (paths.dir / answer.layer).replace(staging / "disk")
    for file in (paths.kernel, paths.initrd):
        if file.exists():
            shutil.copyfile(file, staging / file.name)
    record = read_json(paths.callao_json, Record) or Record()
    cmdline = paths.kernel_cmdline.read_text(encoding="utf-8") if paths.kernel_cmdline.exists() else ""
    report(Event(stage=Stage.SNAPSHOT, state=EventState.DONE))
    return WarmRecord(
        machine=answer.machine,
        mac_address=mac_address(paths.dir, 0),
        image=record.image,
        image_digest=record.image_digest,
        cmdline=cmdline,
    )


def _image(entry: WarmEntry, record: WarmRecord, arch: str) -> FetchedImage:
    """The saved machine's disk, as the image that a copy is made from."""
    kernel, initrd = entry.folder / "kernel", entry.folder / "initrd"
    return FetchedImage(
        disk=entry.disk,
        location=record.image,
        arch=arch,
        digest=record.image_digest,
        kernel=kernel if kernel.exists() else None,
        initrd=initrd if initrd.exists() else None,
        cmdline=record.cmdline,
    )


def _cache_key(config: Config, image: FetchedImage, home: Path) -> str:
    """A digest of all inputs of the machine: the image, the seed and the hypervisor.

    :raises DriverError: when the hypervisor is missing.
    """
    driver = driver_for(config.vm_type)
    assert isinstance(driver, RestoringDriver)
    paths = InstancePaths(home / SOURCE_NAME)
    boot = Boot(paths, config, None, layout=MachineLayout(WARM_SLOTS, reclaims=False))
    shared = _shared_config(config)
    seed = cidata.Seed(
        name=SOURCE_NAME,
        config=shared,
        authorized_keys=authorized_keys(config, home),
        host_key="",
        host_key_pub="",
        mac_address="",
        environment=dict(os.environ),
        network=driver.network(config),
    )
    parts = (
        [image.disk.name, image.digest, str(image.kernel)],
        driver.machine_arguments(boot),
        cidata.instance_id(cidata.seed_files(seed)),
        config.disk,
        *([shared.egress] if shared.egress is not None else []),
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]


def _shared_config(config: Config) -> Config:
    """The configuration without the fields that each copy has for itself."""
    return msgspec.structs.replace(
        config,
        images=(),
        minimum_lima_version=None,
        additional_disks=(),
        mounts=(),
        mount_type=MountType.REVERSE_SSHFS,
        mount_types_unsupported=(),
        mount_inotify=False,
        port_forwards=(),
        networks=(),
        probes=(),
        message="",
        copy_to_host=(),
        warm=False,
        hostname="",
        secrets=(),
        egress=config.egress if config.provision else None,
        ssh=SSH(load_dot_ssh_pub_keys=config.ssh.load_dot_ssh_pub_keys),
    )


def _source_config(wanted: Desired, host: Host, staging_home: Path) -> Config:
    return effective(
        _shared_document(wanted.document), host, name=SOURCE_NAME, instance_dir=staging_home / SOURCE_NAME
    )


def _shared_document(document: Mapping[str, object]) -> dict[str, object]:
    """The document without the fields that each copy has for itself."""
    # What a provision script could reach decides what it has made.
    fields = _PER_INSTANCE_FIELDS if document.get("provision") else _PER_INSTANCE_FIELDS | {"egress"}
    return {key: value for key, value in document.items() if key not in fields}
