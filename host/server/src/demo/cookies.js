// Cookies for the handshake of one connection. A page cannot set the headers of a WebSocket, but browsers send cookies.

/** Resolves when the handshake is over that has its cookies set. */
let handshakeWithCookies = Promise.resolve();

/** Waits until no other connection's cookies are set. */
export const waitForOtherCookies = () => handshakeWithCookies;

/**
 * Sets cookies, each as name=value, for the path of a connection. Returns a function that removes them, to be called
 * when the handshake is over. Other connections wait for that, so that they do not send these cookies.
 */
export function setCookies(cookies, path) {
  if (cookies.length === 0) return () => {};
  const attributes = `path=${path.split("?")[0]}; SameSite=Strict`;
  for (const cookie of cookies) document.cookie = `${cookie}; ${attributes}`;
  waitForCookieStore();
  const { promise, resolve } = Promise.withResolvers();
  handshakeWithCookies = promise;
  return () => {
    for (const cookie of cookies) document.cookie = `${cookie.split("=")[0]}=; Max-Age=0; ${attributes}`;
    resolve();
  };
}

/**
 * Waits until the browser has stored the cookies that were set. Chromium stores them in another process and does not
 * wait for it, so a handshake could go out before; it reads them only after it has stored them.
 */
function waitForCookieStore() {
  void document.cookie;
}
