"""Tests that fail on purpose: what they show is looked at by tests/plugin/test_plugin.py."""

import pytest


def test_a_path_that_is_wrong(maillab_on_ports):
    maillab_on_ports.send("anna@nord.example", "ben@sued.example", subject="Hello")
    maillab_on_ports.wait_for_message(to="ben@sued.example")
    maillab_on_ports.assert_path(["mail.nord.example", "mail.sued.example"], to="ben@sued.example")


def test_a_message_that_never_comes(maillab_on_ports):
    maillab_on_ports.wait_for_message(to="ben@sued.example", subject="Never", timeout_seconds=0.01)


@pytest.mark.maillab("two-shcools")
def test_of_no_lab(maillab_on_ports):
    raise AssertionError
