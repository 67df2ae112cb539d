# SPDX-License-Identifier: GPL-3.0-or-later
"""What Go's text/template makes of expressions: the results are those of Go 1.26."""

from __future__ import annotations

import pytest

from callao.errors import ExpressionError
from callao.gotemplate import AnyMap, MissingValue, execute, referenced_fields, to_go_values

KNOWN = to_go_values(
    {
        "Name": "x",
        "Hostname": "lima-x",
        "UID": 1000,
        "User": "ann",
        "Home": "/home/ann.guest",
        "Param": {"color": "red", "empty": "", "uni": "ñandú", "tmpl": "{{.User}}"},
    }
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{.Name}}-{{ .User }}-{{.UID}}", "x-ann-1000"),
        (
            "{{.}}",
            "map[Home:/home/ann.guest Hostname:lima-x Name:x "
            "Param:map[color:red empty: tmpl:{{.User}} uni:ñandú] UID:1000 User:ann]",
        ),
        ('{{.Nosuch}}|{{.Nosuch.deeper}}|{{printf "%v" .Nosuch}}', "<no value>|<no value>|<nil>"),
        ("{{with .Param}}{{.color}} {{$.Name}}{{else}}none{{end}}", "red x"),
        ("{{range $k, $v := .Param}}{{$k}}={{$v}};{{end}}", "color=red;empty=;tmpl={{.User}};uni=ñandú;"),
        ("{{range 3}}{{.}}{{end}}{{range $i := 2}}<{{$i}}>{{end}}", "012<0><1>"),
        ("{{range .Nosuch}}x{{else}}empty{{end}}", "empty"),
        ("{{range 5}}{{if eq . 3}}{{break}}{{end}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}", "02"),
        ("{{range 2}}{{range 0}}{{else}}{{break}}{{end}}{{.}}{{end}}", "01"),
        ('{{$x := "a"}}{{if true}}{{$x = "b"}}{{$x := "c"}}{{end}}{{$x}}', "b"),
        ('{{if .Param.empty}}yes{{else if eq .User "ann"}}ann{{else}}no{{end}}', "ann"),
        ("{{if and .Param.color (not .Param.empty)}}both{{end}}", "both"),
        ('{{or .Nosuch "" "third"}} {{and 1 0 2}} {{or nil 0}}', "third 0 0"),
        ('{{.User | printf "%-6s|%q" .Name}}', 'x     |"ann"'),
        ('{{printf "%05d %x %X %#o %+d %c %U" 42 255 255 8 7 241 241}}', "00042 ff FF 010 +7 ñ U+00F1"),
        ('{{printf "%6.2f|%-8.3e|%g|%G" 3.14159 1234.5 1e21 1e-7}}', "  3.14|1.234e+03|1e+21|1E-07"),
        ('{{printf "%[2]*[1]d %%" 7 4}}', "   7 %"),
        ('{{printf "%d %s %!" "x"}}', "%!d(string=x) %!s(MISSING) %!!(MISSING)"),
        (
            '{{printf "%v %T %#v" .Param .Param .Param.color}}',
            'map[color:red empty: tmpl:{{.User}} uni:ñandú] map[string]string "red"',
        ),
        ('{{print 1 2 "a" "b" 3 true nil}}', "1 2ab3 true <nil>"),
        ('{{println "a" 1}}', "a 1\n"),
        (
            "{{1_000}} {{0x1F}} {{0b101}} {{017}} {{'a'}} {{1.5e3}} {{1000000.0}} {{0x1p-2}}",
            "1000 31 5 15 97 1500 1e+06 0.25",
        ),
        ('{{"tab\\there" | len}} {{`raw \\n`}} {{"\\u00f1\\x41"}}', "8 raw \\n ñA"),
        (
            '{{len .Param.uni}} {{index .Param.uni 0}} {{slice .Param.uni 2}} {{index .Param "color"}}',
            "7 195 andú red",
        ),
        (
            '{{html "<a href=\'x\'>&\\""}} {{js "it\'s <b>\\n"}} {{urlquery "a b/ñ?"}}',
            "&lt;a href=&#39;x&#39;&gt;&amp;&#34; it\\'s \\u003Cb\\u003E\\u000A a+b%2F%C3%B1%3F",
        ),
        ('{{eq .UID 1000 1001}} {{lt 1 2}} {{ge "b" "a"}} {{ne "a" "b"}}', "true true true true"),
        ('a {{- "b" -}} c {{/* gone */}} d {{- /* gone */ -}}   e', "abc  de"),
        ("{{- 3}} {{ -3 }} {{3 -}} x", "3 -3 3x"),
        ('{{define "t"}}[{{.}}]{{end}}{{template "t" .User}}{{template "t"}}', "[ann][<no value>]"),
        ('{{block "b" .Name}}<{{.}}>{{end}}', "<x>"),
        ("{{.Nosuch.x 1}}", "<no value>"),
        ("{{9223372036854775807}} {{-9223372036854775808}}", "9223372036854775807 -9223372036854775808"),
        ('{{1+2i}} {{printf "%.1f" 3i}}', "(1+2i) (0.0+3.0i)"),
        ("{{with $u := .User}}{{$u}}{{end}}", "ann"),
        ('{{printf "%s" "\\xff"}}{{printf "%q" "\\xff"}}', '�"\\xff"'),
        ('{{printf "%q %x % X" "say \\"hi\\"\\n" "hi" "hi"}}', '"say \\"hi\\"\\n" 6869 68 69'),
        ('{{not 0}} {{not "x"}} {{not .Nosuch}}', "true false true"),
        ("{{.Param.tmpl}}", "{{.User}}"),
    ],
)
def test_a_template_comes_to_what_go_makes_of_it(text: str, result: str) -> None:
    assert execute(text, KNOWN) == result


