// Reads an AsyncAPI document with AsyncAPI's own parser; exits 1 when it finds an error or a warning.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const WARNING = 1; // 0 is an error, 2 a piece of information, 3 a hint

const [file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node check.js FILE");
  process.exit(2);
}
const { document, diagnostics } = await new Parser().parse(await readFile(file, "utf8"), { source: file });
for (const { code, message, path, severity } of diagnostics) {
  console.error(`${["error", "warning", "information", "hint"][severity]} ${code} at ${path.join(".")}: ${message}`);
}
if (!document || diagnostics.some(({ severity }) => severity <= WARNING)) {
  process.exit(1);
}
const examples = document.allMessages().all().flatMap((message) => message.examples().all());
console.log(
  `${file}: AsyncAPI ${document.version()}, ${document.channels().length} channels, ` +
    `${document.allMessages().length} messages, ${document.allSchemas().length} schemas, ${examples.length} examples`,
);
