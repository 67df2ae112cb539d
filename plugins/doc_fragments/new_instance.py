# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new instance begins from."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  template:
    description:
      - Where the description begins. The name of a built-in template, such as V(debian-12), or the
        path of a lima.yaml on the machine that runs the virtual machines.
      - When not given, a new instance begins from V(default), and an existing one keeps what it was
        made from.
    type: str
  warm:
    description:
      - Whether a new instance goes on from the memory of one like it, in place of booting. The first of
        its kind boots, and is kept for those to come. Where that cannot be, the instance boots, and a
        warning says why.
      - It counts where an instance is made and started by one task. An instance that exists does not
        notice it.
      - When not given, C(warm) in lima.yaml decides, and without that the instance boots.
    type: bool
  from:
    description:
      - The instance that a new one begins as, V(NAME) or V(NAME@SNAPSHOT). V(NAME) has to be stopped, and
        its disk is copied. With a snapshot that has memory, the new instance runs on from the snapshot in
        place of booting, as itself; where that cannot be, it boots, and a warning says why.
      - Without O(template), the other's configuration is the new one's, with O(config) over it.
      - An instance that exists does not notice it.
    type: str
  lock:
    description:
      - A lock file that C(callao lock) has written, on the machine that runs the virtual machines.
      - The template has to be in it, unchanged; the image that it names is the only one taken, and the
        guest's packages are of the day that it names. All else is an error that says what changed.
    type: path
"""
