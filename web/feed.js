// Readings as they are stored. A browser allows six connections to a server, and a feed holds one: so it is
// closed while the page is hidden.

const RETRY_MS = 3000;

export class Feed {
  // `onReading(reading)`; `onGap()` when readings may have been missed, at the beginning too.
  constructor(path, onReading, onGap) {
    Object.assign(this, { path, onReading, onGap });
    this.onVisibility = () => (document.hidden ? this.#close() : this.#open());
    document.addEventListener("visibilitychange", this.onVisibility);
    addEventListener("pagehide", this.onHide = () => this.#close());
    if (!document.hidden) this.#open();
  }

  end() {
    document.removeEventListener("visibilitychange", this.onVisibility);
    removeEventListener("pagehide", this.onHide);
    this.#close();
  }

  #open() {
    this.#close();
    const source = new EventSource(this.path);
    this.source = source;
    source.onopen = () => this.onGap();
    source.addEventListener("reading", ({ data }) => this.onReading(JSON.parse(data)));
    source.addEventListener("reset", () => this.onGap());
    source.addEventListener("dropped", () => this.onGap());
    source.onerror = () => {
      // The browser tries again by itself, unless the answer was not a feed.
      if (source.readyState === EventSource.CLOSED) this.#later();
    };
  }

  #later() {
    this.#close();
    this.onGap();
    this.timer = setTimeout(() => this.#open(), RETRY_MS);
  }

  #close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
