# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses tokens to a syntax tree, by the grammar of Go's text/template."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from callao.errors import ExpressionError
from callao.gotemplate import nodes
from callao.gotemplate.expression_error import expression_error
from callao.gotemplate.lexer import Kind, Lexer, Token
from callao.gotemplate.numbers import complex_number, number
from callao.gotemplate.quoting import unquote

_MAX_DEPTH = 100
"""Nesting of blocks and parentheses: limited, because the parser is recursive."""

_OPERANDS = frozenset(
    (
        Kind.BOOL, Kind.CHARACTER, Kind.COMPLEX, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER,
        Kind.NIL, Kind.RAW_STRING, Kind.STRING, Kind.VARIABLE, Kind.OPEN,
    )
)  # fmt: skip
_LITERALS = (nodes.Constant, nodes.NumberConstant, nodes.Nil, nodes.Dot)


@dataclass(frozen=True)
class Parsed:
    """The template of a text (``root``) and the templates that it defines, by name."""

    text: str
    root: str
    templates: dict[str, nodes.Body]


def parse(text: str, *, functions: Collection[str], name: str = "") -> Parsed:
    """
    :param functions: names of the functions that the template may call.
    :param name: the template's own name, for ``{{template}}``.
    :raises ExpressionError: at the first syntax error.
    """
    parser = _Parser(text, functions)
    parser.whole(name)
    return Parsed(text, name, parser.templates)


