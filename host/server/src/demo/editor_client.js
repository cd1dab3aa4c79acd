// Requests of the editor to the host.

/** Milliseconds until a request fails. A save waits for its outcome. */
const TIMEOUT = 15_000;

/** The most characters of an error that is a text. */
const MAX_ERROR_LENGTH = 200;

const TOKEN_TAG = /<meta name="narrowboat-token" content="([\w-]+)">/;

/** The error of a request that the host has answered. */
export class EditorRequestError extends Error {
  constructor(status, { error, digest }) {
    super(error);
    this.status = status;
    /** The digest of a file that another program has changed. */
    this.digest = digest;
  }
}

/** The object of an error. The host refuses some requests, such as those above a limit, with a text. */
function parseError(status, text) {
  try {
    return JSON.parse(text);
  } catch {
    return { error: `the host answered ${status}: ${text.trim().slice(0, MAX_ERROR_LENGTH)}` };
  }
}

export class EditorClient {
  #token;

  constructor(token) {
    this.#token = token;
  }

  /** The client of this page; null if the host gave the page no token. */
  static ofPage() {
    const token = document.querySelector("meta[name=narrowboat-token]")?.content;
    return token ? new EditorClient(token) : null;
  }

  files() {
    return this.#post("files", {});
  }

  read(file) {
    return this.#post("read", file);
  }

  save(file, text, digest) {
    return this.#post("save", { ...file, text, digest });
  }

  changes(after, file) {
    return this.#post("changes", { after, file });
  }

  async #post(action, body) {
    let response = await this.#send(action, body);
    // The host has a new token after a restart.
    if (response.status === 403 && (await this.#renewToken())) response = await this.#send(action, body);
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    throw new EditorRequestError(response.status, parseError(response.status, text));
  }

  #send(action, body) {
    return fetch(`/demo/source/${action}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", "narrowboat-token": this.#token },
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  }

  async #renewToken() {
    const page = await fetch("/", { cache: "no-store" });
    const token = TOKEN_TAG.exec(await page.text())?.[1];
    const isNew = token !== undefined && token !== this.#token;
    if (isNew) this.#token = token;
    return isNew;
  }
}
