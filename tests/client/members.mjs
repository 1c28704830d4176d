// Print which members the types declare, and which ones the module has.

import * as real from "django-jwtauth";
import ts from "typescript";

const file = "node_modules/django-jwtauth/jwtauth.d.ts";
const program = ts.createProgram([file], { lib: ["lib.es2022.d.ts", "lib.dom.d.ts"], types: [] });
const exported = program.getTypeChecker().getExportsOfModule(program.getTypeChecker().getSymbolAtLocation(program.getSourceFile(file)));
const flags = ts.SymbolFlags.Class | ts.SymbolFlags.Function;
const declared = {};
for (const symbol of exported.filter((symbol) => symbol.flags & flags)) {
  const names = [...(symbol.members?.keys() ?? [])].filter((name) => name !== "__constructor");
  declared[symbol.name] = [...names, ...(symbol.exports?.keys() ?? [])].filter((name) => name !== "prototype").sort();
}
// Declared again with other types, but inherited.
const inherited = ["addEventListener", "removeEventListener"];
declared.Client = declared.Client.filter((name) => !inherited.includes(name));

function namesOf(value) {
  if (!value.prototype) return [];
  const own = new value({ base: "http://127.0.0.1/", share: false, proactive: false });
  const names = [...Object.getOwnPropertyNames(value.prototype), ...Object.keys(own)];
  const fixed = Object.getOwnPropertyNames(value).filter((name) => typeof value[name] === "function" && name !== "prototype");
  return [...names, ...fixed].filter((name) => name !== "constructor").sort();
}

const options = exported.find((symbol) => symbol.name === "ClientOptions").members.keys();
const found = Object.fromEntries(Object.keys(real).map((name) => [name, namesOf(real[name])]));
console.log(JSON.stringify({ declared, real: found, options: [...options] }));
