// The npm package `fhir` judges FHIR R4 resources: one JSON resource a line on standard input, one result a line.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const { Fhir } = require("fhir");
const fhir = new Fhir();
for await (const line of createInterface({ input: process.stdin })) {
  const resource = JSON.parse(line);
  const { messages } = fhir.validate(resource, { errorOnUnexpected: true });
  const wrong = messages.filter((m) => m.severity === "error" || m.severity === "fatal").map((m) => `${m.location}: ${m.message}`);
  console.log(JSON.stringify({ type: resource.resourceType, wrong }));
}