@pytest.mark.parametrize(
    "text",
    [
        "{{eq 1 1.0}}",
        '{{lt 1 "a"}}',
        "{{eq .Param .Param}}",
        '{{template "nosuch"}}',
        '{{(index .Param "color").x}}',
        "{{.User.x}}",
        "{{.User 1}}",
        "{{nosuch}}",
        "{{if}}{{end}}",
        "{{if true}}",
        "{{end}}",
        "{{else}}",
        "{{break}}",
        "{{.Name}",
        '{{"open',
        "{{.Na-me}}",
        "{{1 2}}",
        '{{"a" | "b"}}',
        "{{call .User}}",
        "{{9223372036854775808}}",
        "{{1e400}}",
        "{{089}}",
        "{{1__0}}",
        "{{$x}}",
        "{{$x, $y := 1}}",
        "{{len 3}}",
        "{{index .User 3}}",
        "{{slice .User 2 1}}",
        "{{printf 1}}",
        '{{define "a"}}1{{end}}{{define "a"}}2{{end}}',
    ],
)
def test_what_go_refuses_is_an_error_that_names_its_place(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        execute(text, KNOWN)
    assert caught.value.line == 1
    assert 1 <= caught.value.column <= len(text) + 1


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("a\n  {{nosuch .X}}", 2, 5, "nosuch"),
        ("ñ{{.User.x}}", 1, 4, "field x"),
        ("{{if .User}}\n{{end}}\n{{end}}", 3, 3, "end"),
        ("{{/* open", 1, 1, "comment"),
        ('{{printf "%d" | len 1}}', 1, 17, "len takes 1"),
    ],
)
def test_an_error_names_line_and_column(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(ExpressionError, match=word) as caught:
        execute(text, KNOWN)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        "{{range 100000000}}{{end}}",
        '{{define "t"}}{{template "t"}}{{end}}{{template "t"}}',
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{if 1}}" * 5000 + "{{end}}" * 5000,
        '{{$x := "0123456789"}}{{range 60}}{{$x = print $x $x}}{{end}}',
        '{{printf "%9999999d" 1}}',
        '{{range 9999}}{{printf "%9999d" 1}}{{end}}',
        "{{" + "1" * 100000 + "}}",
        "{{1}}" + "x" * (4 * 2**20),
    ],
)
def test_what_a_template_may_cost_is_bounded(text: str) -> None:
    with pytest.raises(ExpressionError):
        execute(text, KNOWN)


def test_what_comes_to_nothing_is_printed_or_refused() -> None:
    assert execute("/x/{{.Nosuch}}", KNOWN) == "/x/<no value>"
    with pytest.raises(ExpressionError, match="no value"):
        execute("/x/{{.Nosuch}}", KNOWN, missing=MissingValue.REFUSED)
    assert execute("{{with .Nosuch}}{{.}}{{end}}", AnyMap(), missing=MissingValue.REFUSED) == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{{.Param.a}} {{$.Param.b}} {{with .Param.c}}{{.d}}{{end}}", {"a", "b", "c"}),
        ('{{if eq (printf "%s" .Param.a) "x"}}{{else}}{{.Param.b.c}}{{end}}', {"a", "b"}),
        ('{{define "t"}}{{.Param.a}}{{end}}', {"a"}),
        ('{{/* .Param.a */}}{{"{{.Param.b}}"}} .Param.c', set()),
    ],
)
def test_the_fields_that_a_text_names_are_those_of_its_templates(text: str, named: set[str]) -> None:
    assert referenced_fields(text, "Param") == named
