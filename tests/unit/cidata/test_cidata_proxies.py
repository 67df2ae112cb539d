# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's proxies, in the guest."""

from __future__ import annotations

import pytest

from callao.cidata.proxies import guest_environment, with_guest_host


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://localhost:3128", "http://192.168.5.2:3128"),
        ("http://LOCALHOST:3128/", "http://192.168.5.2:3128/"),
        ("http://127.0.0.1", "http://192.168.5.2"),
        ("http://127.9.8.7:1/", "http://192.168.5.2:1/"),
        ("http://[::1]:3128", "http://192.168.5.2:3128"),
        ("https://me:p%40ss@127.0.0.1:3128/x", "https://me:p%40ss@192.168.5.2:3128/x"),
        ("http://me:a@b@localhost:1", "http://me:a@b@192.168.5.2:1"),
        ("socks5h://localhost:1080", "socks5h://192.168.5.2:1080"),
        ("localhost:3128", "192.168.5.2:3128"),
        ("http://proxy.localhost:3128", "http://192.168.5.2:3128"),
        ("http://notlocalhost:3128", "http://notlocalhost:3128"),
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://localhost.example.com", "http://localhost.example.com"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        ("http://10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_proxy_on_the_hosts_loopback_is_reached_at_the_gateway(proxy, expected):
    assert with_guest_host(proxy, "192.168.5.2") == expected


@pytest.mark.parametrize(
    ("env", "host", "propagate", "expected"),
    [
        ({}, {}, True, {}),
        ({"A": "1"}, {"B": "2", "PATH": "/bin"}, True, {"A": "1"}),
        ({}, {"http_proxy": "http://p"}, False, {}),
        ({}, {"http_proxy": "http://p"}, True, {"http_proxy": "http://p", "HTTP_PROXY": "http://p"}),
        ({}, {"HTTPS_PROXY": "http://p"}, True, {"https_proxy": "http://p", "HTTPS_PROXY": "http://p"}),
        ({}, {"http_proxy": "a", "HTTP_PROXY": "b"}, True, {"http_proxy": "a", "HTTP_PROXY": "a"}),
        ({"http_proxy": "a"}, {"http_proxy": "b"}, True, {"http_proxy": "b", "HTTP_PROXY": "b"}),
        ({"http_proxy": "a"}, {"http_proxy": ""}, True, {}),
        ({"ftp_proxy": "a"}, {}, False, {"ftp_proxy": "a", "FTP_PROXY": "a"}),
        ({}, {"http_proxy": "a\nB=c"}, True, {}),
        (
            {},
            {"no_proxy": "localhost,127.0.0.1"},
            True,
            {"no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1"},
        ),
    ],
)
def test_proxies_come_in_both_cases_and_the_hosts_win(env, host, propagate, expected):
    assert guest_environment(env, host, "192.168.5.2", propagate=propagate) == expected
