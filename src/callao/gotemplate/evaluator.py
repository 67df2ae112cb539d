# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates a parsed template, as Go's text/template does."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from callao.errors import ExpressionError
from callao.gotemplate import nodes
from callao.gotemplate.budget import MAX_CHARACTERS, Budget
from callao.gotemplate.expression_error import expression_error
from callao.gotemplate.functions import SHORT_CIRCUIT, Builtin
from callao.gotemplate.parser import Parsed
from callao.gotemplate.printing import show
from callao.gotemplate.quoting import to_bytes
from callao.gotemplate.values import (
    GoList,
    Kind,
    Pointer,
    Struct,
    Value,
    indirect,
    is_true,
    kind,
    type_name,
)

_MAX_DEPTH = 100
"""Nesting of templates and blocks: limited, because evaluation is recursive."""


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _NoArgument:
    """Stands for the last argument of a command that has no piped value."""


_NO_ARGUMENT = _NoArgument()


class MissingValue(enum.Enum):
    """What an action without a value does, such as one that reads a missing key of a map."""

    PRINTED = enum.auto()
    """It prints ``<no value>``, as in Go."""
    REFUSED = enum.auto()


def evaluate(parsed: Parsed, dot: Value, functions: Mapping[str, Builtin], missing: MissingValue) -> str:
    """
    :param dot: the initial value of ``.`` and ``$``.
    :raises ExpressionError: when a value is missing, or has the wrong type.
    """
    run = _Execution(parsed, functions, missing)
    run.body(parsed.templates[parsed.root], dot, [("$", dot)])
    return to_bytes("".join(run.out)).decode("utf-8", "replace")


Variables = list[tuple[str, Value]]


