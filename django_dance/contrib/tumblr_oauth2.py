from ..providers import OAuth2Provider
from .tumblr import PrimaryBlogMixin


class TumblrOAuth2(PrimaryBlogMixin, OAuth2Provider):
    """https://github.com/tumblr/docs/blob/master/api.md#oauth2-authorization — add
    ``offline_access`` to ``SCOPE`` to get refresh tokens, and ``write`` to change the user's
    blogs."""

    documentation = "https://github.com/tumblr/docs/blob/master/api.md#oauth2-authorization"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/tumblr_oauth2.rst
    registration_url = "https://www.tumblr.com/oauth/apps"
    label = "Tumblr (OAuth 2)"
    base_url = "https://api.tumblr.com/v2/"
    authorization_url = "https://www.tumblr.com/oauth2/authorize"
    token_url = "https://api.tumblr.com/v2/oauth2/token"
    client_auth = "post"
    scope = "basic"
    scope_required = True
    refresh_rotates = True
    # https://github.com/tumblr/docs/issues/134
    refresh_token_lifetime = 42
    account_url = "user/info"
    account_id = "response.user.blogs.0.uuid"
    account_label = "response.user.name"
    unconfirmed = ("pkce",)
