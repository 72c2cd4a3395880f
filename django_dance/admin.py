"""The admin sees that there is a token, whose and until when; never the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from .models import OAuthToken

if TYPE_CHECKING:
    from django.http import HttpRequest

    _ModelAdmin = admin.ModelAdmin[OAuthToken]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(OAuthToken)
class OAuthTokenAdmin(_ModelAdmin):
    list_display = ("provider", "user", "account", "scope", "expires_at", "created_at")
    list_filter = ("provider",)
    list_select_related = ("user",)
    search_fields = ("account",)
    fields = ("provider", "user", "account", "scope", "expires_at", "created_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
