from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..providers import OAuth2Provider, Refusal

if TYPE_CHECKING:
    from ..http import ProtocolResponse


class Strava(OAuth2Provider):
    """https://developers.strava.com/docs/authentication/"""

    documentation = "https://developers.strava.com/docs/authentication/"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/strava.rst
    registration_url = "https://www.strava.com/settings/api"
    base_url = "https://www.strava.com/api/v3/"
    authorization_url = "https://www.strava.com/oauth/authorize"
    token_url = "https://www.strava.com/api/v3/oauth/token"
    revocation_url = "https://www.strava.com/oauth/deauthorize"
    revocation_auth = "token"
    revocation_token = "access_token"
    revocation_param = "access_token"
    client_auth = "post"
    scope = "read"
    scope_required = True
    scope_separator = ","
    refresh_rotates = True
    request_headers = {"User-Agent": "{user_agent}"}
    # The form: https://developers.strava.com/docs/reference/#api-models-Fault
    # The words: https://github.com/dreeveapp/dreeve/issues/1449 and
    # https://github.com/dreeveapp/dreeve/issues/372
    refusals = {"dead": ("RefreshToken.invalid",), "client": ("Application.invalid",)}
    account_url = "athlete"
    account_id = "id"
    account_label = "firstname"
    # PKCE is tolerated; this client sends it: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/strava.go
    unconfirmed = ("pkce", "refresh_rotates")

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"

    def refusal(self, answer: "ProtocolResponse", fields: Mapping[str, Any]) -> Refusal | None:
        found = super().refusal(answer, fields)
        errors = fields.get("errors")
        fault = errors[0] if found and isinstance(errors, list) and errors else None
        if found and isinstance(fault, dict):
            # "invalid" alone does not say which part of the request is invalid.
            return replace(found, code=f"{fault.get('resource')}.{fault.get('code')}")
        return found
