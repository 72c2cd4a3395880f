"""The bridge to django-allauth: an app that listens to its signals.

::

    INSTALLED_APPS = [..., "django_dance.bridges.allauth.AllAuthBridge"]
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured, MultipleObjectsReturned, ObjectDoesNotExist

if TYPE_CHECKING:
    from ..providers import ClientCredentials, Provider
    from ..tokens import ResourceOwner

#: The key in the state of a sign-in which says that the provider has granted no refresh token.
#: allauth then adds the one of its row to the token.
_NOT_GRANTED = "django_dance_no_refresh_token"


class AllAuthBridge(AppConfig):
    """Connects the receivers. It has no models."""

    name = "django_dance.bridges.allauth"
    label = "django_dance_allauth_bridge"
    verbose_name = "OAuth: bridge to django-allauth"

    def ready(self) -> None:
        if not apps.is_installed("allauth.socialaccount"):
            return  # the check says so
        from allauth.account.signals import user_logged_in
        from allauth.socialaccount import signals

        for signal, receiver in (
            (signals.social_account_updated, _on_updated),
            (signals.pre_social_login, _on_connected_again),
            (signals.social_account_added, _on_added),
            (user_logged_in, _on_login),
        ):
            signal.connect(receiver, dispatch_uid=f"{self.name}.{receiver.__name__}")


def _on_updated(sender: Any, sociallogin: Any, **kwargs: Any) -> None:
    """Note whether there is a refresh token, before allauth adds the one of its row."""
    if sociallogin.token is not None and not sociallogin.token.token_secret:
        sociallogin.state[_NOT_GRANTED] = True


def _on_login(sender: Any, request: Any, user: Any, sociallogin: Any = None, **kwargs: Any) -> None:
    if sociallogin is not None:
        _store(request, user, sociallogin)


def _on_added(sender: Any, request: Any, sociallogin: Any, **kwargs: Any) -> None:
    """A user who is logged in has connected an account."""
    if _is_logged_in(request, sociallogin.user):
        _store(request, sociallogin.user, sociallogin)


def _on_connected_again(sender: Any, request: Any, sociallogin: Any, **kwargs: Any) -> None:
    """A user who is logged in has connected an account again."""
    is_connecting = sociallogin.state.get("process") == "connect"
    if is_connecting and sociallogin.is_existing and _is_logged_in(request, sociallogin.user):
        _store(request, sociallogin.user, sociallogin)


def _is_logged_in(request: Any, user: Any) -> bool:
    return bool(request.user.is_authenticated and request.user.pk == user.pk)


def _store(request: Any, user: Any, sociallogin: Any) -> None:
    from ..management.sources import AllAuth
    from ..providers import OAuth1Provider
    from .sign_in import SignIn, find_provider, store

    library, account, granted = AllAuth(), sociallogin.account, sociallogin.token
    provider = find_provider(library, account.provider)
    if provider is None or granted is None:
        return
    row = SimpleNamespace(
        account=account,
        token=granted.token,
        token_secret=granted.token_secret,
        expires_at=granted.expires_at,
    )
    fields = library.token(row, provider)
    earlier = ""
    if sociallogin.state.get(_NOT_GRANTED):
        earlier = fields.pop("refresh_token", "")
    theirs = sociallogin.provider
    app = granted.app or getattr(theirs, "app", None)
    scopes = getattr(theirs, "get_scope", None)
    sign_in = SignIn(
        library,
        account.provider,
        fields,
        client_id="" if app is None else app.client_id,
        uid=library.uid(row),
        label="" if theirs is None else theirs.wrap_account(account).to_str(),
        asked=scopes() if scopes is not None else (),
        earlier_refresh_token=earlier,
    )
    token = store(sign_in, request, user)
    if token is not None and provider.is_refreshable(token):
        assert not isinstance(provider, OAuth1Provider)  # noqa: S101  OAuth 1 has no refresh
        _forget_refresh_token(granted)


def _forget_refresh_token(granted: Any) -> None:
    """Remove the refresh token from allauth's row, because a refresh may use it up."""
    granted.token_secret = ""
    if granted.pk is not None:
        type(granted)._base_manager.filter(pk=granted.pk).update(token_secret="")


def social_app(provider: Provider, owner: ResourceOwner) -> ClientCredentials:
    """Return the credentials of the ``SocialApp``, in the table or in the settings of allauth.

    The option ``CREDENTIALS`` of a provider names this function.

    :raises ImproperlyConfigured: allauth has no app for the provider, or several.
    """
    from allauth.socialaccount.adapter import get_adapter

    from ..providers import ClientCredentials

    tried = _names_there(provider)
    for theirs in tried:
        try:
            app = get_adapter().get_app(owner.request, provider=theirs)
        except ObjectDoesNotExist:
            continue
        except MultipleObjectsReturned:
            raise ImproperlyConfigured(
                f"allauth has several apps for {theirs!r}: hide all but one of them (in "
                'their settings: {"hidden": true}), or set the credentials of '
                f"DANCE_PROVIDERS[{provider.name!r}]."
            ) from None
        return ClientCredentials(app.client_id, app.secret)
    raise ImproperlyConfigured(
        f"allauth has no app for {' or '.join(map(repr, tried))}: add a social application, or "
        f"name allauth's provider of {provider.name!r} in DANCE_BRIDGES."
    )


def _names_there(provider: Provider) -> list[str]:
    """The names that the provider may have in allauth, the most certain first."""
    from ..conf import settings
    from ..management.sources import AllAuth

    named = [theirs for theirs, ours in settings.bridges.items() if ours == provider.name]
    known = [theirs for theirs, ours in AllAuth.names.items() if ours == provider.name]
    return [*named, provider.name, *known]


def problems() -> Iterator[CheckMessage]:
    """Yield the mistakes in the settings of this bridge."""
    from ..management.sources import AllAuth
    from .problems import bridge_error, client_differs
    from .sign_in import find_provider

    if not apps.is_installed("allauth.socialaccount"):
        yield bridge_error(
            "The bridge to django-allauth is installed, and allauth.socialaccount is not.",
            'Add "allauth.socialaccount" to INSTALLED_APPS, or remove the bridge.',
        )
        return
    from allauth.socialaccount import app_settings

    for name, entry in app_settings.PROVIDERS.items():
        for app in entry.get("APPS") or [entry.get("APP") or {}]:
            theirs = app.get("provider_id") or name
            provider = find_provider(AllAuth(), theirs)
            if provider is not None:
                where = f"the app of {theirs!r} in SOCIALACCOUNT_PROVIDERS"
                yield from client_differs(provider, app.get("client_id"), where)
