"""Notices to users: a connection is lost, or may be used for sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.template.loader import select_template
from django.urls import NoReverseMatch, reverse

from .conf import settings
from .exceptions import DanceError
from .responses import CONNECTIONS
from .tokens import Connection, clean_words

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from .providers import Provider

#: The kinds of notices.
CONNECTION_LOST, SIGN_IN_ALLOWED = "connection_lost", "sign_in_allowed"


class NotSent(DanceError):
    """The mail server cannot be reached: the mail was certainly not sent."""


@dataclass(frozen=True)
class Notice:
    """A message to a user about one connection. It holds no secret."""

    #: ``"connection_lost"`` or ``"sign_in_allowed"``.
    kind: str
    user: AbstractBaseUser
    provider: Provider
    connection: Connection
    #: The absolute address of the page of connections; ``""`` without ``DANCE_BASE_URL``.
    url: str

    @classmethod
    def about(
        cls, kind: str, user: AbstractBaseUser, provider: Provider, connection: Connection
    ) -> Notice:
        """Return the notice with the address of the page of connections."""
        return cls(kind, user, provider, connection, _connections_url())

    @property
    def account(self) -> str:
        """The account's name for people, on one line; its id if there is none."""
        return clean_words(self.connection.label or self.connection.account) or ""


def _connections_url() -> str:
    if not settings.base_url:
        return ""
    try:
        path = reverse(CONNECTIONS)
    except NoReverseMatch:
        return ""
    return str(settings.base_url).rstrip("/") + path


def send_mail(notice: Notice) -> bool:
    """Send a notice as a mail, and return whether the user has a mail address.

    Name this function in ``DANCE_NOTIFY``. The templates are
    ``django_dance/mail/<kind>_subject.txt`` and ``django_dance/mail/<kind>.txt``; those in
    ``django_dance/<provider>/mail/`` are preferred.

    :raises NotSent: the mail server cannot be reached.
    """
    # Imported here, because most processes send no mail.
    import smtplib
    import socket

    from django.core.mail import EmailMessage

    # After these failures, no mail server has accepted the mail.
    before_sending = (
        ConnectionRefusedError,
        socket.gaierror,
        smtplib.SMTPConnectError,
        smtplib.SMTPHeloError,
        smtplib.SMTPAuthenticationError,
        smtplib.SMTPNotSupportedError,
    )
    address = getattr(notice.user, type(notice.user).get_email_field_name(), "")
    if not address:
        return False
    subject = " ".join(_render(notice, "_subject.txt").split())
    try:
        EmailMessage(subject, _render(notice, ".txt"), to=[address]).send()
    except before_sending as error:
        raise NotSent(f"The mail server cannot be reached: {type(error).__name__}.") from error
    return True


def _render(notice: Notice, ending: str) -> str:
    name = f"mail/{notice.kind}{ending}"
    names = [f"django_dance/{notice.provider.name}/{name}", f"django_dance/{name}"]
    text: str = select_template(names).render({"notice": notice})
    return text


def tell_about_sign_in(provider: Provider, request: Any, owner: Any, **kwargs: Any) -> None:
    """Tell the user that a connection may be used for sign-in. It receives ``sign_in_allowed``."""
    send = settings.notify
    if send is None:
        return
    connection = provider.session(request, account=owner.account).connection
    if connection is None:
        return
    notice = Notice.about(SIGN_IN_ALLOWED, owner.user, provider, connection)
    transaction.on_commit(lambda: send(notice), robust=True)
