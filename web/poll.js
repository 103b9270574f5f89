// Asks the collector again and again, for as long as somebody looks.

const TIMEOUT_MS = 8000;
// After a failure: soon enough to see a restart, seldom enough not to hinder it.
const RETRY_MS_MAX = 4000;

// What came instead of an answer.
export class Fault extends Error {
  // `status` is null if nothing came.
  constructor(status, errors) {
    super(errors.join("; "));
    this.status = status;
  }
}

// GET as JSON, and how many characters it had.
export async function getJson(path, abort = null) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = abort ? AbortSignal.any([abort, timeout]) : timeout;
  let response, text;
  try {
    response = await fetch(path, { signal, cache: "no-store", headers: { Accept: "application/json" } });
    text = await response.text();
  } catch {
    throw new Fault(null, ["no answer"]);
  }
  let json = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Not the collector: something in between, or an answer that was cut.
  }
  if (!response.ok) throw new Fault(response.status, json?.errors ?? [`status ${response.status}`]);
  if (json === null) throw new Fault(response.status, ["the answer is not JSON"]);
  return { json, length: text.length };
}

const polls = new Set();

// One question, asked every `every_ms`, never twice at once.
export class Poll {
  // `path` may be a function; null from it means nothing to ask now.
  constructor(path, every_ms, onAnswer, onFault = () => {}) {
    Object.assign(this, { path, every_ms, onAnswer, onFault });
    this.faults = 0;
    this.timer = null;
    this.abort = null;
    this.is_running = false;
    polls.add(this);
    this.resume();
  }

  // Asks at once.
  resume() {
    if (this.is_running || document.hidden) return;
    this.is_running = true;
    this.#ask();
  }

  pause() {
    this.is_running = false;
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  // Asks at once, and then as before.
  again() {
    this.pause();
    this.resume();
  }

  end() {
    polls.delete(this);
    this.pause();
  }

  async #ask() {
    const abort = new AbortController();
    this.abort = abort;
    const path = typeof this.path === "function" ? this.path() : this.path;
    let answer = null, fault = null;
    if (path !== null) {
      try {
        answer = await getJson(path, abort.signal);
      } catch (error) {
        fault = error;
      }
      if (abort.signal.aborted) return;
      this.faults = fault ? this.faults + 1 : 0;
    }
    // Set first: a mistake in showing one answer does not end the asking.
    const retry_ms = Math.min(RETRY_MS_MAX, 500 * 2 ** this.faults);
    this.timer = setTimeout(() => this.#ask(), fault ? retry_ms : this.every_ms);
    if (answer) this.onAnswer(answer.json, answer.length);
    if (fault) this.onFault(fault);
  }
}

// Nobody looks at a hidden page.
document.addEventListener("visibilitychange", () => {
  for (const poll of polls) document.hidden ? poll.pause() : poll.resume();
});
