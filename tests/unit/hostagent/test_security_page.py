# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security.md has the figures that the code has, and each of its statements a test that holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callao.config import nodes
from callao.egress import client_hello, refusals, relay, request_head
from callao.gotemplate import budget
from callao.guest import frames
from callao.guest.streams import window
from callao.hostagent import log_limit
from callao.hostagent.api import http
from callao.hostagent.boot import readiness
from callao.hostagent.channel import guest_link, stream_multiplexer
from callao.hostagent.copies import host_copies
from callao.hostagent.ports import live_ports, port_forwarder, udp_forward
from callao.images import decompress, download
from callao.lockfile import bundle
from callao.resolver import listeners, server
from callao.sftp import __main__ as sftp_server
from callao.sftp import packets
from callao.ssh import output
from callao.templates import read
from callao.templates.resolve import _MAX_DEPTH as BASES

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "security.md"
ROWS = {
    row.split("|")[1].strip(): row.split("|")[2].strip()
    for row in PAGE.read_text().splitlines()
    if row.startswith("| ") and not row.startswith("| what |")
}
BULLETS = re.findall(r"^- (.*?)(?=^- |^$|^#|^`)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
TRUST = "nothing of ours could be tested"
"""In place of a test: the sentence says whom we believe, or what others do."""

HELD: dict[str, tuple[str, ...]] = {
    # What is trusted
    "Your user on the host": (
        "lifecycle/test_backing_files.py::test_an_instance_is_its_users_alone",
        "ssh/test_keys.py::test_the_user_key_is_made_once_and_private",
        "hostagent/test_api.py::test_only_the_owner_may_talk_to_it",
    ),
    "QEMU, OpenSSH": (TRUST,),
    "An image with a digest": (
        "images/test_fetch.py::test_a_download_that_nobody_vouches_for_is_told",
        "images/test_fetch.py::test_a_wrong_digest_names_both_and_leaves_nothing",
    ),
    "A guest's own users": (TRUST,),
    # What a guest can do
    "Have ports of the host's loopback": (
        "ports/test_port_rules.py::test_the_first_rule_that_fits_decides",
        "ports/test_port_rules.py::test_the_users_rules_come_before_limas",
        "config/test_effective.py::test_plain_drops_what_needs_help_from_inside",
    ),
    "Read what is shared with it": ("sftp/test_read_only.py::test_a_change_is_refused",),
    "Reach the network": (TRUST,),
    "Ask the host to resolve names": (TRUST,),
    "Use its own share": (
        "lifecycle/test_backing_files.py::test_a_disk_smaller_than_its_image_is_refused_with_what_is_allowed",
    ),
    "Write to its logs": ("hostagent/test_agent_ends.py::test_a_first_line_that_is_no_sshds_is_waited_out",),
    # What it cannot
    "Reach any file of the host": (
        "sftp/test_escapes.py::test_no_path_leads_out",
        "sftp/test_escapes.py::test_what_is_swapped_for_a_link_during_requests_is_refused",
        "sftp/test_fuzz.py::test_no_request_reads_or_changes_the_outside",
    ),
    "Be another machine to you": (
        "hostagent/test_host_key.py::test_a_wrong_key_after_that_names_what_heals_it",
        "ssh/test_config.py::test_openssh_reads_what_we_wrote",
        "ssh/test_config.py::test_known_hosts_is_found_by_ssh_keygen",
    ),
    "Have a secret of yours written": (
        "hostagent/test_guest_secrets.py::test_a_memory_that_has_had_one_is_not_saved",
        "secrets/test_secret_sources.py::test_the_hypervisor_inherits_no_variable_and_what_is_gone_is_told",
        "secrets/test_secret_sources.py::test_no_text_made_of_a_value_has_it",
        "secrets/test_secret_sources.py::test_a_template_of_another_machine_names_no_source_of_this_one",
    ),
    "Read a secret with `inject`": (
        "egress/test_injection.py::test_a_placeholder_in_a_header_becomes_the_value_and_no_more",
        "egress/test_injection.py::"
        "test_a_placeholder_anywhere_else_and_an_ambiguous_request_are_refused_and_listed",
        "egress/test_injection.py::"
        "test_folded_headers_bare_newlines_and_smuggled_requests_get_no_value_to_another_host",
        "egress/test_injection.py::test_a_server_that_is_not_verified_gets_nothing",
    ),
    "With `egress`": (
        "egress/test_gate.py::test_what_is_not_known_to_be_allowed_does_not_pass",
        "egress/test_gate.py::test_any_bytes_leave_the_guest_only_to_the_relay_or_the_name_server",
        "egress/test_names.py::test_no_question_for_another_name_leaves_the_host",
        "egress/test_relay.py::test_tls_for_another_name_reaches_nobody",
        "egress/test_stack.py::test_what_is_allowed_is_reached_through_the_stack_and_nothing_else",
    ),
    "Write to your terminal": (
        "errors/test_printable.py::test_nothing_that_a_terminal_acts_on_is_left_whatever_the_text",
        "errors/test_printable.py::test_errors_and_events_hold_no_other_text",
    ),
    "Open streams on the host": (
        "hostagent/test_hostile_guest.py::"
        "test_what_was_not_agreed_ends_the_channel_and_its_streams_and_the_next_serves",
    ),
    "End the host agent": (
        "hostagent/test_agent_ends.py::"
        "test_an_unexpected_exception_while_becoming_ready_is_told_and_the_machine_stays",
        "hostagent/test_agent_ends.py::"
        "test_a_step_of_the_clean_up_that_fails_does_not_keep_the_next_from_being_done",
    ),
    "Have a `hostSocket` replace": (
        "hostagent/test_socketforward.py::test_a_socket_that_another_program_listens_on_is_left_to_it",
        "guest/test_guest_streams.py::test_a_socket_of_another_program_is_left_to_it_before_and_after",
    ),
    "Choose where a file of `copyToHost` goes": (
        "hostagent/test_host_copies.py::test_no_link_of_the_guest_leads_a_copy_elsewhere",
        "hostagent/test_host_copies.py::"
        "test_a_link_of_the_user_into_a_shared_directory_does_not_help_the_guest",
    ),
    # What is bounded
    "a message of the guest's program": ("guest/test_guest_frames.py::test_garbage_is_refused",),
    "bytes under way in one direction of a stream": (
        "hostagent/test_hostile_guest.py::"
        "test_what_was_not_agreed_ends_the_channel_and_its_streams_and_the_next_serves",
    ),
    "what is unread by the guest": (
        "hostagent/test_hostile_guest.py::test_a_guest_that_says_hello_without_end_and_never_listens_is_left",
    ),
    "streams at a time": (
        "hostagent/test_hostile_guest.py::test_there_is_an_end_to_how_many_streams_are_open",
    ),
    "clients of a UDP port at a time": (
        "guest/test_guest_datagrams.py::test_more_clients_of_datagrams_than_there_may_be_push_out_the_oldest",
    ),
    "listeners that are kept note of": ("hostagent/test_portforward.py::test_there_is_an_end_to_listeners",),
    "forwards of listeners at a time": (
        "hostagent/test_portforward.py::test_there_is_an_end_to_forwards_and_those_that_there_are_stay",
    ),
    "CPU spent on the guest's listeners": (
        "hostagent/test_portforward.py::test_listeners_take_no_more_than_their_share_of_a_cpu",
    ),
    "taken ports whose holder is looked for, at one change": (
        "hostagent/test_portforward.py::test_who_has_a_port_is_looked_for_a_few_times_only",
    ),
    "events of forwards in `ha.stdout.log`": (
        "hostagent/test_bounds.py::test_a_ration_is_so_many_at_once_and_so_many_a_second",
    ),
    "lines of the guest's boot that are passed on": (
        "hostagent/test_bounds.py::test_what_a_guest_says_of_its_boot_is_cut_short",
    ),
    "the output of a command in the guest": (
        "ssh/test_output.py::test_a_command_that_writes_without_end_leaves_its_last_words",
    ),
    "a line of such output": ("ssh/test_output.py::test_lines_end_at_either_sign_and_are_cut_off",),
    "a file of `copyToHost`": ("hostagent/test_host_copies.py::test_a_file_without_end_is_refused",),
    "each `*.log` of an instance": (
        "hostagent/test_bounds.py::test_a_log_beyond_its_limit_begins_anew_and_its_end_is_kept",
    ),
    "questions to the host's resolver at a time": (
        "resolver/test_resolver_tcp.py::"
        "test_with_too_many_waiting_known_names_are_answered_and_others_are_not",
    ),
    "TCP connections to the resolver": (
        "resolver/test_resolver_tcp.py::test_more_connections_than_there_may_be_are_closed",
    ),
    "a request on `ha.sock`": ("hostagent/test_api.py::test_a_request_that_is_too_large_is_dropped",),
    "a packet to the SFTP server": (
        "sftp/test_protocol.py::test_a_packet_that_is_too_long_ends_the_session",
    ),
    "descriptors that an SFTP client holds": (
        "sftp/test_protocol.py::test_files_are_held_open_up_to_a_bound",
        "sftp/test_protocol.py::test_directories_that_are_open_take_no_memory_for_their_entries",
    ),
    "a template": (
        "templates/test_remote.py::test_a_template_too_large_to_be_one_is_refused",
        "templates/test_remote.py::test_a_template_too_large_to_be_one_is_not_fetched_to_its_end",
        "config/test_text.py::test_what_is_no_lima_yaml_is_told_with_its_place",
    ),
    "templates that are each other's `base`": ("templates/test_templates.py::test_bases_have_a_bottom",),
    "what a Go template comes to": (
        "gotemplate/test_gotemplate.py::test_what_a_template_may_cost_is_bounded",
    ),
    "a server's `Retry-After`": ("images/test_fetch.py::test_a_pause_that_nobody_waits_for_is_a_refusal",),
    "a lock file in a tar": ("lockfile/test_lock_bundle.py::test_a_lock_too_large_to_be_one_is_refused",),
    "what a compressed image unpacks to": (
        "images/test_decompress.py::test_an_archive_that_unpacks_to_more_than_may_be_is_refused",
        "images/test_decompress.py::test_half_a_gigabyte_of_zeroes_takes_little_memory_and_no_disk",
    ),
    "refused attempts of a guest": (
        "egress/test_gate.py::test_ten_thousand_attempts_are_refused_and_take_little_memory",
    ),
    "lines of `egress.log`": (
        "egress/test_names.py::test_what_is_listed_and_logged_has_no_control_characters_and_is_limited",
    ),
    "connections to allowed names": (
        "egress/test_relay.py::test_listeners_without_connections_make_place_for_others",
    ),
    "first bytes of such a connection": (
        "egress/test_relay.py::test_a_hello_in_too_many_pieces_is_refused",
        "egress/test_openings.py::test_a_hello_that_never_ends_is_refused",
    ),
    "memory for an xz archive": (
        "images/test_decompress.py::test_an_xz_file_that_asks_for_gigabytes_of_memory_is_refused",
    ),
}
"""By the beginning of a bullet, or by a row's first cell: the tests that would fail if it were untrue."""

KIB, MIB = 1 << 10, 1 << 20


@pytest.mark.parametrize(
    ("what", "figures"),
    [
        ("a message of the guest's program", [f"{frames.MESSAGE_LIMIT // MIB} MiB"]),
        ("bytes under way in one direction of a stream", [f"{window.WINDOW // KIB} KiB"]),
        ("what is unread by the guest", [f"{guest_link._MAX_UNREAD // MIB} MiB"]),
        ("streams at a time", [str(stream_multiplexer.MAX_STREAMS)]),
        ("clients of a UDP port at a time", [str(udp_forward.MAX_CLIENTS)]),
        ("listeners that are kept note of", [str(port_forwarder.MAX_LISTENERS)]),
        ("forwards of listeners at a time", [str(port_forwarder.MAX_FORWARDS)]),
        ("taken ports whose holder is looked for, at one change", [str(port_forwarder._MAX_HOLDER_LOOKUPS)]),
        ("events of forwards in `ha.stdout.log`", [str(int(each)) for each in live_ports._EVENT_RATE]),
        ("lines of the guest's boot that are passed on", [f"{readiness._MAX_TEXT} characters"]),
        ("the output of a command in the guest", [f"{output.OUTPUT_LIMIT // MIB} MiB"]),
        ("a line of such output", [f"{output.LINE_LIMIT // KIB} KiB"]),
        ("a file of `copyToHost`", [f"{host_copies._MAX_SIZE // MIB} MiB"]),
        (
            "each `*.log` of an instance",
            [f"{log_limit.LIMIT // MIB} MiB", f"{log_limit._CHECK_INTERVAL:.0f} s"],
        ),
        ("questions to the host's resolver at a time", [str(server.MAX_QUERIES)]),
        ("TCP connections to the resolver", [str(listeners.MAX_CONNECTIONS)]),
        ("a request on `ha.sock`", [f"{http._BODY_LIMIT // MIB} MiB"]),
        ("a packet to the SFTP server", [f"{packets.MAX_PACKET // KIB} KiB"]),
        (
            "descriptors that an SFTP client holds; a directory has two",
            [f"{sftp_server._MAX_FILES}, without entries"],
        ),
        ("a template", [f"{read._MAX_BYTES // MIB} MiB", f"{nodes._MAX_LEAVES} values"]),
        ("a template", [f"{nodes.MAX_DEPTH} levels"]),
        ("templates that are each other's `base`", [f"{BASES} levels"]),
        (
            "what a Go template comes to",
            [f"{budget.MAX_CHARACTERS // MIB} MiB", f"{budget._MAX_STEPS} steps"],
        ),
        ("a server's `Retry-After`", [f"{download._MAX_RETRY_AFTER:.0f} s"]),
        ("a lock file in a tar", [f"{bundle._MAX_LOCK_BYTES // MIB} MiB"]),
        ("what a compressed image unpacks to", [decompress._DEFAULT_MAX_SIZE.replace("GiB", " GiB")]),
        ("refused attempts of a guest with `egress` that are listed", [str(refusals._MOST)]),
        (
            "lines of `egress.log`",
            [f"{refusals._LOG_BURST:.0f} at once", f"{refusals._LOG_RATE:.0f} a second"],
        ),
        (
            "connections to allowed names at a time",
            [str(relay._MOST_CONNECTIONS), f"{relay._MOST_LISTENERS} listeners"],
        ),
        (
            "first bytes of such a connection, until it has named a server",
            [
                f"{client_hello.LONGEST // KIB} KiB of TLS",
                f"{request_head.LONGEST // KIB} KiB of HTTP",
                f"{relay._MOST_PIECES} pieces",
                f"{relay._FIRST_BYTES:.0f} s",
            ],
        ),
        ("memory for an xz archive", [f"{decompress._XZ_MEMORY // MIB} MiB"]),
    ],
)
def test_a_limit_is_what_the_page_says(what: str, figures: list[str]) -> None:
    assert [each for each in figures if each not in ROWS[what]] == []


def test_each_statement_of_the_page_is_held_by_a_test_that_there_is() -> None:
    statements = [*BULLETS, *ROWS]
    assert [each for each in statements if not any(each.startswith(key) for key in HELD)] == []
    assert [key for key in HELD if not any(each.startswith(key) for each in statements)] == []
    named = {name for names in HELD.values() for name in names} - {TRUST}
    files = {name: TESTS / "unit" / name.partition("::")[0] for name in named}
    assert [
        name for name, file in files.items() if f"def {name.partition('::')[2]}(" not in file.read_text()
    ] == []
