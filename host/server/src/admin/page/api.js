// A client of the admin API. The token is stored for this browser tab only.

const STORAGE_KEY = "narrowboat token";

export const token = {
  get: () => sessionStorage.getItem(STORAGE_KEY),
  set: (value) => sessionStorage.setItem(STORAGE_KEY, value),
  clear: () => sessionStorage.removeItem(STORAGE_KEY),
};

/** An error response of the admin API. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.error ?? `the host responded with status ${status}`);
    this.isUnauthorized = status === 401;
  }
}

async function request(path, options = {}) {
  const headers = { authorization: `Bearer ${token.get()}`, ...options.headers };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("the host is unreachable");
  }
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => ({})));
  return response.status === 204 ? undefined : response.json();
}

const postJson = (path, body) =>
  request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/** The header for a signature file, which contains 64 raw bytes or base64; no header without a file. */
async function signatureHeader(file) {
  if (!file) return {};
  const bytes = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  const base64 = bytes.length === 64 ? btoa(text) : text.replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/]{86}==$/.test(base64)) {
    throw new Error(`${file.name} is not an Ed25519 signature: expected 64 raw bytes or base64`);
  }
  return { "narrowboat-signature": base64 };
}

const pluginPath = ({ tenant, name }, resource) =>
  `/v1/plugins/${encodeURIComponent(name)}/${resource}?tenant=${encodeURIComponent(tenant)}`;

const mediaType = (pluginFile) =>
  pluginFile.name.endsWith(".narrowboat") ? "application/x-tar" : "application/wasm";

export const api = {
  getStatus: () => request("/v1/status"),
  listConnections: () => request("/v1/connections?limit=50"),
  listRooms: () => request("/v1/rooms?limit=50"),
  /** Ends a room: "close" saves it and lets it sleep, "reset" deletes its state. */
  endRoom: (plugin, room, end) => postJson(pluginPath(plugin, `rooms/${encodeURIComponent(room)}/${end}`), {}),
  listVersions: (plugin) => request(pluginPath(plugin, "versions")),
  deploy: async (plugin, pluginFile, signature) =>
    request(pluginPath(plugin, "versions"), {
      method: "POST",
      headers: { "content-type": mediaType(pluginFile), ...(await signatureHeader(signature)) },
      body: pluginFile,
    }),
  rollBack: (plugin, version) => postJson(pluginPath(plugin, "rollback"), { version }),
  approve: (plugin, version) => postJson(pluginPath(plugin, "approve"), { version }),
  closeConnection: (channel) =>
    postJson(`/v1/connections/${encodeURIComponent(channel)}/close`, {
      code: 1001,
      reason: "closed by the operator",
    }),
};
