// The service's HTTP API. The token lives in sessionStorage and in the Authorization header, and nowhere else.

const tokenKey = "datalayer-token";
const root = new URL("../", document.baseURI.replace(/[#?].*$/, ""));

/** An answer that says no; `remedy` says what to do. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? `The service answered with status ${status}.`);
    this.status = status;
    this.code = problem?.code ?? "";
    this.remedy = problem?.remedy ?? "";
    this.errors = problem?.errors ?? [];
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor(cause) {
    super("The service does not answer.");
    this.cause = cause;
  }
}

let caller = { name: "", role: "", scopes: [], operations: [] };
let allowed = new Set();

export const token = {
  get: () => sessionStorage.getItem(tokenKey) ?? "",
  set: (text) => (text ? sessionStorage.setItem(tokenKey, text) : sessionStorage.removeItem(tokenKey)),
};

/** Fires "unreachable" and "refused" (401). */
export const trouble = new EventTarget();

/** Whether the service has an operation and this caller's role may call it, by its id in the OpenAPI document. */
export const can = (operation) => allowed.has(operation);

export const who = () => caller;

/** Asks who we are. */
export async function identify() {
  caller = await get("/api/v1/caller");
  allowed = new Set(caller.operations);
  return caller;
}

async function send(method, path, { query, body, text, headers, signal } = {}) {
  const url = new URL(path.replace(/^\//, ""), root);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined) {
      url.searchParams.set(name, value);
    }
  }
  const all = new Headers(headers);
  if (token.get()) {
    all.set("Authorization", `Bearer ${token.get()}`);
  }
  if (body !== undefined) {
    all.set("Content-Type", "application/json");
  }
  let response;
  try {
    response = await fetch(url, {
      method, headers: all, signal, body: body === undefined ? text : JSON.stringify(body), cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    throw lost(error);
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    if (response.status === 401) {
      trouble.dispatchEvent(new Event("refused"));
    }
    throw new ApiError(response.status, problem);
  }
  return response;
}

function lost(error) {
  if (error.name === "AbortError") {
    return error;
  }
  trouble.dispatchEvent(new Event("unreachable"));
  return new Unreachable(error);
}

async function json(response) {
  if (response.status === 204 || response.headers.get("Content-Length") === "0") {
    return null;
  }
  try {
    return await response.json();
  } catch (error) {
    throw lost(error);
  }
}

export const get = async (path, query, signal) => json(await send("GET", path, { query, signal }));
export const post = async (path, body, options = {}) => json(await send("POST", path, { body: body ?? undefined, ...options }));
export const remove = async (path, query) => json(await send("DELETE", path, { query }));

/** Whether the service is alive; throws where it does not answer. */
export const probe = () => send("GET", "/healthz");

/** A tree path below a route, each name encoded. */
export const below = (route, path) => route + path.split("/").map(encodeURIComponent).join("/");

async function* chunks(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch (error) {
        throw lost(error);
      }
      if (piece.done) {
        return;
      }
      yield piece.value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** A long operation: its progress goes to `onprogress`, its result is returned. Aborting the signal stops it. */
export async function run(path, body, { onprogress, signal } = {}) {
  const response = await send("POST", path, { body, signal });
  let rest = "";
  for await (const chunk of chunks(response)) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines.filter((l) => l.length > 0)) {
      const message = JSON.parse(line);
      if (message.error) {
        throw new ApiError(message.error.status, message.error);
      }
      if (message.result) {
        return message.result;
      }
      onprogress?.(message.progress);
    }
  }
  throw new ApiError(502, { detail: "The answer was cut off: how the operation ended is not known.", remedy: "Look whether it took effect before you repeat it." });
}

/** A job's changes as they come, until it ends; goes on by itself after a break. */
export async function watchJob(id, onjob, signal) {
  let last = null;
  for (let pause = 1; !signal.aborted;) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": String(last) };
      const response = await send("GET", `/api/v1/jobs/${id}/events`, { headers, signal });
      if (response.status === 204) {
        return;
      }
      let rest = "";
      for await (const chunk of chunks(response)) {
        pause = 1;
        const events = (rest + chunk).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const data = event.split("\n").filter((l) => l.startsWith("data: ")).map((l) => l.slice(6)).join("\n");
          if (data) {
            const job = JSON.parse(data);
            last = job.sequence;
            onjob(job);
            if (ended(job)) {
              return;
            }
          }
        }
      }
    } catch (error) {
      if (error.name === "AbortError" || (error instanceof ApiError && error.status < 500)) {
        if (error.name === "AbortError") {
          return;
        }
        throw error;
      }
    }
    await sleep(pause, signal);
    pause = Math.min(30, pause * 2);
  }
}

export const ended = (job) => ["done", "failed", "cancelled", "exhausted"].includes(job.state);

/** Waits; ends at once where the signal fires. */
export const sleep = (seconds, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    resolve();
  }, { once: true });
});