class _Execution:
    def __init__(self, parsed: Parsed, functions: Mapping[str, Builtin], missing: MissingValue) -> None:
        self._parsed = parsed
        self._missing = missing
        self._functions = functions
        self._budget = Budget()
        self._depth = 0
        self._length = 0
        self.out: list[str] = []

    # Blocks

    def body(self, body: nodes.Body, dot: Value, variables: Variables) -> None:
        for node in body:
            self._node(node, dot, variables)

    def _node(self, node: nodes.Node, dot: Value, variables: Variables) -> None:
        self._spend(node.offset)
        match node:
            case nodes.Text():
                self._write(node.offset, node.text)
            case nodes.Action():
                value = self._pipeline(node.pipeline, dot, variables)
                if not node.pipeline.declared:
                    self._write(node.offset, self._printed(node.offset, value))
            case nodes.If() | nodes.With():
                self._condition(node, dot, variables)
            case nodes.Range():
                self._range(node, dot, variables)
            case nodes.TemplateCall():
                self._template(node, dot, variables)
            case nodes.Break():
                raise _Break
            case nodes.Continue():
                raise _Continue

    def _condition(self, node: nodes.If | nodes.With, dot: Value, variables: Variables) -> None:
        known = len(variables)
        value = self._pipeline(node.pipeline, dot, variables)
        with self._nested(node.offset):
            if is_true(value):
                self.body(node.body, value if isinstance(node, nodes.With) else dot, variables)
            elif node.else_body is not None:
                self.body(node.else_body, dot, variables)
        del variables[known:]

    def _range(self, node: nodes.Range, dot: Value, variables: Variables) -> None:
        known = len(variables)
        value = indirect(self._pipeline(node.pipeline, dot, variables))
        declared = len(variables)
        ran = False
        with self._nested(node.offset):
            try:
                for index, element in self._elements(node, value):
                    self._spend(node.offset)
                    ran = True
                    self._bind(node.pipeline, index, element, variables, declared)
                    with suppress(_Continue):
                        self.body(node.body, element, variables)
                    del variables[declared:]
                if not ran and node.else_body is not None:
                    self.body(node.else_body, dot, variables)
            except _Break:
                pass  # a break in {{else}} counts as one of this range, as in Go
        del variables[known:]

    def _elements(self, node: nodes.Range, value: Value) -> Iterator[tuple[Value, Value]]:
        match kind(value):
            case Kind.INT | Kind.UINT:
                if len(node.pipeline.declared) > 1:
                    raise self._error(node.offset, "a range over a number has one variable only")
                for number in range(value):
                    yield None, type(value)(number)
            case Kind.MAP:
                yield from sorted(value.items(), key=lambda pair: to_bytes(pair[0]))
            case Kind.LIST if isinstance(value, GoList):
                yield from enumerate(value.items)
            case Kind.INVALID:
                return
            case _:
                raise self._error(node.offset, f"there is no range over a value of type {type_name(value)}")

    def _bind(
        self, pipeline: nodes.Pipeline, index: Value, element: Value, variables: Variables, declared: int
    ) -> None:
        """Two variables are index and element; a single one is the element."""
        names = pipeline.declared
        values = (index, element) if len(names) > 1 else (element,)
        for number, (name, value) in enumerate(zip(names, values, strict=False)):
            if pipeline.assigns:
                self._assign(pipeline.offset, name, value, variables)
            else:
                variables[declared - len(names) + number] = name, value

    def _template(self, node: nodes.TemplateCall, dot: Value, variables: Variables) -> None:
        """The called template does not see the caller's variables."""
        body = self._parsed.templates.get(node.name)
        if body is None:
            raise self._error(node.offset, f"there is no template {node.name!r}")
        value = self._pipeline(node.pipeline, dot, variables) if node.pipeline else None
        with self._nested(node.offset):
            self.body(body, value, [("$", value)])

    # Pipelines

    def _pipeline(self, pipeline: nodes.Pipeline, dot: Value, variables: Variables) -> Value:
        value: Value = _NO_ARGUMENT
        for command in pipeline.commands:
            value = self._command(command, dot, variables, value)
        for name in pipeline.declared:
            if pipeline.assigns:
                self._assign(pipeline.offset, name, value, variables)
            else:
                variables.append((name, value))
        return value

    def _assign(self, offset: int, name: str, value: Value, variables: Variables) -> None:
        for at in reversed(range(len(variables))):
            if variables[at][0] == name:
                variables[at] = name, value
                return
        raise self._error(offset, f"the variable {name} is not declared")

    def _command(self, command: nodes.Command, dot: Value, variables: Variables, final: Value) -> Value:
        first, *rest = command.words
        if isinstance(first, nodes.Function):
            return self._function(first, rest, dot, variables, final)
        has_arguments = bool(rest) or final is not _NO_ARGUMENT
        if isinstance(first, nodes.Field):
            return self._fields(first.offset, dot, first.names, has_arguments)
        if isinstance(first, nodes.Variable) and first.fields:
            return self._fields(first.offset, self._variable(first, variables), first.fields, has_arguments)
        if isinstance(first, nodes.Chain):
            return self._chain(first, dot, variables, has_arguments)
        if has_arguments:
            raise self._error(first.offset, "what is no function takes no arguments")
        if isinstance(first, nodes.Nil):
            raise self._error(first.offset, "nil is no command")
        return self._operand(first, dot, variables)

    def _operand(self, operand: nodes.Operand, dot: Value, variables: Variables) -> Value:
        """Evaluate an argument, or a command of one operand that is not a function."""
        self._spend(operand.offset)
        match operand:
            case nodes.Dot():
                return dot
            case nodes.Nil():
                return None
            case nodes.Constant():
                return operand.value
            case nodes.NumberConstant():
                if operand.number.value is None:
                    raise self._error(operand.offset, f"{operand.number.text} is too large for an int")
                return operand.number.value
            case nodes.Field():
                return self._fields(operand.offset, dot, operand.names, False)
            case nodes.Variable():
                return self._fields(
                    operand.offset, self._variable(operand, variables), operand.fields, False
                )
            case nodes.Function():
                return self._function(operand, [], dot, variables, _NO_ARGUMENT)
            case nodes.Chain():
                return self._chain(operand, dot, variables, False)
            case nodes.Pipeline():
                with self._nested(operand.offset):
                    return self._pipeline(operand, dot, variables)

    def _variable(self, variable: nodes.Variable, variables: Variables) -> Value:
        for name, value in reversed(variables):
            if name == variable.name:
                return value
        raise self._error(variable.offset, f"the variable {variable.name} is not declared")

    def _chain(self, chain: nodes.Chain, dot: Value, variables: Variables, has_arguments: bool) -> Value:
        value = self._operand(chain.operand, dot, variables)
        return self._fields(chain.offset, value, chain.fields, has_arguments)

    def _fields(self, offset: int, value: Value, names: Sequence[str], has_arguments: bool) -> Value:
        for at, name in enumerate(names):
            value = self._field(offset, value, name, has_arguments and at == len(names) - 1)
        return value

    def _field(self, offset: int, receiver: Value, name: str, has_arguments: bool) -> Value:
        if receiver is None:
            return None
        value = indirect(receiver)
        if isinstance(value, dict | Struct):
            if has_arguments and (isinstance(value, dict) or name in value.fields):
                raise self._error(offset, f".{name} is no function, and takes no arguments")
            if isinstance(value, dict):
                return value.get(name)
            if name in value.fields:
                return value.fields[name]
        if isinstance(value, Pointer):
            raise self._error(offset, f".{name} is looked up in nothing")
        known = f" (allowed: {', '.join(value.fields)})" if isinstance(value, Struct) else ""
        raise self._error(offset, f"there is no field {name} in a value of type {type_name(value)}{known}")

    def _function(
        self,
        function: nodes.Function,
        words: Sequence[nodes.Operand],
        dot: Value,
        variables: Variables,
        final: Value,
    ) -> Value:
        name, offset = function.name, function.offset
        builtin = self._functions[name]
        count = len(words) + (final is not _NO_ARGUMENT)
        if count < builtin.min_arguments or (
            builtin.max_arguments is not None and count > builtin.max_arguments
        ):
            max_arguments = (
                f" to {builtin.max_arguments}" if builtin.max_arguments is not None else " or more"
            )
            wanted = (
                str(builtin.min_arguments)
                if builtin.max_arguments == builtin.min_arguments
                else f"{builtin.min_arguments}{max_arguments}"
            )
            raise self._error(offset, f"{name} takes {wanted} arguments, not {count}")
        arguments: list[Value] = []
        for word in words:
            value = self._operand(word, dot, variables)
            arguments.append(value)
            if name in SHORT_CIRCUIT and is_true(value) == SHORT_CIRCUIT[name]:
                return value
        if final is not _NO_ARGUMENT:
            arguments.append(final)
        for value in arguments[: builtin.string_arguments]:
            if not isinstance(value, str):
                raise self._error(
                    offset, f"{name} takes a string first, not a value of type {type_name(value)}"
                )
        try:
            result = builtin.call(arguments)
        except ValueError as error:
            raise self._error(offset, f"{name}: {error}") from None
        self._spend(offset, len(result) if isinstance(result, str) else 0)
        return result

    # Limits

    @contextmanager
    def _nested(self, offset: int) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(offset, f"more than {_MAX_DEPTH} templates and blocks in each other")
        try:
            yield
        finally:
            self._depth -= 1

    def _spend(self, offset: int, characters: int = 0) -> None:
        try:
            self._budget.spend(characters)
        except ValueError as error:
            raise self._error(offset, str(error)) from None

    def _printed(self, offset: int, value: Value) -> str:
        if value is not None:
            return show(value)
        if self._missing is MissingValue.REFUSED:
            raise self._error(offset, "it has no value")
        return "<no value>"

    def _write(self, offset: int, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_CHARACTERS:
            raise self._error(offset, f"the template comes to more than {MAX_CHARACTERS} characters")
        self.out.append(text)

    def _error(self, offset: int, message: str) -> ExpressionError:
        return expression_error(self._parsed.text, offset, message)
