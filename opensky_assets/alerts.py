"""Alerts: what failed, for which days, why and where to look, to a webhook and by e-mail."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

from opensky_assets.settings import Settings

TIMEOUT_SECONDS = 20
ATTEMPTS = 3
UUID = "-".join(f"[0-9a-f]{{{digits}}}" for digits in (8, 4, 4, 4, 12))


class AlertNotSent(Exception):
    """No channel took the alert; the text says why, without secrets."""


class UnsafeServer(Exception):
    """The mail server would get the password in plain text. The message says what to set, without secrets."""


@dataclass(frozen=True)
class Alert:
    """One cause: the assets and days it hit, as text, the reason in one line, and the page that tells more. With
    `of_its_days`, the same reason for other days is another cause."""

    assets: str
    days: str
    reason: str
    link: str
    of_its_days: bool = False

    @property
    def title(self) -> str:
        return f"{self.assets} failed" + (f" for {self.days}" if self.days else "")

    @property
    def text(self) -> str:
        return f"{self.title}\n{self.reason}\n{self.link}"

    @property
    def cause(self) -> str:
        """The same for failures that differ in nothing but numbers: days, ids, counts."""
        told = re.sub(f"{UUID}|[0-9a-f]{{8,}}|\\d+", "#", f"{self.assets}\n{self.reason}")
        return hashlib.sha256(f"{told}\n{self.days if self.of_its_days else ''}".encode()).hexdigest()[:16]


def send(alert: Alert, settings: Settings) -> list[str]:
    """Send to every channel of the settings; returns what of them did not take it, and why. Raises `AlertNotSent` once
    all were tried and none took it."""
    sent, failed = [], []
    for name, wanted, channel in (
        ("webhook", settings.alerts.url, post),
        ("e-mail", settings.alerts.email, mail),
    ):
        if not wanted:
            continue
        try:
            _persistently(lambda channel=channel: channel(alert, settings))  # type: ignore[misc]
            sent.append(name)
        except UnsafeServer as error:
            failed.append(f"{name}: {error}")
        except Exception as error:
            # Neither the address of a webhook nor a password may stand in a log.
            failed.append(f"{name}: {type(error).__name__}")
    if failed and not sent:
        raise AlertNotSent(f"not sent by {', '.join(failed)}: {alert.title}") from None
    return failed


def post(alert: Alert, settings: Settings) -> None:
    """To the webhook, as JSON; `text` is what Slack, Mattermost and Teams show."""
    import httpx

    assert settings.alerts.url
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs the whole address of each request
    body = {name: getattr(alert, name) for name in ("text", "title", "assets", "days", "reason", "link")}
    httpx.post(settings.alerts.url.get_secret_value(), json=body, timeout=TIMEOUT_SECONDS).raise_for_status()


def mail(alert: Alert, settings: Settings) -> None:
    """By e-mail, over TLS where the server offers it (STARTTLS, RFC 3207). Credentials go over TLS alone, or to this
    machine. Raises `UnsafeServer` where there are credentials and neither holds."""
    message = EmailMessage()
    message["Subject"] = f"[opensky-assets] {alert.title}"
    message["From"] = settings.alerts.sender
    message["To"] = settings.alerts.email
    message.set_content(f"{alert.reason}\n\n{alert.link}\n")
    with smtplib.SMTP(settings.smtp.host, settings.smtp.port, timeout=TIMEOUT_SECONDS) as server:
        server.ehlo()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp.user and settings.smtp.password:
            if not encrypted and not _is_loopback(settings.smtp.host):
                raise UnsafeServer(
                    f"{settings.smtp.host}:{settings.smtp.port} offers no STARTTLS, so the password is not sent; set "
                    "OPENSKY_SMTP_PORT to a port with STARTTLS (often 587), or unset OPENSKY_SMTP_USER"
                )
            server.login(settings.smtp.user, settings.smtp.password.get_secret_value())
        server.send_message(message)


def _is_loopback(host: str) -> bool:
    """Whether the name or address is this machine itself: 127.0.0.0/8, ::1 or localhost. No name is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def _persistently(call: Callable[[], None]) -> None:
    from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

    Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        retry=retry_if_not_exception_type(UnsafeServer),
        reraise=True,
    )(call)
