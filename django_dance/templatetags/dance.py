"""``{% load dance %}``: the tags for templates of a site, and one for our own pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.templatetags.static import static

from ..decorators import session_for
from ..pages import UserConnections

register = template.Library()


@register.simple_tag
def stylesheet_url() -> str:
    """Return the URL of the stylesheet of our pages; empty if the site serves no static files."""
    if not settings.STATIC_URL:
        return ""
    try:
        return static("django_dance/pages.css")
    except ValueError:
        # The manifest of the storage does not have the file, because collectstatic did not run.
        # An unstyled page is better than none.
        return ""


@register.simple_tag(takes_context=True)
def oauth_login_url(
    context: template.Context, provider: str, place: str = "", **options: Any
) -> str:
    """Return the path that begins a dance of the visitor.

    :param provider: the provider's name in ``DANCE_PROVIDERS``.
    :param place: the place, for a provider with many servers.
    :param options: the arguments of ``get_login_url()``: ``next``, ``scope``, ``account``…
    :raises ProviderNotConfigured: there is no such provider.
    """
    request = _request_of(context, "oauth_login_url")
    return session_for(request, provider, place).get_login_url(**options)


@register.inclusion_tag("django_dance/connection_list.html", takes_context=True)
def oauth_connections(context: template.Context, *names: str) -> dict[str, Any]:
    """Show the connections of the logged-in user, as the page of connections does.

    :param names: the names of the providers to show; without any, all that the page lists.
    """
    request = _request_of(context, "oauth_connections")
    if not request.user.is_authenticated:
        return {"sections": []}
    found = UserConnections(request, request.get_full_path())
    entries = [each for each in found.entries if not names or each.provider.name in names]
    return {"sections": found.sections(entries)}


def _request_of(context: template.Context, tag: str) -> HttpRequest:
    """Return the request that the template is rendered for.

    :raises ImproperlyConfigured: the context has none.
    """
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        raise ImproperlyConfigured(
            f"{{% {tag} %}} needs the request in the context of the template: render the template "
            'with the request, and add "django.template.context_processors.request" to the '
            "context_processors of TEMPLATES."
        )
    return request
