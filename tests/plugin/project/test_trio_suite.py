"""A Trio suite that uses maillab: the whole lab in memory, days in no time."""

import pytest
import pytest_trio  # noqa: F401  this suite needs it
import trio

TEN_MINUTES = """
[lab]
name = "dead-end"
[[domain]]
name = "nord.example"
users = ["anna"]
[[foreign]]
host = "mail.gone.example"
domains = ["gone.example"]
smtp = "203.0.113.1:25"
[retry]
after_seconds = [60]
give_up_after_seconds = 600
"""


@pytest.mark.trio
async def test_mail_crosses_the_relay(maillab_lab, autojump_clock):
    await maillab_lab.send("anna@nord.example", "ben@sued.example", subject="Hello", body="Hi Ben")
    message = await maillab_lab.wait_for_message(to="ben@sued.example", subject="Hello")
    assert b"Hi Ben" in message.octets
    maillab_lab.assert_path(["mail.nord.example", "relay.example", "mail.sued.example"], to="ben@sued.example")


@pytest.mark.trio
async def test_a_user_that_is_not_there_bounces(maillab_lab, autojump_clock):
    await maillab_lab.send("anna@nord.example", "nobody@sued.example", subject="Hello?")
    bounce = await maillab_lab.assert_bounced("nobody@sued.example")
    notice = await maillab_lab.wait_for_message(to="anna@nord.example")
    assert notice.trace == bounce.id


class TestWithAnOwnLab:
    @pytest.fixture
    def maillab_spec(self):
        from maillab.lab.load import parse_lab

        return parse_lab(TEN_MINUTES, "test")

    @pytest.mark.trio
    async def test_ten_minutes_of_retries_pass_at_once(self, maillab_lab, autojump_clock):
        begin = trio.current_time()
        await maillab_lab.send("anna@nord.example", "eve@gone.example", subject="Too late")
        await maillab_lab.assert_bounced("eve@gone.example", timeout_seconds=3600)
        assert trio.current_time() - begin >= 600
