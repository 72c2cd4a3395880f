"""``{% load dance %}``: a tag for the templates of the dance."""

from django import template
from django.conf import settings
from django.templatetags.static import static

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
