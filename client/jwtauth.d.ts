/** Types of the browser client for django-jwtauth. The comments of jwtauth.js describe how it works. */

/** How the tokens are kept: in the memory of the tabs, or in HttpOnly cookies. */
export type Mode = "header" | "cookie";

/** Times in seconds. */
export interface Timing {
  /** For one request to the auth endpoints. */
  timeout: number;
  /** For other tabs to answer. */
  ask: number;
  /** A token is refreshed this long before it expires, or in the last quarter of a shorter lifetime. */
  lead: number;
  /** Attempts at one refresh: a number, not a time. */
  tries: number;
  /** The pause after the first attempt; it doubles with each further one. */
  pause: number;
  /** A longer pause is an error at once, and the refresh is tried again later. */
  patience: number;
}

export interface ClientOptions {
  /** The address at which `django_jwtauth.urls` is included. */
  base: string | URL;
  /** "header" by default. */
  mode?: Mode | undefined;
  /** Further origins for which `fetch` signs requests. */
  services?: Iterable<string | URL> | undefined;
  /** Use the Web Locks API if the browser has it. On by default. */
  locks?: boolean | undefined;
  /** Share the sign-in with the other tabs of this origin. On by default. */
  share?: boolean | undefined;
  /** Refresh before a token expires, while the tab is visible. On by default. */
  proactive?: boolean | undefined;
  /** The function that sends all requests. `globalThis.fetch` by default. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Overrides of the times. */
  timing?: Partial<Timing> | undefined;
}

/** What signs a user in: by default a user name and a password; a project may ask for more. */
export type Credentials = Readonly<Record<string, unknown>>;

/** The claims of an access token, for display only: services verify the token themselves. */
export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly client_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  /** The id of the session. */
  readonly sid: string;
  readonly auth_time?: number;
  readonly scope?: string;
  readonly amr?: readonly string[];
  readonly acr?: string;
  readonly act?: { readonly sub: string };
  /** Claims of the project. */
  readonly [name: string]: unknown;
}

/** A session of the user, as the endpoint `sessions/` describes it. */
export interface Session {
  readonly id: string;
  readonly current: boolean;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly expires_at: string;
  readonly ip_address: string | null;
  readonly user_agent: string;
  readonly device: string;
}

/** The details of each event. */
export interface ClientEvents {
  signedin: { readonly how: "login" | "restored" | "tab" };
  /** `reason`: "logout", "logout_all", "session_ended", or why the server refused the refresh. */
  signedout: { readonly reason: string; readonly here: boolean };
  refreshed: { readonly how: "here" | "tab" };
  /** A refresh that no request was waiting for failed; it is tried again later. */
  refreshfailed: { readonly error: unknown };
  /** Sent after each `signedin`, `signedout` and `refreshed`, with their details. */
  change: { readonly how?: string; readonly reason?: string; readonly here?: boolean };
}

/** A listener for one event. */
export type ClientListener<Type extends keyof ClientEvents> =
  | ((this: Client, event: CustomEvent<ClientEvents[Type]>) => void)
  | { handleEvent(event: CustomEvent<ClientEvents[Type]>): void };

/** An endpoint refused a request, or could not be reached. */
export class AuthError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  status: number;
  /** The member `code` of the answer, or empty. */
  code: string;
  /** The member `reason` of the answer, or empty. */
  reason: string;
  /** The seconds of Retry-After, or null. */
  retryAfter: number | null;
  /** The whole answer: for a 400 the errors of each field. Null if it was not JSON. */
  body: unknown;
  /** Create the error that an answer describes. */
  static from(response: Response): Promise<AuthError>;
  /** Whether the same request may succeed a little later. */
  get isTemporary(): boolean;
}

/** The sign-in of this browser. */
export class Client extends EventTarget {
  constructor(options: ClientOptions);
  get mode(): Mode;
  get signedIn(): boolean;
  /** Why the sign-in ended; empty if nobody was signed in. */
  get reason(): string;
  /** Null in cookie mode, while nobody is signed in, and for tokens that clients cannot read. */
  get claims(): Claims | null;
  /** The lifetime of a new access token, in seconds. */
  get lifetime(): number;
  /** The remaining lifetime of this access token, in seconds. */
  get expiresIn(): number;
  /** Whether tokens are refreshed before they expire. */
  get proactive(): boolean;
  set proactive(on: boolean);
  /** Resume an existing sign-in, from another tab or from the cookies. Resolves to `signedIn`. */
  restore(): Promise<boolean>;
  /** Sign in. Resolves to the claims, which are null in cookie mode. Rejects with an AuthError. */
  login(credentials: Credentials): Promise<Claims | null>;
  /** Refresh now, or join a refresh in progress. Resolves to `signedIn`. Rejects with an AuthError. */
  refresh(): Promise<boolean>;
  /**
   * Fetch as `window.fetch` does; requests to the origins of `base` and `services` are signed. Rejects with an AuthError
   * if the server cannot be asked for a new token, or if another user has signed in meanwhile.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Sign out here. */
  logout(): Promise<void>;
  /** Sign out on all devices. Resolves to the number of sessions that were ended. */
  logoutEverywhere(): Promise<number>;
  /** List the sessions of the user, the current one first. */
  sessions(): Promise<Session[]>;
  /** End one session of the user. */
  endSession(id: string): Promise<void>;
  /** End all sessions of the user except this one. Resolves to their number. */
  endOthers(): Promise<number>;
  /** Release everything in this tab: timers, listeners and tokens. The session continues. */
  close(): void;

  addEventListener<Type extends keyof ClientEvents>(
    type: Type,
    listener: ClientListener<Type> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof ClientEvents>(
    type: Type,
    listener: ClientListener<Type> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** Create a client. */
export function createClient(options: ClientOptions): Client;
