# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.golden``: build a Debian image from packages; one JSON object on standard output."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from callao.errors import CallaoError
from callao.golden.build import build, find
from callao.golden.host import missing_packages
from callao.golden.recipe import recipe
from callao.host import Host, lima_home


def main() -> int:
    """Returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="callao.golden", description=__doc__)
    parser.add_argument("--release", default="12", help="Debian's: 12 or 13")
    parser.add_argument("--arch", default=Host.detect().arch, help="of the guest; by default this host's")
    parser.add_argument("--kernel", default="cloud", help="cloud or generic")
    parser.add_argument("--mirror", default="", help="an archive's URL; mmdebstrap's own choice when empty")
    parser.add_argument(
        "--cloud-init",
        action="store_true",
        help="have cloud-init set guests up, in place of our own first-boot system",
    )
    parser.add_argument("--packages", default="", help="further Debian packages, separated by commas")
    parser.add_argument(
        "--look", action="store_true", help="build nothing: say what a build would need and find"
    )
    arguments = parser.parse_args()
    try:
        wanted = recipe(
            arguments.release,
            arguments.arch,
            arguments.kernel,
            arguments.mirror,
            cloud_init=arguments.cloud_init,
            packages=[name for name in arguments.packages.split(",") if name],
        )
        if arguments.look:
            there = find(wanted, lima_home())
            lacking = [] if there else missing_packages(wanted.arch)
            answer = {"found": asdict(there) if there else None, "missing_packages": lacking}
        else:
            answer = asdict(build(wanted, lima_home(), _say))
    except CallaoError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(answer))  # noqa: T201
    return 0


def _say(text: str) -> None:
    print(f"golden: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
