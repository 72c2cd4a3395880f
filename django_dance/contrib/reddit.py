from .. import __version__
from ..providers import OAuth2Provider


class Reddit(OAuth2Provider):
    """https://github.com/reddit-archive/reddit/wiki/OAuth2 — Reddit requires a ``USER_AGENT`` with
    your site's name and a Reddit user as a contact: ``web:<site>:<version> (by /u/<user>)``. Reddit
    approves each new application: request access as
    https://support.reddithelp.com/hc/articles/42728983564564 says."""

    documentation = "https://github.com/reddit-archive/reddit/wiki/OAuth2"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/reddit.rst
    registration_url = "https://www.reddit.com/prefs/apps"
    base_url = "https://oauth.reddit.com/"
    authorization_url = "https://www.reddit.com/api/v1/authorize"
    token_url = "https://www.reddit.com/api/v1/access_token"
    revocation_url = "https://www.reddit.com/api/v1/revoke_token"
    scope = "identity"
    scope_required = True
    # https://github.com/praw-dev/praw/blob/HEAD/docs/package_info/praw8_migration.rst
    refresh_rotates = False
    # {"message": "Bad Request", "error": 400}, as https://github.com/PostHog/posthog/blob/HEAD/posthog/models/integration/refresh_tracking.py
    # reads it
    refusals = {"dead": ("Bad Request",), "client": ("Unauthorized",)}
    request_headers = {"User-Agent": "{user_agent}"}
    account_url = "api/v1/me"
    account_id = "id"
    account_label = "name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: Ask for a refresh token.
    permanent = False
    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"

    authorization_url_options = {"permanent": {"duration": "permanent"}}
