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

const plugin = (name) => `/v1/plugins/${encodeURIComponent(name)}`;

export const api = {
  status: () => ask("/v1/status"),
  connections: () => ask("/v1/connections?limit=50"),
  versions: (name) => ask(`${plugin(name)}/versions`),
  deploy: (name, file) =>
    ask(`${plugin(name)}/versions`, {
      method: "POST",
      headers: { "content-type": "application/wasm" },
      body: file,
    }),
  rollback: (name, version) => post(`${plugin(name)}/rollback`, { version }),
  approve: (name, version) => post(`${plugin(name)}/approve`, { version }),
  close: (channel) =>
    post(`/v1/connections/${encodeURIComponent(channel)}/close`, {
      code: 1001,
      reason: "closed by the operator",
    }),
};
