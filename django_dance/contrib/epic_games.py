from ..providers import OAuth2Provider


class EpicGames(OAuth2Provider):
    """https://dev.epicgames.com/docs/web-api-ref/authentication"""

    label = "Epic Games"
    documentation = "https://dev.epicgames.com/docs/web-api-ref/authentication"
    # https://github.com/NangoHQ/nango/blob/HEAD/docs/integrations/all/epic-games.mdx
    registration_url = "https://dev.epicgames.com/portal/"
    base_url = "https://api.epicgames.dev/"
    authorization_url = "https://www.epicgames.com/id/authorize"
    token_url = "https://api.epicgames.dev/epic/oauth/v2/token"
    # The server does not decode Basic credentials:
    # https://github.com/openiddict/openiddict-core/blob/dev/src/OpenIddict.Client.WebIntegration/OpenIddictClientWebIntegrationHandlers.Exchange.cs
    client_auth_urlencoded = False
    revocation_url = "https://api.epicgames.dev/epic/oauth/v2/revoke"
    scope = "basic_profile"
    # https://github.com/pilcrowonpaper/arctic/blob/v3/docs/pages/providers/epicgames.md
    account_url = "epic/oauth/v2/userInfo"
    account_id = "sub"
    account_label = "preferred_username"
    unconfirmed = (
        "account_id",
        "account_label",
        "client_auth_urlencoded",
        "pkce",
        "refresh_rotates",
        "revocation_url",
    )
