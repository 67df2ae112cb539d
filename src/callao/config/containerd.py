# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archive of nerdctl, containerd and BuildKit a guest is given."""

from __future__ import annotations

from callao.config.schema import Arch, Config, File

RELEASE = "2.3.5"
"""Of nerdctl. Older ones than 2.1.6 publish ports without a listening socket, so that the host does not see
them.
"""

_PUBLISHED = {
    Arch.X86_64: ("amd64", "sha256:b697295c623639734aaab737523c808fd3cc8d3046039fd94fff1744e4c317aa"),
    Arch.AARCH64: ("arm64", "sha256:6e4b687f1d138e750a3c8372abc0f81d3d7490b6359c48c0562fc7dfe98859b2"),
}
"""The architecture -> its name in that of the archive, and the digest of the archive of :data:`RELEASE`."""


def release_archive(arch: Arch, release: str = RELEASE) -> File | None:
    """nerdctl's archive "full" of a release; None for an architecture that none is published for.

    Only that of :data:`RELEASE` has a digest.
    """
    if arch not in _PUBLISHED:
        return None
    name, digest = _PUBLISHED[arch]
    folder = f"https://github.com/containerd/nerdctl/releases/download/v{release}"
    location = f"{folder}/nerdctl-full-{release}-linux-{name}.tar.gz"
    return File(location=location, arch=arch, digest=digest if release == RELEASE else None)


DEFAULT_ARCHIVES = tuple(each for each in map(release_archive, _PUBLISHED) if each)
"""What is published for each architecture."""


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
