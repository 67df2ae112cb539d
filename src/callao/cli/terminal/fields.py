# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's fields under limactl's names, and output formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callao.errors import CallaoError
from callao.host import Host, identity_file
from callao.instances import Instance
from callao.reach import LOOPBACK

FIELDS = {
    "Name": "name", "Hostname": "hostname", "Status": "status", "Dir": "dir", "VMType": "vmType",
    "Arch": "arch", "CPUs": "cpus", "Memory": "memory", "Disk": "disk", "Message": "message",
    "AdditionalDisks": "additionalDisks", "Networks": "network", "SSHLocalPort": "sshLocalPort",
    "SSHConfigFile": "sshConfigFile", "HostAgentPID": "hostAgentPID", "DriverPID": "driverPID",
    "Errors": "errors", "Config": "config", "SSHAddress": "sshAddress", "Protected": "protected",
    "LimaVersion": "limaVersion", "Param": "param", "HostOS": "HostOS", "HostArch": "HostArch",
    "LimaHome": "LimaHome", "IdentityFile": "IdentityFile",
    "Template": "template", "Labels": "labels", "Ready": "ready", "Forwards": "forwards",
}  # fmt: skip
"""As ``{{.Field}}`` has them, and as JSON does, in limactl's order; the last four are Callao's own."""

UNLISTED = ("HostOS", "HostArch", "LimaHome", "IdentityFile")
"""Fields that limactl still knows, and does not list any more."""

_FIELD = re.compile(r"\{\{(-?)\s*\.([A-Za-z0-9_.]*)\s*(-?)\}\}")
_GO_FUNCTIONS = (
    "json|yaml|indent|missing|len|index|slice|not|and|or|eq|ne|lt|le|gt|ge|printf?|println|html|js|urlquery"
)
_GO = re.compile(
    r"\{\{-?\s*(?:\.|\$|/\*|(?:end|else|break|continue)\b|"
    rf"(?:range|if|with|define|block|template|\(*(?:{_GO_FUNCTIONS}))\s+[.$\"`(\d-])"
)
"""Syntax of Go's templates beyond fields, which Jinja2 does not have."""


def instance_fields(instance: Instance, home: Path, host: Host) -> dict[str, Any]:
    """Plain values, as ``limactl list --json`` has them: sizes in bytes, 0 for a port or pid there isn't."""
    from callao.config import as_written, hostname_of

    config = instance.config
    document = as_written(config, instance.document) if config else {}
    return {
        "name": instance.name,
        "hostname": hostname_of(instance.name, config.hostname if config else ""),
        "status": instance.status.value,
        "dir": str(instance.dir),
        "vmType": config.vm_type.value if config else "",
        "arch": config.arch.value if config else "",
        "cpus": config.cpus if config else 0,
        "memory": config.memory if config else 0,
        "disk": config.disk if config else 0,
        "message": message_of(instance, host).removesuffix("\n"),
        "additionalDisks": document.get("additionalDisks", []),
        "network": document.get("networks", []),
        "sshLocalPort": instance.reach.port if instance.reach else 0,
        "sshConfigFile": str(instance.paths.ssh_config),
        "hostAgentPID": instance.agent.pid if instance.agent else 0,
        "driverPID": instance.driver.pid if instance.driver else 0,
        "errors": list(instance.errors),
        "config": document or None,
        "sshAddress": instance.reach.address if instance.reach else LOOPBACK,
        "protected": instance.protected,
        "limaVersion": _version(instance),
        "param": dict(config.param) if config else {},
        "HostOS": host.os,
        "HostArch": host.arch,
        "LimaHome": str(home),
        "IdentityFile": str(identity_file(home)),
        "template": instance.template,
        "labels": dict(instance.labels),
        "ready": instance.ready,
        "forwards": [list(each) for each in instance.forwards],
    }


def message_of(instance: Instance, host: Host) -> str:
    """The text that the template has for whoever starts the instance; empty where there is none."""
    from callao.config.message import Condition, message

    if instance.config is None or not instance.config.message:
        return ""
    condition = Condition(
        status=instance.status.value,
        reach=instance.reach,
        agent_pid=instance.agent.pid if instance.agent else 0,
        driver_pid=instance.driver.pid if instance.driver else 0,
        protected=instance.protected,
        lima_version=_version(instance),
    )
    return message(instance.config, host, name=instance.name, instance_dir=instance.dir, condition=condition)


def renderer(
    form: str,
    fields: Mapping[str, str] = FIELDS,
    known: str = "'callao list --list-fields' names the fields.",
) -> Callable[[Mapping[str, Any]], str]:
    """A function that prints an instance by ``form``: ``{{.Field}}`` as Go has it, or Jinja2.

    :param fields: those of something else than an instance.
    :param known: where they are named.
    :raises CallaoError: for a field that there isn't, or a template that isn't one.
    """
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    if needs_go(form):
        raise CallaoError(
            f"--format: {form!r}: of Go's templates only {{{{.Field}}}} is known.",
            hint="Use Jinja2's own syntax, such as {% if ready %}, or --json.",
        )
    text = with_escapes(_FIELD.sub(lambda match: _as_jinja(match, fields), form))
    environment = SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=False, finalize=_printed
    )
    environment.globals["_entry"] = _entry
    try:
        template = environment.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise CallaoError(f"--format: {form!r}: {error}.") from None

    def render(values: Mapping[str, Any]) -> str:
        try:
            return template.render(values)
        except jinja2.UndefinedError as error:
            raise CallaoError(f"--format: {form!r}: {error}.", hint=known) from None
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise CallaoError(f"--format: {form!r}: {error}.") from None

    return render


def needs_go(form: str) -> bool:
    """Whether the format has syntax of Go's templates beyond ``{{.Field}}``."""
    return _GO.search(_FIELD.sub("", form)) is not None


def with_escapes(form: str) -> str:
    r"""``\t`` and ``\n`` as tab and newline, because shells do not expand them in quotes."""
    return form.replace("\\t", "\t").replace("\\n", "\n")


def _printed(value: Any) -> Any:
    """``true``, as Go and JSON print it."""
    return str(value).lower() if isinstance(value, bool) else value


def _as_jinja(match: re.Match[str], fields: Mapping[str, str]) -> str:
    before, path, after = match.groups()
    first, *rest = path.split(".")
    if first not in fields:
        raise CallaoError(
            f"--format: there is no field {first!r} (allowed: {', '.join(fields)}).",
        )
    found = fields[first]
    for key in rest:
        found = f"_entry({found}, {key!r})"
    return f"{{{{{before} {found} {after}}}}}"


def _entry(values: Any, key: str) -> Any:
    """``.Config.SSH.LocalPort`` as Go spells it, where lima.yaml has ``ssh.localPort``."""
    import jinja2

    if isinstance(values, Mapping):
        for name in (key, *(each for each in values if str(each).lower() == key.lower())):
            if name in values:
                return values[name]
    return jinja2.StrictUndefined(f"there is no {key!r}")


def _version(instance: Instance) -> str:
    try:
        return instance.paths.lima_version.read_text(encoding="ascii").strip()
    except OSError:
        return ""
