#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have an image in the cache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Fetch disk images for Linux virtual machines
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Has a disk image in the cache, verified, decompressed and in qcow2, so that an instance made
    later needs no download.
  - An interrupted download is resumed; tasks that want the same image at once fetch it once.
  - Honours the proxy variables of the environment.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.offline
  - callao.lima.stages
attributes:
  diff_mode:
    support: none
options:
  location:
    description:
      - Where the image is. An C(http), C(https) or C(file) URL, or a path on the machine that runs
        the virtual machines.
    type: str
  digest:
    description:
      - What the image at O(location) must be, C(sha256:) or C(sha512:) and the digest in hexadecimal.
      - Without it the image is not verified, and the module warns.
    type: str
  images:
    description:
      - Several places to have the image from, as C(images) in lima.yaml has them. The first for
        O(arch) that is available is taken.
    type: list
    elements: dict
  template:
    description: The name or path of a template whose C(images) to take.
    type: str
  lock:
    description:
      - A lock file that C(callao lock) or M(callao.lima.lock) has written, on the machine that runs the
        virtual machines. All that it names for O(arch) is fetched and verified, so that O(offline=true)
        finds it in the cache. The same as C(callao fetch).
    type: path
  arch:
    description: The architecture that the image is for; the host's by default.
    type: str
    choices: [x86_64, aarch64, armv7l, ppc64le, riscv64, s390x]
seealso:
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Have the image of a template
  callao.lima.image:
    template: debian-12

- name: Have the one for another architecture, in a Lima home of the project's own
  callao.lima.image:
    template: debian-12
    arch: aarch64
    lima_home: "{{ playbook_dir }}/.lima"

- name: Fail where it is not in the cache already
  callao.lima.image:
    template: debian-12
    offline: true

- name: Have an image of our own
  callao.lima.image:
    location: https://images.example.com/base.qcow2.zst
    digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

- name: Have all that the team has locked, for a day without a network
  callao.lima.image:
    lock: "{{ playbook_dir }}/callao.lock"

- name: Fetch it from the first location that works
  callao.lima.image:
    images:
      - location: https://mirror.example.com/base.img
        arch: x86_64
      - location: https://images.example.com/base.img
        arch: x86_64
"""

RETURN = r"""
path:
  description: The image, in qcow2. It is not to be written to.
  returned: success, outside check mode
  type: str
  sample: /home/ana/.lima/_cache/download/by-url-sha256/2cf2/image.qcow2
location:
  description: Where it came from.
  returned: success, outside check mode
  type: str
  sample: https://images.example.com/base.qcow2.zst
digest:
  description: What it was verified against. Empty when it was not verified.
  returned: success, outside check mode
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
arch:
  description: The architecture that it is for.
  returned: success
  type: str
  sample: x86_64
from_cache:
  description: Whether it was there already.
  returned: success
  type: bool
  sample: false
files:
  description: The files that the lock file names.
  returned: success, with O(lock)
  type: list
  elements: dict
  contains:
    location:
      description: Where it came from.
      type: str
      returned: always
      sample: https://images.example.com/base.qcow2
    digest:
      description: What it was verified against.
      type: str
      returned: always
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    from_cache:
      description: Whether it was there already.
      type: bool
      returned: always
      sample: false
kernel:
  description: The kernel to boot it with, where it has none of its own.
  returned: when there is one
  type: str
  sample: /home/ana/.lima/_cache/download/by-url-sha256/1f0a/data
initrd:
  description: The initial RAM disk that goes with the kernel.
  returned: when there is one
  type: str
  sample: /home/ana/.lima/_cache/download/by-url-sha256/77b3/data
cmdline:
  description: The kernel's command line.
  returned: when there is one
  type: str
  sample: console=ttyS0
error:
  description: The kind of the error.
  returned: failure
  type: str
  sample: DigestMismatch
hint:
  description: What to do about it, where that is known.
  returned: failure
  type: str
  sample: Correct the option digest, or find out who changed the image.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, network_access, run


def candidates(params, home, arch, access):
    """The options as the ``images`` of a lima.yaml; one that names no architecture is for *arch*."""
    if params["template"] is not None:
        from callao.templates import resolve, with_override_files

        template = resolve(params["template"], home, access=access)
        images = with_override_files(template.document, home, access=access).get("images") or []
    elif params["images"] is not None:
        images = params["images"]
    else:
        images = [{key: params[key] for key in ("location", "digest") if params[key] is not None}]
    return [{"arch": arch, **image} for image in images]


def ensure_fetched(module):
    def work(reporter, home, host):
        from msgspec import convert

        from callao.config import Image, check_schema
        from callao.events import Event, EventState, Stage
        from callao.images import ensure_image

        arch = module.params["arch"] or host.arch
        access = network_access(module.params["offline"])
        document = {"images": candidates(module.params, home, arch, access)}
        check_schema(document, source=module.params["template"] or "")
        images = convert(document["images"], list[Image])
        if module.check_mode and (there := is_cached(images, arch, home)) is not None:
            return {"changed": not there, "arch": arch, "from_cache": there}
        image = ensure_image(images, arch, home=home, report=reporter, access=access)
        reporter(Event(stage=Stage.IMAGE, state=EventState.DONE))
        result = {
            "changed": not image.from_cache,
            "path": str(image.disk),
            "location": image.location,
            "digest": image.digest,
            "arch": image.arch,
            "from_cache": image.from_cache,
        }
        boot = {"kernel": image.kernel, "initrd": image.initrd, "cmdline": image.cmdline}
        result.update({key: str(value) for key, value in boot.items() if value})
        return result

    return work


def ensure_lock_fetched(module):
    def work(reporter, home, host):
        from pathlib import Path

        from callao.images import cached_file
        from callao.lockfile import fetch_all, read, required_files

        lock = read(Path(module.params["lock"])).lock
        arch = module.params["arch"] or host.arch
        if module.check_mode:
            wanted = required_files(lock, [arch])
            there = {each: cached_file(each.location, each.digest, home) is not None for each in wanted}
        else:
            access = network_access(module.params["offline"])
            there = {each: each.from_cache for each in fetch_all(lock, home, [arch], reporter, access)}
        files = [
            {"location": each.location, "digest": each.digest, "from_cache": cached}
            for each, cached in there.items()
        ]
        cached = all(there.values())
        return {"changed": not cached, "arch": arch, "from_cache": cached, "files": files}

    return work


def is_cached(images, arch, home):
    """Whether all of the first image that fits is in the cache; None when none fits."""
    from callao.images import cached_file

    for image in images:
        if image.arch.value == arch:
            files = [file for file in (image, image.kernel, image.initrd) if file is not None]
            return all(cached_file(file.location, file.digest, home) for file in files)
    return None


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "location": {"type": "str"},
            "digest": {"type": "str"},
            "images": {"type": "list", "elements": "dict"},
            "template": {"type": "str"},
            "lock": {"type": "path"},
            "arch": {
                "type": "str",
                "choices": ["x86_64", "aarch64", "armv7l", "ppc64le", "riscv64", "s390x"],
            },
            "offline": {"type": "bool"},
            "events_file": {"type": "path"},
        },
        mutually_exclusive=[
            ("location", "images", "template", "lock"),
            ("digest", "images"),
            ("digest", "template"),
            ("digest", "lock"),
        ],
        required_one_of=[("location", "images", "template", "lock")],
        supports_check_mode=True,
    )
    run(module, ensure_lock_fetched(module) if module.params["lock"] else ensure_fetched(module))


if __name__ == "__main__":
    main()
