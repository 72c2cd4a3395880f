from .. import __version__
from ..providers import OAuth2Provider


class PlanningCenter(OAuth2Provider):
    """https://api.planningcenteronline.com/docs/overview/authentication — keep ``people`` in
    ``SCOPE``, so that the account can be determined."""

    documentation = "https://api.planningcenteronline.com/docs/overview/authentication"
    checked = "2026-11"
    registration_url = "https://api.planningcenteronline.com/oauth/applications"
    label = "Planning Center"
    base_url = "https://api.planningcenteronline.com/"
    authorization_url = "https://api.planningcenteronline.com/oauth/authorize"
    token_url = "https://api.planningcenteronline.com/oauth/token"
    refresh_rotates = True
    refresh_token_lifetime = 90
    # https://github.com/planningcenter/developers/issues/1310
    refusals = {"dead": ("invalid_request: the refresh token is no longer valid",)}
    # https://github.com/planningcenter/pco_api_oauth_example_sinatra_ruby/blob/HEAD/app.rb
    revocation_url = "https://api.planningcenteronline.com/oauth/revoke"
    client_auth = "post"
    scope = "people"
    # https://github.com/planningcenter/developers/issues/1313
    request_headers = {"User-Agent": "{user_agent}"}
    account_url = "people/v2/me"
    account_id = "data.id"
    account_label = "data.attributes.name"
    unconfirmed = ("refresh_token_lifetime",)

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"
