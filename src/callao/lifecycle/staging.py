# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's folder, built in a staging directory that is renamed when it is complete."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from callao.atomic import put_folder_in_place, write_file
from callao.config.lima_version import LIMA_VERSION
from callao.errors import InstanceError
from callao.instances import InstancePaths, Record, ssh_alias
from callao.instances.lima_yaml import write_document
from callao.instances.records import write_json
from callao.lifecycle.cleanup import staging_dir
from callao.ssh import host_key, known_hosts


@contextlib.contextmanager
def staged_instance(
    name: str, document: Mapping[str, object], record: Record, home: Path, text: str = ""
) -> Iterator[InstancePaths]:
    """Yield a staging directory with the files that every instance has; it becomes the instance at the end.

    :param text: the source of the document, whose comments are kept.
    :raises InstanceError: when something cannot be created; nothing is left then.
    """
    staging = staging_dir(home, name)
    paths = InstancePaths(staging)
    try:
        staging.mkdir(mode=0o700, parents=True)
        write_document(paths, document, text)
        write_file(paths.lima_version, LIMA_VERSION.encode())
        write_json(paths.callao_json, record)
        alias = ssh_alias(name)
        key = host_key(paths.host_key, alias)
        write_file(paths.known_hosts, known_hosts(alias, key.public).encode())
        yield paths
        put_folder_in_place(staging, home / name)
    except OSError as error:
        raise InstanceError(f"instance {name!r} cannot be made in {home}: {error}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
