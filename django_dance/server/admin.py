"""The admin registers clients. Of codes, tokens and consents it shows that they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _

from .models import Client, Consent, Grant, Token

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    _ClientAdmin = admin.ModelAdmin[Client]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ClientAdmin = _ModelAdmin = admin.ModelAdmin


@admin.register(Client)
class ClientAdmin(_ClientAdmin):
    list_display = ("name", "client_id", "is_confidential", "is_active", "created_at")
    list_filter = ("is_active", "is_confidential")
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
        "created_at",
    )
    readonly_fields = ("client_id", "created_at")
    raw_id_fields = ("user",)
    actions = ("rotate_secret",)

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        if change or not obj.is_confidential:
            super().save_model(request, obj, form, change)
            return
        secret = obj.rotate_secret()
        super().save_model(request, obj, form, change)
        self._show(request, obj, secret)

    @admin.action(description=_("Give a new secret; all tokens end"), permissions=["change"])
    def rotate_secret(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        for client in queryset.filter(is_confidential=True):
            secret = client.rotate_secret()
            client.save(update_fields=["client_secret"])
            self._show(request, client, secret)

    def _show(self, request: HttpRequest, client: Client, secret: str) -> None:
        self.message_user(
            request,
            _("The secret of %(name)s is %(secret)s. It is not shown again.")
            % {"name": client.name, "secret": str(secret)},
            messages.WARNING,
        )


class ReadOnlyAdmin(_ModelAdmin):
    list_select_related = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
    fields = list_display
