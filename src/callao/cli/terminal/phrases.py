# SPDX-License-Identifier: GPL-3.0-or-later
"""limactl's key phrases in place of our messages: scripts that run limactl search its log for them.

A message that has no phrase here stays as it is, with the commands that it names called limactl's.
"""

from __future__ import annotations

import re

from callao.cli.terminal.hints import with_flags

_NAME = r"'?([A-Za-z0-9][\w.-]*?)'?"
"""An instance's name, quoted or not."""

_PHRASES = tuple(
    (re.compile(pattern.replace("NAME", _NAME), re.DOTALL), phrase)
    for pattern, phrase in (
        (r"There is no instance in .* yet\. .*",
         "No instance found. Run `limactl create` to create an instance."),
        (r"No instance matches '(.*)'\.", r"No instance matching \1 found."),
        (r"cannot (?:un)?protect: instance NAME does not exist in (\S+) \(.*",
         r"failed to inspect instance `\1`: open \2/\1/lima.yaml: no such file or directory"),
        (r"Protected NAME\.", r"Protected `\1`"),
        (r"NAME is protected already\.", r"Instance `\1` is already protected. Skipping."),
        (r"NAME can be deleted again\.", r"Unprotected `\1`"),
        (r"NAME is not protected\.", r"Instance `\1` isn't protected. Skipping."),
        (r"Deleted NAME\.", r"Deleted `\1`"),
        (r"nothing to delete: instance NAME does not exist.*", r"Ignoring non-existent instance `\1`"),
        (r"instance NAME is protected against deletion\..*",
         r"failed to delete instance `\1`: instance is protected to prohibit accidental removal "
         r"(Hint: use `limactl unprotect`)"),
        (r"instance NAME: its folder (\S+) has no lima\.yaml.*",
         r"instance `\1` directory `\2` exists but its `lima.yaml` could not be read; it was NOT deleted"),
        (r"instance NAME does not exist.*",
         r"instance `\1` does not exist, run `limactl create \1` to create a new instance"),
        (r"instance NAME is not running \(it is Stopped\).*",
         r"instance `\1` is stopped, run `limactl start \1` to start the instance"),
        (r"instance NAME exists already\..*", r"instance `\1` already exists"),
        (r"instance NAME is broken: (.*)", r"instance `\1` has errors: \2"),
        (r"NAME is running already\.",
         r"The instance `\1` is already running. Run `limactl shell \1` to open the shell."),
        (r"Changed NAME\.", r"Instance `\1` configuration edited"),
        (r"(?:NAME is so already|Nothing was changed)\.", "Aborting, no changes made to the instance"),
        (r"NAME is as new\..*", r"Instance `\1` has been factory reset"),
        (r"Ready\. A shell in it: callao shell NAME", r"READY. Run `limactl shell \1` to open the shell."),
        (r"Saved the screen of NAME in (.*) \((\d+ bytes)\)\.", r'Screenshot saved to "\2" (\3)'),
        (r"--output: '.*?(\.[^./']*)?' has no ending of a picture.*",
         r'unsupported output extension "\1": must be .png or .bmp'),
        (r"--param: the template does not define '(.*?)'.*",
         r"error while processing flag `param`: template does not define param `\1`"),
        (r"--format: there is no field '(.*?)'.*", r"can't evaluate field \1 in type store.FormatData"),
        (r"--format: .*there is no field (\S+) in a value of type (\S+?)(?: .*|\.?)",
         r"can't evaluate field \1 in type \2"),
        (r"--tty and --yes exclude each other\.?", "cannot use both --tty and --yes flags at the same time"),
        (r"No such option:? '?(--[^\s'.=]+).*", r"unknown flag: \1"),
        (r"No such option:? '?(-(\w)\w*).*", r"unknown shorthand flag: '\2' in \1"),
        (r"No such command '(.*?)'\. Did you mean '(.*?)'.*",
         'unknown command "\\1" for "limactl"\n\nDid you mean this?\n\t\\2\n'),
        (r"No such command '(.*?)'.*", r'unknown command "\1" for "limactl"'),
        (r"There is no such disk\. .*",
         "No disk found. Run `limactl disk create DISK --size SIZE` to create a disk."),
        (r"Created (\w+) disk NAME with (\S+)\.", r"Creating \1 disk `\2` with size \3"),
        (r"disk NAME exists already in (\S+)\. .*", r"disk `\1` already exists (`\2`)"),
        (r"Disk NAME does not exist\.", r"Ignoring non-existent disk `\1`"),
        (r"Deleted disk NAME\.", r"Deleted `\1`"),
        (r"Missing option '--tag'\.?", "expected tag"),
        (r"--log-format: '(.*?)' is not a format.*", r"unsupported log-format: `\1`"),
        (r"--log-level: '(.*?)' is not a level.*", r'not a valid logrus Level: "\1"'),
    )
)  # fmt: skip

_SEE_HELP = re.compile(r"\.? See 'limactl[^']*'\.$")
"""What is said after each mistake in a command line, but not by limactl."""

_OWN_COMMAND = re.compile(r"\bcallao (?=[a-z-]+\b)")


def limactl_phrase(words: str) -> str:
    """The message as limactl writes it, where scripts know it by its words."""
    words = _SEE_HELP.sub("", words)
    for pattern, phrase in _PHRASES:
        if (found := pattern.fullmatch(words)) is not None:
            return found.expand(phrase)
    return _OWN_COMMAND.sub("limactl ", with_flags(words))
