# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archive of nerdctl, containerd and BuildKit a guest is given."""

from __future__ import annotations

from callao.config.schema import Arch, Config, File

_RELEASE = "https://github.com/containerd/nerdctl/releases/download/v2.3.5/nerdctl-full-2.3.5-linux"

DEFAULT_ARCHIVES = (
    File(
        location=f"{_RELEASE}-amd64.tar.gz",
        arch=Arch.X86_64,
        digest="sha256:b697295c623639734aaab737523c808fd3cc8d3046039fd94fff1744e4c317aa",
    ),
    File(
        location=f"{_RELEASE}-arm64.tar.gz",
        arch=Arch.AARCH64,
        digest="sha256:6e4b687f1d138e750a3c8372abc0f81d3d7490b6359c48c0562fc7dfe98859b2",
    ),
)
"""nerdctl's releases "full": what is published for each architecture. Older ones than 2.1.6 publish ports
without a listening socket, so that the host does not see them."""


def wants_containerd(config: Config) -> bool:
    """Whether containerd is installed in the guest."""
    return not config.plain and (config.containerd.user or config.containerd.system)


def archives(config: Config) -> tuple[File, ...]:
    """The archives for the guest's architecture in the order in which they are tried: the configuration's
    own come first.
    """
    known = (*config.containerd.archives, *DEFAULT_ARCHIVES)
    return tuple(each for each in known if each.arch in (None, config.arch))


def archive_version(config: Config) -> str:
    """A text that changes with the archives: the guest installs the one that it is given when it differs."""
    return "".join(f"{each.location} {each.digest or ''}\n" for each in archives(config))
