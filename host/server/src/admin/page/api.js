// The host's interface. The token stays in this tab, and is gone when the tab is.

const KEPT = "narrowboat token";

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (value) => sessionStorage.setItem(KEPT, value),
  forget: () => sessionStorage.removeItem(KEPT),
};

// What the host answered to what it did not do.
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.error ?? `the host answered ${status}`);
    this.isAboutTheToken = status === 401;
  }
}

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${token.get()}`, ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("the host does not answer");
  }
  if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
  return answer.status === 204 ? undefined : answer.json();
}

const post = (path, given) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(given),
  });

// The header for a file of a signature: 64 bytes as they are, or a text of base64.
async function signed(file) {
  if (!file) return {};
  const bytes = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  const base64 = bytes.length === 64 ? btoa(text) : text.replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/]{86}==$/.test(base64)) throw new Error(`${file.name} is no signature`);
  return { "narrowboat-signature": base64 };
}

const plugin = ({ tenant, name }, what) =>
  `/v1/plugins/${encodeURIComponent(name)}/${what}?tenant=${encodeURIComponent(tenant)}`;

export const api = {
  status: () => ask("/v1/status"),
  connections: () => ask("/v1/connections?limit=50"),
  versions: (which) => ask(plugin(which, "versions")),
  deploy: async (which, file, signature) =>
    ask(plugin(which, "versions"), {
      method: "POST",
      headers: { "content-type": "application/wasm", ...(await signed(signature)) },
      body: file,
    }),
  rollback: (which, version) => post(plugin(which, "rollback"), { version }),
  approve: (which, version) => post(plugin(which, "approve"), { version }),
  close: (channel) =>
    post(`/v1/connections/${encodeURIComponent(channel)}/close`, {
      code: 1001,
      reason: "closed by the operator",
    }),
};
