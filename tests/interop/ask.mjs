// Asks one of the modules beside it: node ask.mjs MODULE OPTIONS. Reads a token a line, answers a line of JSON each.
import readline from "node:readline";

const [, , module, options] = process.argv;
const { connect } = await import(module);
let verify;
for await (const token of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    verify ??= await connect(JSON.parse(options));
    answer = { claims: await verify(token) };
  } catch (error) {
    const causes = [error, error.cause, error.cause?.cause].filter(Boolean);
    answer = { refused: causes.map(({ code, message }) => [code, message].filter(Boolean).join(": ")).join("; ") };
  }
  console.log(JSON.stringify(answer));
}
process.exit(0);
