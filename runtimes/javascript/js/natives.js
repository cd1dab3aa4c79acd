/** The functions of the host that the runtime offers. `runtime.js` fills this object. */
export const natives = {};
