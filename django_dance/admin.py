"""The admin lists the tokens, and the site's registrations at servers. It shows no secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .exceptions import AuthorizationRequired, DanceError, ProviderUnavailable
from .management.token_tables import columns, session_of, token_of
from .models import ClientRegistration, OAuthToken
from .providers import signing_key
from .sessions import OAuth2Session
from .storage import is_unreadable

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django_stubs_ext import StrPromise

    _ModelAdmin = admin.ModelAdmin[Any]
    _ModelForm = forms.ModelForm[ClientRegistration]
else:
    _ModelAdmin = admin.ModelAdmin
    _ModelForm = forms.ModelForm

#: The method with a private key.
_BY_KEY = "private_key_jwt"
#: The largest number of rows of an action: each may be a call to a provider.
MOST_AT_ONCE = 100


@admin.register(OAuthToken)
class OAuthTokenAdmin(_ModelAdmin):
    """The admin of every model built on ``OAuthConsumerMixin``, without the columns it lacks.

    Django's own action "delete" deletes only the row: it does not revoke the token.
    """

    actions = ("refresh", "revoke")
    list_filter = ("provider",)
    show_full_result_count = False

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        there = columns(self.model)
        names = ("provider", "place", "user", "account", "scope", "expires_at")
        return (*(name for name in names if name in there), "refreshable", "problem")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        there = columns(self.model)
        times = (name for name in ("created_at", "connected_at") if name in there)
        return (*self.get_list_display(request), *times)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.get_fields(request, obj)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        there = columns(self.model)
        account = tuple(name for name in ("account", "place") if name in there)
        if "user" not in there:
            return account
        user: Any = self.model._meta.get_field("user").related_model
        return (*account, f"user__{user.USERNAME_FIELD}")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        # ?token__startswith= would let a user guess the sealed text letter by letter.
        return lookup.split("__")[0] != "token" and super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.select_related("user") if "user" in columns(self.model) else rows

    @admin.display(boolean=True, description=_("has a refresh token"))
    def refreshable(self, row: Any) -> bool | None:
        token = token_of(row)
        return None if token is None else bool(token.get("refresh_token"))

    @admin.display(description=_("last error"))
    def problem(self, row: Any) -> str:
        if is_unreadable(row):
            return str(_("unreadable: no configured key opens it"))
        return getattr(row, "last_error", "")

    # --- permissions --------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Saving the form would overwrite a token that was refreshed after the form was read.
        return False

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    # --- actions ------------------------------------------------------------------------------

    @admin.action(permissions=["refresh"], description=_("Refresh the selected tokens"))
    def refresh(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._for_each(request, queryset, self._refresh_row)

    @admin.action(permissions=["delete"], description=_("Revoke and delete the selected tokens"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._for_each(request, queryset, self._revoke_row)

    def _for_each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        work: Callable[[HttpRequest, Any], tuple[int, StrPromise]],
    ) -> None:
        rows = list(queryset[: MOST_AT_ONCE + 1])
        if len(rows) > MOST_AT_ONCE:
            text = ngettext(
                "Nothing was done. Select at most %(number)d row: "
                "each may need a call to a provider.",
                "Nothing was done. Select at most %(number)d rows: "
                "each may need a call to a provider.",
                MOST_AT_ONCE,
            )
            self.message_user(request, text % {"number": MOST_AT_ONCE}, messages.ERROR)
            return
        outcomes = Counter(work(request, row) for row in rows)
        for (level, outcome), count in outcomes.items():
            # Translators: what happened to tokens, and the number of tokens.
            text = _("%(outcome)s: %(number)d") % {"outcome": outcome, "number": count}
            self.message_user(request, text, level)

    def _refresh_row(self, request: HttpRequest, row: Any) -> tuple[int, StrPromise]:
        session: Any = session_of(row)
        if session is None:
            return messages.WARNING, _("Skipped: no configured provider uses this row")
        token = session.token
        if token is None:
            return messages.WARNING, _("Skipped: unreadable or deleted")
        if not isinstance(session, OAuth2Session) or not session.provider.is_refreshable(token):
            return messages.WARNING, _("Skipped: cannot be refreshed")
        try:
            session.refresh()
        except AuthorizationRequired:
            return messages.WARNING, _("Lost: the provider has ended the grant")
        except ProviderUnavailable:
            return messages.ERROR, _("Not refreshed: the provider is unavailable")
        except DanceError:
            return messages.ERROR, _("Not refreshed: the provider refused; the log has the reason")
        self.log_change(request, row, _("Refreshed."))
        return messages.SUCCESS, _("Refreshed")

    def _revoke_row(self, request: HttpRequest, row: Any) -> tuple[int, StrPromise]:
        session = session_of(row)
        if session is None:
            return messages.WARNING, _("Skipped: no configured provider uses this row")
        if session.token is None:
            return messages.WARNING, _("Skipped: unreadable; use Delete")
        self.log_deletions(request, [row])  # type: ignore[arg-type]  # Django only iterates
        session.disconnect()
        return messages.SUCCESS, _("Deleted, and revoked if the provider supports it")


class ClientRegistrationForm(_ModelForm):
    """A form that takes a new secret, and shows none."""

    client_secret = forms.CharField(
        label=_("client secret"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Leave it empty to keep the present one. It is not shown."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._method_before = self.instance.token_endpoint_auth_method

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # it fills in the instance
        secret = self.cleaned_data.get("client_secret")
        methods = {self.instance.token_endpoint_auth_method, self._method_before}
        # A private key must not be sent as a secret.
        keeps_none = not self.instance.sealed or (len(methods) == 2 and _BY_KEY in methods)
        if self.instance.has_secret and not secret and keeps_none:
            self.add_error("client_secret", _("This method needs a secret."))
        elif secret and self.instance.token_endpoint_auth_method == _BY_KEY:
            try:
                signing_key(secret)
            except ValueError:
                self.add_error("client_secret", _("This method needs a private key as a JWK."))


@admin.register(ClientRegistration)
class ClientRegistrationAdmin(_ModelAdmin):
    """This site's credentials at authorization servers. It never shows a secret."""

    form = ClientRegistrationForm
    list_display = ("provider", "issuer", "tenant", "place", "client_id", "source", "expires_at")
    list_filter = ("provider", "source")
    search_fields = ("issuer", "client_id", "tenant", "place")
    fields = (
        "provider",
        "issuer",
        "tenant",
        "place",
        "redirect_uri",
        "client_id",
        "token_endpoint_auth_method",
        "client_secret",
        "scope",
        "expires_at",
        "source",
    )
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        # ?sealed__startswith= would let a user guess the sealed text letter by letter.
        return lookup.split("__")[0] != "sealed" and super().lookup_allowed(lookup, value, request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # The secret is bound to these. Credentials for another server are another row.
        return ("source",) if obj is None else ("source", "provider", "issuer", "tenant")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if secret := form.cleaned_data.get("client_secret"):
            obj.secrets = {"client_secret": secret}
        if not change:
            obj.added_by = request.user
        super().save_model(request, obj, form, change)
