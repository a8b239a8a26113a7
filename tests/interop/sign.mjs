// Signs one file with the JavaScript implementation of Sigstore; it shares no code with release-tool.
//
//   INTEROP_TOKEN=… node sign.mjs messageSignature|dsseEnvelope FILE SIGNING_CONFIG BUNDLE
//
// `messageSignature` signs the file, `dsseEnvelope` takes it for an in-toto statement and signs that.
// Everything is sent where the signing config says. Needs @sigstore/bundle, @sigstore/protobuf-specs
// and @sigstore/sign in a node_modules where INTEROP_MODULES points.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const load = createRequire(path.join(process.env.INTEROP_MODULES ?? process.cwd(), "x.js"));
const { bundleToJSON } = load("@sigstore/bundle");
const { SigningConfig } = load("@sigstore/protobuf-specs");
const { bundleBuilderFromSigningConfig } = load("@sigstore/sign");

const [bundleType, file, configPath, out] = process.argv.slice(2);
try {
  const builder = bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(JSON.parse(readFileSync(configPath, "utf8"))),
    identityProvider: { getToken: async () => process.env.INTEROP_TOKEN },
    bundleType,
  });
  const bundle = await builder.create({
    data: readFileSync(file),
    type: bundleType === "dsseEnvelope" ? "application/vnd.in-toto+json" : undefined,
  });
  writeFileSync(out, JSON.stringify(bundleToJSON(bundle)));
} catch (error) {
  console.error(`not signed: ${error.message}: ${error.cause?.message ?? ""}`);
  process.exit(1);
}
