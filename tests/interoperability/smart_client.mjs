// SMART's JavaScript client (npm `fhirclient`) as a server-side app: PORT CLIENT_ID. /launch begins, /callback ends and tells what it read.
import { createServer } from "node:http";
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const smart = require("fhirclient");
const [port, clientId] = process.argv.slice(2);
const kept = {};
const storage = { get: async (k) => kept[k], set: async (k, v) => (kept[k] = v), unset: async (k) => delete kept[k] };
createServer(async (request, response) => {
  try {
    const path = new URL(request.url, `http://127.0.0.1:${port}`).pathname;
    if (path === "/launch") {
      await smart(request, response, storage).authorize({ clientId, scope: "launch openid fhirUser patient/*.rs", redirectUri: `http://127.0.0.1:${port}/callback`, pkceMode: "required" });
    } else if (path === "/callback") {
      const client = await smart(request, response, storage).ready();
      const patient = await client.patient.read();
      const notes = await client.request(`DocumentReference?patient=${client.patient.id}`, { flat: true });
      response.end(JSON.stringify({ patient: patient.id, encounter: client.encounter.id, user: client.user.fhirUser, notes: notes.length }));
    } else { response.statusCode = 404; response.end(); }
  } catch (error) { response.statusCode = 500; response.end(String(error)); }
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
