// A client whose types are those of the schema. It prints what it was answered, as one JSON object.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Refusal = components["schemas"]["JWTRefusal"];

const [url, username, password] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl: url });

function refused(error: Refusal | { detail?: string } | undefined): string {
  if (!error || !("reason" in error)) throw new Error(`no reason: ${JSON.stringify(error)}`);
  return error.reason;
}

const wrong = await api.POST("/auth/token/", { body: { username, password: "wrong", scope: "", resource: "" } });
if (wrong.response.status !== 401) throw new Error(`not refused: ${wrong.response.status}`);

const signedIn = await api.POST("/auth/token/", { body: { username, password, scope: "", resource: "" } });
if (!signedIn.data) throw new Error(JSON.stringify(signedIn.error));
const first = { access: signedIn.data.access, refresh: signedIn.data.refresh };
const seconds: number = signedIn.data.expires_in;

let access: string = first.access;
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${access}`);
  },
});

const called = await api.GET("/orders/");

const renewed = await api.POST("/auth/token/refresh/", { body: { refresh: first.refresh, scope: "", resource: "" } });
if (!renewed.data) throw new Error(JSON.stringify(renewed.error));
access = renewed.data.access;

const listed = await api.GET("/auth/sessions/");
const sessions = listed.data?.results.map(({ current, device }) => ({ current, device }));

const unknown = await api.DELETE("/auth/sessions/{id}/", {
  params: { path: { id: "00000000-0000-0000-0000-000000000000" } },
});

const left = await api.POST("/auth/logout/");
const after = await api.GET("/auth/sessions/");
const incomplete = await api.POST("/auth/token/verify/", { body: { token: "" } });

const code: components["schemas"]["JWTCode"] = "token_not_valid";
// @ts-expect-error: a word that no refusal has
const nonsense: components["schemas"]["JWTCode"] = "nonsense";
// @ts-expect-error: there is no such member
const typo = signedIn.data?.acess;

console.log(
  JSON.stringify({
    wrong: refused(wrong.error),
    seconds,
    called: called.data?.code,
    same: renewed.data.refresh === first.refresh,
    sessions,
    unknown: unknown.response.status,
    left: left.response.status,
    after: refused(after.error),
    incomplete: incomplete.error,
    types: [code, nonsense, typeof typo],
  }),
);
