/** Saves and restores the state of the module and of its consumers. */

export function saveModule() {
  return null;
}

export function loadModule() {}

export function snapshot() {
  return null;
}

export function restore(session, Class) {
  session.create(Class);
  session.phase = "open";
}

export function takeBaseline() {}
