from ..providers import OAuth2Provider


class EVEOnline(OAuth2Provider):
    """https://developers.eveonline.com/docs/services/sso/"""

    label = "EVE Online"
    documentation = "https://developers.eveonline.com/docs/services/sso/"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/eveonline.rst
    registration_url = "https://developers.eveonline.com/applications/create"
    base_url = "https://esi.evetech.net/"
    authorization_url = "https://login.eveonline.com/v2/oauth/authorize"
    token_url = "https://login.eveonline.com/v2/oauth/token"
    # The revocation and the account:
    # https://login.eveonline.com/.well-known/oauth-authorization-server
    revocation_url = "https://login.eveonline.com/v2/oauth/revoke"
    scope = "publicData"
    account_url = "https://login.eveonline.com/v2/oauth/verify"
    # It identifies character and player. Characters are sold, and keep their CharacterID.
    account_id = "CharacterOwnerHash"
    account_label = "CharacterName"
    # The documentation of today names no fields of this answer. It names the claims "sub" and
    # "name" of the token, which is a JWT.
    unconfirmed = ("account_id", "account_label", "refresh_rotates", "scope")
