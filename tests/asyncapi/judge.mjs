// Prints what the official parser finds in the AsyncAPI document given, as JSON.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const problems = diagnostics.map((found) => `${found.path.join('.')}: ${found.message}`);
const messages = document?.allMessages().all().map((message) => message.name()) ?? [];
console.log(JSON.stringify({ accepted: document !== undefined, problems, version: document?.version(), messages }));
