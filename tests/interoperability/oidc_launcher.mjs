// An EHR whose authorisation server is the certified OpenID provider `oidc-provider` (npm). Its settings come as one JSON object on standard input:
// port, fhir (the FHIR server behind it), user ({sub, name, fhirUser}), standalone (the context of a launch from outside), clients: [{path, ...client metadata}].
// Each client has a FHIR base of its own, http://127.0.0.1:PORT/PATH/fhir. POST /launches opens a chart; GET /seen tells what the token endpoint was asked.
// The provider asks for Node 22 or later, and was seen to run on 20.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
const { default: Provider, errors } = await import(pathToFileURL(`${process.cwd()}/node_modules/oidc-provider/lib/index.js`));

async function body(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}
const { port, fhir, user, standalone, clients } = JSON.parse(await body(process.stdin));
const url = `http://127.0.0.1:${port}`;
const pathOf = Object.fromEntries(clients.map((c) => [c.client_id, c.path]));
const launches = new Map(); // value of `launch` -> context
const contexts = new Map(); // grant -> context
const seen = [];
const key = { ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "ehr-1" };
const types = ["Patient", "Encounter", "DocumentReference", "Binary", "Composition", "DiagnosticReport", "ClinicalImpression", "Condition", "Observation"];
types.push("MedicationRequest", "MedicationStatement", "AllergyIntolerance", "MedicationAdministration", "Procedure", "ServiceRequest", "DeviceRequest");
types.push("Device", "Coverage");
const smartScopes = ["launch", "launch/patient", "launch/encounter", "user/Practitioner.r", "fhirUser", "online_access"];
smartScopes.push(...types.flatMap((type) => [`patient/${type}.rs`, `patient/${type}.r`]));

const provider = new Provider(url, {
  clients: clients.map(({ path, ...metadata }) => metadata),
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(24).toString("hex")] },
  scopes: ["openid", ...smartScopes],
  claims: { openid: ["sub"], fhirUser: ["fhirUser", "name"] },
  conformIdTokenClaims: false, // SMART wants fhirUser in the id_token
  enabledJWA: { clientAuthSigningAlgValues: ["RS384", "ES384"] },
  clientAuthMethods: ["client_secret_basic", "private_key_jwt"],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  extraParams: {
    aud: (ctx, value, client) => {
      if (value !== `${url}/${pathOf[client.clientId]}/fhir`) throw new errors.InvalidTarget("aud is not this FHIR server");
    },
    launch: (ctx, value) => {
      if (value !== undefined && !launches.has(value)) throw new errors.InvalidRequest("unknown launch");
    },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: user.name, fhirUser: `${url}/${pathOf[ctx.oidc.client.clientId]}/fhir/${user.fhirUser}` }),
  }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (ctx) => {
    const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope(ctx.oidc.params.scope);
    contexts.set(await grant.save(), ctx.oidc.params.launch ? launches.get(ctx.oidc.params.launch) : standalone);
    return grant;
  },
  // The provider's own fetch goes to no loopback address, and there our app's keys are (jwks_uri).
  fetch: (address, { dispatcher, ...options }) => globalThis.fetch(address, options),
  issueRefreshToken: (ctx, client, source) => source.scopes.has("online_access"),
  rotateRefreshToken: true,
  // A token is over at once for an app that leaves itself a margin: each page takes a refresh, and the token that was used up is refused.
  ttl: { AccessToken: 19, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 300, RefreshToken: 3600, Session: 3600 },
});
provider.use(async (ctx, next) => {
  await next();
  if (ctx.oidc?.route !== "token") return;
  if (ctx.status === 200) Object.assign(ctx.body, contexts.get(ctx.oidc.entities.Grant.jti));
  const { client_assertion: assertion, grant_type: grant, code_verifier: verifier } = ctx.oidc.body ?? {};
  const auth = assertion ? "private_key_jwt" : ctx.get("authorization").split(" ")[0];
  const alg = assertion ? JSON.parse(Buffer.from(assertion.split(".")[0], "base64url")).alg : "";
  const idToken = ctx.body.id_token ? JSON.parse(Buffer.from(ctx.body.id_token.split(".")[0], "base64url")).alg : "";
  seen.push({ client: ctx.oidc.client?.clientId, grant, auth, alg, verifier: Boolean(verifier), status: ctx.status, idToken });
});

const configuration = (base) => ({
  issuer: url,
  jwks_uri: `${url}/jwks`,
  authorization_endpoint: `${url}/auth`,
  token_endpoint: `${url}/token`,
  token_endpoint_auth_methods_supported: ["client_secret_basic", "private_key_jwt"],
  token_endpoint_auth_signing_alg_values_supported: ["RS384", "ES384"],
  grant_types_supported: ["authorization_code", "refresh_token"],
  scopes_supported: ["openid", ...smartScopes],
  response_types_supported: ["code"],
  code_challenge_methods_supported: ["S256"],
  capabilities: ["launch-ehr", "launch-standalone", "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect",
    "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient", "permission-patient", "permission-v2", "permission-online"],
});
const answer = (response, status, document) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(document));

async function fhirServer(request, response, base, rest) {
  if (rest === ".well-known/smart-configuration") return answer(response, 200, configuration(base));
  const token = await provider.AccessToken.find((request.headers.authorization ?? "").replace(/^Bearer /, ""));
  if (!token || `${url}/${pathOf[token.clientId]}/fhir` !== base) return answer(response, 401, { resourceType: "OperationOutcome" });
  const type = rest.split(/[/?]/)[0];
  const asked = new URLSearchParams(rest.split("?")[1]).get("patient")?.replace("Patient/", "");
  const granted = token.scope.split(" ").some((scope) => new RegExp(`^(patient|user)/${type}\\.r`).test(scope));
  if (!granted || request.method !== "GET" || (asked && asked !== contexts.get(token.grantId).patient)) return answer(response, 403, { resourceType: "OperationOutcome" });
  const found = await fetch(`${fhir}/${rest}`, { headers: { Accept: "application/fhir+json" } });
  response.writeHead(found.status, { "Content-Type": found.headers.get("content-type") ?? "application/fhir+json" });
  response.end((await found.text()).replaceAll(fhir, base));
}

const openId = provider.callback();
createServer(async (request, response) => {
  try {
    const [, path, rest] = request.url.match(/^\/([^/?]+)\/fhir\/(.*)$/) ?? [];
    if (path) await fhirServer(request, response, `${url}/${path}/fhir`, rest);
    else if (request.url === "/seen") answer(response, 200, seen);
    else if (request.url === "/launches" && request.method === "POST") {
      const launch = randomBytes(12).toString("base64url");
      launches.set(launch, JSON.parse(await body(request)));
      answer(response, 200, { launch });
    } else if (request.url.startsWith("/interaction/")) await provider.interactionFinished(request, response, { login: { accountId: user.sub } });
    else openId(request, response);
  } catch (error) { response.writeHead(500).end(String(error)); }
}).listen(port, "127.0.0.1");
