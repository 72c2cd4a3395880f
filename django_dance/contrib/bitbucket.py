from ..providers import OAuth2Provider


class Bitbucket(OAuth2Provider):
    """https://developer.atlassian.com/cloud/bitbucket/oauth-2/ — your consumer at Bitbucket must
    have each scope that you request. The user is asked for all scopes of the consumer."""

    documentation = "https://developer.atlassian.com/cloud/bitbucket/oauth-2/"
    checked = "2026-11"
    # A consumer is added in the settings of a workspace, as this page describes.
    registration_url = (
        "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/"
    )
    base_url = "https://api.bitbucket.org/2.0/"
    authorization_url = "https://bitbucket.org/site/oauth2/authorize"
    token_url = "https://bitbucket.org/site/oauth2/access_token"
    # https://community.developer.atlassian.com/t/oauth-2-0-and-api-authentication-changes-for-bitbucket-cloud/99003
    refresh_rotates = True
    refresh_token_lifetime = 90
    # As clients have recorded it for a wrong secret
    refusals = {"client": ("unauthorized_client: invalid oauth client credentials",)}
    scope = "account"
    account_url = "user"
    account_id = "uuid"
    account_label = "display_name"
    # PKCE is tolerated; this client sends it: https://github.com/git-ecosystem/git-credential-manager/blob/HEAD/src/shared/Core/Authentication/OAuth/OAuth2Client.cs
    unconfirmed = ("pkce",)
