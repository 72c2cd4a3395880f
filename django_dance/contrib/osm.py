from ..providers import OIDCProvider


class OpenStreetMap(OIDCProvider):
    """https://wiki.openstreetmap.org/wiki/OAuth"""

    documentation = "https://wiki.openstreetmap.org/wiki/OAuth"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/openstreetmap.rst
    registration_url = "https://www.openstreetmap.org/oauth2/applications"
    label = "OpenStreetMap"
    base_url = "https://api.openstreetmap.org/api/0.6/"
    api_origins = ("https://www.openstreetmap.org",)
    authorization_url = "https://www.openstreetmap.org/oauth2/authorize"
    token_url = "https://www.openstreetmap.org/oauth2/token"
    # Its tokens do not expire:
    # https://github.com/openstreetmap/openstreetmap-website/blob/HEAD/config/initializers/doorkeeper.rb
    auto_refresh_url = None
    # https://github.com/openstreetmap/openstreetmap-website/blob/HEAD/config/routes.rb: Doorkeeper,
    # whose endpoints begin with "oauth2" here
    revocation_url = "https://www.openstreetmap.org/oauth2/revoke"
    jwks_url = "https://www.openstreetmap.org/oauth2/discovery/keys"
    userinfo_url = "https://www.openstreetmap.org/oauth2/userinfo"
    issuer = "https://www.openstreetmap.org"
    # The least scope for account_url:
    # https://github.com/openstreetmap/openstreetmap-website/blob/HEAD/app/abilities/api_ability.rb
    scope = "read_prefs"
    scope_required = True
    account_url = "user/details.json"
    account_id = "user.id"
    account_label = "user.display_name"