class _Parser:
    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._text = text
        self._functions = functions
        self._tokens: Iterator[Token] = Lexer(text).tokens()
        self._ahead: list[Token] = []
        self._variables = ["$"]
        self._ranges = 0
        self._depth = 0
        self.templates: dict[str, nodes.Body] = {}

    def whole(self, name: str) -> None:
        body: list[nodes.Node] = []
        while (token := self._next()).kind is not Kind.END_OF_TEXT:
            if token.kind is Kind.LEFT and self._peek_word().kind is Kind.DEFINE:
                self._define()
                continue
            self._ahead.insert(0, token)
            node = self._node()
            if isinstance(node, Token):
                raise self._unexpected(node, "outside of a block")
            body.append(node)
        self._add(name, tuple(body), len(self._text))

    # Tokens

    def _next(self) -> Token:
        return self._ahead.pop(0) if self._ahead else next(self._tokens)

    def _peek(self) -> Token:
        if not self._ahead:
            self._ahead.append(next(self._tokens))
        return self._ahead[0]

    def _next_word(self) -> Token:
        """The next token that is not white space."""
        token = self._next()
        return self._next() if token.kind is Kind.SPACE else token

    def _peek_word(self) -> Token:
        while self._peek().kind is Kind.SPACE:
            self._ahead.pop(0)
        return self._peek()

    def _expect(self, kinds: tuple[Kind, ...], where: str) -> Token:
        token = self._next_word()
        if token.kind not in kinds:
            raise self._unexpected(token, where)
        return token

    def _unexpected(self, token: Token, where: str) -> ExpressionError:
        shown = token.kind.value if token.kind is Kind.END_OF_TEXT else repr(token.text[:40])
        return self._error(token.offset, f"{shown} cannot stand {where}")

    def _error(self, offset: int, message: str) -> ExpressionError:
        return expression_error(self._text, offset, message)

    @contextmanager
    def _nested(self, offset: int) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(offset, f"more than {_MAX_DEPTH} levels of blocks or parentheses")
        yield
        self._depth -= 1

    # Blocks

    def _define(self) -> None:
        self._next_word()
        token = self._expect((Kind.STRING, Kind.RAW_STRING), "as the name of define")
        name = self._string(token)
        self._expect((Kind.RIGHT,), "in define")
        self._add(name, self._own_body(token.offset, "define"), token.offset)

    def _own_body(self, offset: int, what: str) -> nodes.Body:
        """The body of a template, in which variables and loops of the surrounding text do not count."""
        kept = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        body, end = self._body(offset)
        if end.kind is not Kind.END:
            raise self._unexpected(end, f"in {what}")
        self._variables, self._ranges = kept
        return body

    def _add(self, name: str, body: nodes.Body, offset: int) -> None:
        """A template without content may be replaced by another with the same name, as in Go."""
        before = self.templates.get(name)
        if before is None or _is_blank(before):
            self.templates[name] = body
        elif not _is_blank(body):
            raise self._error(offset, f"the template {name!r} is defined twice")

    def _body(self, offset: int) -> tuple[nodes.Body, Token]:
        """The nodes up to ``{{end}}`` or ``{{else}}``, and that token."""
        body: list[nodes.Node] = []
        with self._nested(offset):
            while self._peek_word().kind is not Kind.END_OF_TEXT:
                node = self._node()
                if isinstance(node, Token):
                    return tuple(body), node
                body.append(node)
        raise self._error(offset, "a block without its {{end}}")

    def _node(self) -> nodes.Node | Token:
        """The token is ``end`` or ``else``."""
        token = self._next_word()
        if token.kind is Kind.TEXT:
            return nodes.Text(token.offset, token.text)
        if token.kind is not Kind.LEFT:
            raise self._unexpected(token, "here")
        word = self._peek_word()
        if word.kind is Kind.END:
            self._next()
            self._expect((Kind.RIGHT,), "in end")
            return word
        if word.kind is Kind.ELSE:
            self._next()
            if self._peek_word().kind not in (Kind.IF, Kind.WITH):
                self._expect((Kind.RIGHT,), "in else")
            return word
        parse_control = self._controls().get(word.kind)
        if parse_control is None:
            return nodes.Action(word.offset, self._pipeline("an action", Kind.RIGHT))
        self._next()
        return parse_control(word)

    def _controls(self) -> dict[Kind, Callable[[Token], nodes.Node]]:
        return {
            Kind.IF: self._if,
            Kind.WITH: self._with,
            Kind.RANGE: self._range,
            Kind.BREAK: self._break_or_continue,
            Kind.CONTINUE: self._break_or_continue,
            Kind.TEMPLATE: self._call,
            Kind.BLOCK: self._block,
        }

    def _if(self, word: Token) -> nodes.Node:
        return nodes.If(word.offset, *self._block_with_else(word))

    def _with(self, word: Token) -> nodes.Node:
        return nodes.With(word.offset, *self._block_with_else(word))

    def _range(self, word: Token) -> nodes.Node:
        return nodes.Range(word.offset, *self._block_with_else(word))

    def _block_with_else(self, word: Token) -> tuple[nodes.Pipeline, nodes.Body, nodes.Body | None]:
        known = len(self._variables)
        pipeline = self._pipeline(word.kind.value, Kind.RIGHT)
        self._ranges += word.kind is Kind.RANGE
        body, end = self._body(word.offset)
        self._ranges -= word.kind is Kind.RANGE
        else_body = self._else(word) if end.kind is Kind.ELSE else None
        del self._variables[known:]
        return pipeline, body, else_body

    def _else(self, word: Token) -> nodes.Body:
        """``{{else if …}}`` is an if inside the else, closed by the same end; ``{{else with …}}``
        likewise."""
        following = self._peek()
        if following.kind is word.kind and word.kind in (Kind.IF, Kind.WITH):
            self._next()
            with self._nested(following.offset):
                return ((self._if if word.kind is Kind.IF else self._with)(following),)
        body, end = self._body(word.offset)
        if end.kind is not Kind.END:
            raise self._unexpected(end, "after else")
        return body

    def _break_or_continue(self, word: Token) -> nodes.Node:
        self._expect((Kind.RIGHT,), f"in {word.text}")
        if not self._ranges:
            raise self._error(word.offset, f"{word.text} outside of a range")
        return nodes.Break(word.offset) if word.kind is Kind.BREAK else nodes.Continue(word.offset)

    def _call(self, word: Token) -> nodes.Node:
        name = self._string(self._expect((Kind.STRING, Kind.RAW_STRING), "as the name of template"))
        if self._peek_word().kind is Kind.RIGHT:
            self._next()
            return nodes.TemplateCall(word.offset, name, None)
        return nodes.TemplateCall(word.offset, name, self._pipeline("template", Kind.RIGHT))

    def _block(self, word: Token) -> nodes.Node:
        """``{{block}}`` defines a template and calls it."""
        name = self._string(self._expect((Kind.STRING, Kind.RAW_STRING), "as the name of block"))
        pipeline = self._pipeline("block", Kind.RIGHT)
        self._add(name, self._own_body(word.offset, "block"), word.offset)
        return nodes.TemplateCall(word.offset, name, pipeline)

    # Pipelines

    def _pipeline(self, where: str, end: Kind) -> nodes.Pipeline:
        offset = self._peek_word().offset
        declared, assigns = self._declarations(where)
        commands: list[nodes.Command] = []
        while (token := self._peek_word()).kind is not end:
            if token.kind not in _OPERANDS:
                raise self._unexpected(self._next(), f"in {where}")
            commands.append(self._command())
        self._next()
        if not commands:
            raise self._error(offset, f"{where} has no value")
        for command in commands[1:]:
            if isinstance(command.words[0], _LITERALS):
                raise self._error(command.offset, "a constant cannot take what comes through the |")
        return nodes.Pipeline(offset, tuple(commands), declared, assigns)

    def _declarations(self, where: str) -> tuple[tuple[str, ...], bool]:
        """``$x :=``, ``$x =``, and in a range ``$i, $x :=``."""
        names: list[str] = []
        while self._peek_word().kind is Kind.VARIABLE:
            variable = self._next()
            space = [self._next()] if self._peek().kind is Kind.SPACE else []
            sign = self._peek()
            if sign.kind in (Kind.ASSIGN, Kind.DECLARE):
                self._next()
                names.append(variable.text)
                self._variables.append(variable.text)
                return tuple(names), sign.kind is Kind.ASSIGN
            if not (sign.kind is Kind.PUNCTUATION and sign.text == ","):
                self._ahead[:0] = [variable, *space]
                break
            self._next()
            names.append(variable.text)
            self._variables.append(variable.text)
            if where != Kind.RANGE.value or len(names) > 1:
                raise self._error(sign.offset, f"{where} declares one variable only")
            if self._peek_word().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.CLOSE):
                raise self._unexpected(self._next(), "as the second variable of range")
        return tuple(names), False

    def _command(self) -> nodes.Command:
        offset = self._peek_word().offset
        words: list[nodes.Operand] = []
        while True:
            operand = self._operand()
            if operand is not None:
                words.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.CLOSE):
                self._ahead.insert(0, token)
            elif token.kind is not Kind.PIPE:
                raise self._unexpected(token, "behind a value, without a space")
            break
        if not words:
            raise self._error(offset, "an empty command")
        return nodes.Command(offset, tuple(words))

    def _operand(self) -> nodes.Operand | None:
        operand = self._term()
        if operand is None or self._peek().kind is not Kind.FIELD:
            return operand
        offset = self._peek().offset
        fields: list[str] = []
        while self._peek().kind is Kind.FIELD:
            fields.append(self._next().text[1:])
        match operand:
            case nodes.Field():
                return nodes.Field(operand.offset, (*operand.names, *fields))
            case nodes.Variable():
                return nodes.Variable(operand.offset, operand.name, (*operand.fields, *fields))
            case nodes.Constant() | nodes.NumberConstant() | nodes.Nil() | nodes.Dot():
                raise self._error(offset, "a constant has no fields")
            case _:
                return nodes.Chain(operand.offset, operand, tuple(fields))

    def _term(self) -> nodes.Operand | None:
        token = self._peek_word()
        if token.kind not in _OPERANDS:
            return None
        self._next()
        offset = token.offset
        match token.kind:
            case Kind.DOT:
                return nodes.Dot(offset)
            case Kind.NIL:
                return nodes.Nil(offset)
            case Kind.FIELD:
                return nodes.Field(offset, (token.text[1:],))
            case Kind.BOOL:
                return nodes.Constant(offset, token.text == "true")
            case Kind.STRING | Kind.RAW_STRING:
                return nodes.Constant(offset, self._string(token))
            case Kind.VARIABLE:
                if token.text not in self._variables:
                    raise self._error(offset, f"the variable {token.text} is not declared")
                return nodes.Variable(offset, token.text, ())
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    known = ", ".join(sorted(self._functions))
                    raise self._error(offset, f"there is no function {token.text} (allowed: {known})")
                return nodes.Function(offset, token.text)
            case Kind.OPEN:
                with self._nested(offset):
                    return self._pipeline("parentheses", Kind.CLOSE)
        return self._number(token)

    def _number(self, token: Token) -> nodes.NumberConstant:
        read = complex_number if token.kind is Kind.COMPLEX else number
        try:
            return nodes.NumberConstant(token.offset, read(token.text))
        except ValueError as error:
            raise self._error(token.offset, str(error)) from None

    def _string(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self._error(token.offset, str(error)) from None


def _is_blank(body: nodes.Body) -> bool:
    return all(isinstance(node, nodes.Text) and not node.text.strip() for node in body)
