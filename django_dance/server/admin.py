"""The admin registers clients. It lists codes, tokens and consents, but shows no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.db import router
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from .models import Client, Consent, Grant, Token
from .registration import unused_model_error
from .responses import add_security_headers

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from ..tokens import Secret

    _ClientAdmin = admin.ModelAdmin[Client]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ClientAdmin = _ModelAdmin = admin.ModelAdmin

#: Fields that a filter in the URL must not find out letter by letter.
_SECRET_FIELDS = frozenset(
    {
        "access_digest",
        "bound_to",
        "client_secret",
        "code_challenge",
        "code_digest",
        "family",
        "refresh_digest",
    }
)


def _may_filter_by(lookup: str) -> bool:
    return _SECRET_FIELDS.isdisjoint(lookup.split("__"))


@admin.register(Client)
class ClientAdmin(_ClientAdmin):
    list_display = ("name", "client_id", "is_confidential", "is_active", "created_at")
    list_filter = ("is_active", "is_confidential", "registration")
    search_fields = ("name", "client_id")
    fields = (
        "client_id",
        "name",
        "is_confidential",
        "registered_redirect_uris",
        "scope",
        "grant_types",
        "user",
        "is_active",
        "is_trusted",
        "registration",
        "created_at",
    )
    readonly_fields = ("client_id", "registration", "created_at")
    raw_id_fields = ("user",)
    actions = ("rotate_secret",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and unused_model_error(self.model) is None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "GET" and (problem := unused_model_error(self.model)):
            # Credentials that no server knows would only mislead.
            self.message_user(request, problem, messages.ERROR)
        return super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        if not change and obj.is_confidential:
            vars(obj)["new_secret"] = obj.rotate_secret()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Client, post_url_continue: str | None = None
    ) -> HttpResponse:
        if "new_secret" in vars(obj):
            return self._secret_page(request, [(obj, vars(obj)["new_secret"])])
        return super().response_add(request, obj, post_url_continue)

    @admin.action(
        description=_("Replace the secret; all tokens become invalid"), permissions=["change"]
    )
    def rotate_secret(
        self, request: HttpRequest, queryset: QuerySet[Client]
    ) -> HttpResponse | None:
        rotated = []
        queryset = queryset.using(router.db_for_write(queryset.model))
        for client in queryset.filter(is_confidential=True):
            rotated.append((client, client.rotate_secret()))
            client.save(update_fields=["client_secret"])
        return self._secret_page(request, rotated) if rotated else None

    def _secret_page(
        self, request: HttpRequest, rotated: list[tuple[Client, Secret]]
    ) -> HttpResponse:
        """The only page that shows secrets. A message would be stored in a cookie or a table."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("New secret"),
            "opts": self.opts,
            "rotated": rotated,
        }
        return add_security_headers(render(request, "django_dance_server/secret.html", context))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return _may_filter_by(lookup) and super().lookup_allowed(lookup, value, request)


class ReadOnlyAdmin(_ModelAdmin):
    list_select_related: ClassVar[tuple[str, ...]] = ("client", "user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return _may_filter_by(lookup) and super().lookup_allowed(lookup, value, request)


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    list_display = ("client", "user", "scope", "created_at", "expires", "used_at")
    fields = list_display


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = (
        "client",
        "user",
        "scope",
        "created_at",
        "expires",
        "refresh_expires",
        "spent_at",
        "revoked_at",
    )
    fields = list_display


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ("client_id", "user", "scope", "redirect_uri", "created_at")
    list_select_related = ("user",)
    fields = list_display
