// openid-client: code with PKCE, an API call, introspection, refresh and revocation.
import * as client from "openid-client";
import { tell, visit } from "./person.mjs";

const { issuer, api, client_id, client_secret, method, redirect_uri } = JSON.parse(process.argv[2]);
const authentication = {
  client_secret_basic: () => client.ClientSecretBasic(client_secret),
  client_secret_post: () => client.ClientSecretPost(client_secret),
  none: () => client.None(),
}[method]();
const config = await client.discovery(new URL(issuer), client_id, undefined, authentication, {
  algorithm: "oauth2",
  execute: [client.allowInsecureRequests], // the server listens on loopback
});

/** The status and the answer of the API. */
async function call(token) {
  try {
    const response = await client.fetchProtectedResource(config, token, new URL(api), "GET");
    return [response.status, await response.json()];
  } catch (error) {
    return [error.status, error.cause[0].parameters.error];
  }
}

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const answer = await visit(
  client.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: "read",
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
  }),
);
let first;
try {
  first = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState });
} catch (error) {
  tell({ refused: error.error });
  process.exit();
}
const report = { first, calls: [await call(first.access_token)], introspected: [] };
const confidential = method !== "none";
if (confidential) report.introspected.push(await client.tokenIntrospection(config, first.access_token));

const second = await client.refreshTokenGrant(config, first.refresh_token);
report.second = second;
report.calls.push(await call(first.access_token), await call(second.access_token));
if (confidential) report.introspected.push(await client.tokenIntrospection(config, first.access_token));

await client.tokenRevocation(config, second.refresh_token);
report.calls.push(await call(second.access_token));
if (confidential) report.introspected.push(await client.tokenIntrospection(config, second.access_token));
tell(report);
