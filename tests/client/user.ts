// A project that uses the client with all of its types, and makes the mistakes that they shall find.

import { AuthError, Client, createClient, type Claims, type ClientOptions, type Session } from "django-jwtauth";

const options: ClientOptions = {
  base: "http://127.0.0.1:9/api/auth/", // nothing listens there
  services: ["https://orders.example.com"],
  share: false,
  timing: { tries: 1, timeout: 1 },
};
const auth: Client = createClient(options);
const seen: string[] = [];

auth.addEventListener("signedin", (event) => seen.push(event.detail.how));
auth.addEventListener("signedout", ({ detail }) => seen.push(detail.here ? detail.reason : ""));
auth.addEventListener("refreshfailed", ({ detail }) => seen.push(String(detail.error)), { once: true });
auth.addEventListener("change", { handleEvent: (event) => seen.push(event.type) });
auth.addEventListener("of one's own", (event) => seen.push(event.type));

// Never called: what matters is that it compiles.
export async function everything(): Promise<void> {
  const restored: boolean = await auth.restore();
  const claims: Claims | null = await auth.login({ username: "ada", password: "secret", otp: 123456 });
  const tenant: unknown = claims?.["tenant"];
  const sid: string | undefined = claims?.sid;
  const response: Response = await auth.fetch(new URL("https://orders.example.com/"), { method: "POST" });
  const devices: Session[] = await auth.sessions();
  for (const { id, current } of devices) if (!current) await auth.endSession(id);
  const ended: number = (await auth.endOthers()) + (await auth.logoutEverywhere());
  auth.proactive = !auth.proactive;
  console.log(restored, tenant, sid, response.status, ended, auth.reason, auth.lifetime + auth.expiresIn);
  await auth.logout();
}

export function mistakes(): void {
  // @ts-expect-error: there is no such mode
  createClient({ base: "/api/auth/", mode: "cookies" });
  // @ts-expect-error: the address is missing
  createClient({ mode: "cookie" });
  // @ts-expect-error: it can only be read
  auth.signedIn = true;
  // @ts-expect-error: the details of this event have no reason
  auth.addEventListener("refreshed", ({ detail }) => detail.reason);
  // @ts-expect-error: a claim of the project has no known type
  const tenant: string = auth.claims?.["tenant"];
  console.log(tenant);
}

try {
  await auth.login({ username: "ada", password: "secret" });
} catch (error) {
  if (!(error instanceof AuthError)) throw error;
  const { status, isTemporary }: { status: number; isTemporary: boolean } = error;
  console.log(auth.mode, auth.signedIn, error.constructor.name, status, isTemporary);
}
auth.close();
