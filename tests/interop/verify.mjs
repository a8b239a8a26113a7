// Verifies one bundle with the JavaScript implementation of Sigstore; it shares no code with release-tool.
//
//   node verify.mjs BUNDLE ARTIFACT TRUSTED_ROOT IDENTITY ISSUER
//
// Exits 0 where the bundle is good for the artifact, 1 where it is not, 2 where it is called wrongly.
// A DSSE bundle is good where its in-toto statement has the artifact's digest among its subjects.
// Needs @sigstore/bundle, @sigstore/protobuf-specs and @sigstore/verify in a node_modules that lies
// above this file, above the working directory, or where INTEROP_MODULES points.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const places = [process.env.INTEROP_MODULES, process.cwd(), import.meta.dirname];
const place = places.find((one) => {
  try {
    return one && createRequire(path.join(one, "x.js")).resolve("@sigstore/verify");
  } catch {
    return false;
  }
});
if (!place || process.argv.length !== 7) {
  console.error("usage: node verify.mjs BUNDLE ARTIFACT TRUSTED_ROOT IDENTITY ISSUER");
  console.error(place ? "" : "@sigstore/verify is not installed");
  process.exit(2);
}
const load = createRequire(path.join(place, "x.js"));
const { bundleFromJSON } = load("@sigstore/bundle");
const { TrustedRoot } = load("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = load("@sigstore/verify");

const [bundlePath, artifactPath, rootPath, identity, issuer] = process.argv.slice(2);
const readJson = (name) => JSON.parse(readFileSync(name, "utf8"));
function checkEqual(what, expected, actual) {
  if (actual !== expected) throw new Error(`the ${what} is ${actual}, not ${expected}`);
}

function checkSubject(envelope, artifact) {
  const digest = createHash("sha256").update(artifact).digest("hex");
  const statement = JSON.parse(envelope.payload.toString("utf8"));
  if (!statement.subject.some((one) => one.digest.sha256 === digest)) {
    throw new Error("the statement is not about this artifact");
  }
}

try {
  const bundle = bundleFromJSON(readJson(bundlePath));
  const trusted = toTrustMaterial(TrustedRoot.fromJSON(readJson(rootPath)));
  const artifact = readFileSync(artifactPath);
  const isMessage = bundle.content.$case === "messageSignature";
  const entity = toSignedEntity(bundle, isMessage ? artifact : undefined);
  // Compared here: the library's own policy would take the identity for a regular expression.
  const signer = new Verifier(trusted).verify(entity);
  checkEqual("identity", identity, signer.identity?.subjectAlternativeName);
  checkEqual("issuer", issuer, signer.identity?.extensions?.issuer);
  if (!isMessage) checkSubject(bundle.content.dsseEnvelope, artifact);
  console.log("verified");
} catch (error) {
  console.error(`not verified: ${error.message}`);
  process.exit(1);
}
