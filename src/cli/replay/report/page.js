// What only a script can do: say what stands behind each frame, zoom, switch outcomes off, lead from a picture to its
// place and back. The page is whole without it. Text from the data only ever becomes text, never markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const MOVES = "share of the view that moves";
  const off = new Set();
  document.documentElement.classList.add("js");

  // Numbers as the rest of the page writes them.
  const share = (parts) => {
    const p = parts / 1000;
    return p.toFixed(p <= 0 || p >= 9.95 ? 0 : p >= 0.995 ? 1 : 2) + "\u00a0%";
  };
  const clock = (t, digits) => {
    const unit = 10 ** digits;
    const all = Math.round(Math.max(t, 0) * unit);
    const whole = Math.floor(all / unit);
    const two = (n) => String(n).padStart(2, "0");
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const tail = digits ? "." + String(all % unit).padStart(digits, "0") : "";
    return (h ? h + ":" + two(m) : m) + ":" + two(s) + tail;
  };
  const plain = (value) => String(Math.round(value * 10) / 10);

  /** Why a frame ended as it did. */
  function why(run, i) {
    const meaning = data.outcomes[run.o[i]][1];
    const because = run.because[i];
    if (!because) return meaning;
    const [what, value, limit] = [run.what[because[0]], because[1], because[2]];
    if (what === MOVES) {
      return `${meaning}: ${share(value * 1e5)} of the view, ${share(limit * 1e5)} needed`;
    }
    // "share of" and "seconds" are said by their units.
    const [, unit, rest] = /^(share of|seconds)? ?(.*)$/s.exec(what);
    if (unit === "share of") return `${meaning}: ${share(value * 1e5)} of ${rest}, the limit is ${share(limit * 1e5)}`;
    if (unit === "seconds") return `${meaning}: ${plain(value)}\u00a0s ${rest}, the limit is ${plain(limit)}\u00a0s`;
    return `${meaning}: ${what} ${plain(value)}, the limit is ${plain(limit)}`;
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  class Panel {
    constructor(root) {
      this.root = root;
      this.run = data.runs[root.dataset.run];
      this.section = root.closest(".clip");
      this.scroll = root.querySelector(".scroll");
      this.tracks = root.querySelector(".tracks");
      this.plot = root.querySelector(".plot");
      this.cursor = root.querySelector(".cursor");
      this.read = root.querySelector(".read");
      this.axis = root.querySelector(".axis");
      this.zoom = 1;
      this.at = null;
      this.cards = [...document.querySelectorAll(`.card .at[href="#r${root.dataset.run}"]`)].map((a) => a.closest(".card"));
      this.listen();
      new ResizeObserver(() => { this.ticks(); this.place(); }).observe(this.scroll);
    }

    /** All time lines of this clip move together. */
    family() { return panels.filter((other) => other.section === this.section); }

    listen() {
      for (const button of this.root.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => this.step(Number(button.dataset.zoom)));
      }
      const second = (event) => {
        const box = this.plot.getBoundingClientRect();
        return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.run.length;
      };
      const inside = (event) => event.target.closest(".field") && !event.target.closest("a");
      let from = null;
      this.tracks.addEventListener("pointermove", (event) => {
        if (event.pointerType !== "mouse") return;
        if (from !== null) this.draw(from, second(event));
        else if (event.target.closest(".field")) this.show(second(event));
      });
      this.tracks.addEventListener("click", (event) => { if (inside(event)) this.show(second(event)); });
      this.plot.addEventListener("pointerdown", (event) => {
        if (event.pointerType !== "mouse" || event.button !== 0) return;
        from = second(event);
        this.plot.setPointerCapture(event.pointerId);
      });
      const end = (event) => {
        if (from === null) return;
        const [a, b] = [from, second(event)].sort((x, y) => x - y);
        from = null;
        if (this.brush) this.brush.remove();
        this.brush = null;
        if (event.type === "pointerup" && (b - a) / this.run.length * this.plot.clientWidth > 8) this.fit(a, b);
      };
      this.plot.addEventListener("pointerup", end);
      this.plot.addEventListener("pointercancel", end);
      this.plot.addEventListener("dblclick", () => this.step(0));
      this.plot.addEventListener("keydown", (event) => this.key(event));
      this.scroll.addEventListener("scroll", () => {
        for (const other of this.family()) if (other !== this) other.scroll.scrollLeft = this.scroll.scrollLeft;
      });
      for (const event of this.root.querySelectorAll(".event")) {
        event.addEventListener("click", () => this.show(Number(event.dataset.at)));
      }
      for (const card of this.cards) {
        card.addEventListener("click", (event) => {
          event.preventDefault();
          this.show(Number(card.dataset.at));
          this.into();
          this.root.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
        });
      }
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const many = event.shiftKey ? 10 : 1;
      const moves = { ArrowRight: many, ArrowUp: many, ArrowLeft: -many, ArrowDown: -many, PageUp: 25, PageDown: -25, Home: -Infinity, End: Infinity };
      if (event.key in moves) this.walk(moves[event.key]);
      else if (event.key === "+" || event.key === "=") this.step(1);
      else if (event.key === "-") this.step(-1);
      else if (event.key === "0") this.step(0);
      else return;
      event.preventDefault();
    }

    shown(i) { return !off.has(data.outcomes[this.run.o[i]][2]); }

    /** The look at or before a time that is not switched off; else the first one after. */
    nearest(t) {
      const times = this.run.t;
      let [low, high] = [0, times.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (times[middle] <= t + 1e-6) low = middle + 1; else high = middle;
      }
      for (let i = low - 1; i >= 0; i--) if (this.shown(i)) return i;
      for (let i = low; i < times.length; i++) if (this.shown(i)) return i;
      return -1;
    }

    walk(by) {
      let i = this.at === null ? -1 : this.nearest(this.at);
      const step = by < 0 ? -1 : 1;
      let left = Math.min(Math.abs(by), this.run.t.length);
      for (let next = i + step; left > 0 && next >= 0 && next < this.run.t.length; next += step) {
        if (this.shown(next)) { i = next; left--; }
      }
      if (i >= 0) { this.show(this.run.t[i]); this.into(); }
    }

    show(t) {
      for (const panel of this.family()) panel.set(t);
    }

    set(t) {
      this.at = t;
      this.root.classList.add("used");
      this.place();
      const i = this.nearest(t);
      const words = i < 0 ? "No frame to show" : this.tell(i, t);
      this.plot.setAttribute("aria-valuenow", t.toFixed(1));
      this.plot.setAttribute("aria-valuetext", words);
    }

    tell(i, t) {
      const run = this.run;
      const [label, , name] = data.outcomes[run.o[i]];
      const reason = why(run, i);
      const place = run.events.findIndex(([from, to]) => from <= t && t <= (to ?? run.length));
      const head = element("span");
      head.style.color = "inherit";
      head.append(element("b", clock(run.t[i], 1)), element("i", "", `o o-${name}`), element("strong", label));
      if (run.n && run.n[i] > 1) head.append(` (${run.n[i]} frames)`);
      const parts = [head, element("span", reason)];
      const more = place < 0 ? [] : [`Event ${place + 1}: ${run.events[place][2] ?? "no words"}`];
      const told = run.because[i] && run.what[run.because[i][0]] === MOVES;
      if (run.motion[i] !== null && !told) more.push(`${share(run.motion[i])} of the view moves, threshold ${share(run.threshold[i])}`);
      if (run.light[i]) more.push(`other light on ${share(run.light[i])} of it`);
      if (more.length) parts.push(element("span", more.join(" · ")));
      this.read.replaceChildren(...parts);
      this.mark(t);
      return `${clock(run.t[i], 1)}, ${label}: ${reason}`;
    }

    /** The card of this moment, if an event goes on. */
    mark(t) {
      const going = this.run.events.some(([from, to]) => from - 0.5 <= t && t <= (to ?? this.run.length));
      let now = null;
      if (going) for (const card of this.cards) if (Number(card.dataset.at) <= t + 0.05) now = card;
      if (now !== this.now) {
        if (this.now) this.now.classList.remove("now");
        if (now) now.classList.add("now");
        this.now = now;
      }
    }

    place() {
      if (this.at === null) return;
      this.cursor.hidden = false;
      const left = this.plot.getBoundingClientRect().left - this.tracks.getBoundingClientRect().left;
      this.cursor.style.left = left + this.plot.clientWidth * (this.at / this.run.length) + "px";
    }

    /** Scrolls the time line so that the cursor is to be seen. */
    into() {
      const gutter = this.plot.getBoundingClientRect().left - this.tracks.getBoundingClientRect().left;
      const x = this.plot.clientWidth * (this.at / this.run.length);
      const width = this.scroll.clientWidth - gutter;
      if (x < this.scroll.scrollLeft + 20 || x > this.scroll.scrollLeft + width - 20) this.scroll.scrollLeft = x - width / 2;
    }

    draw(a, b) {
      if (!this.brush) {
        this.brush = element("div", "", "brush");
        this.plot.append(this.brush);
      }
      const [from, to] = [a, b].sort((x, y) => x - y);
      this.brush.style.left = from / this.run.length * 100 + "%";
      this.brush.style.width = (to - from) / this.run.length * 100 + "%";
    }

    step(direction) {
      if (direction === 0) return this.to(1, 0);
      const width = this.plot.clientWidth / this.zoom;
      const middle = this.at ?? (this.scroll.scrollLeft + width / 2) / this.plot.clientWidth * this.run.length;
      this.to(this.zoom * (direction > 0 ? 2 : 0.5), middle);
    }

    fit(a, b) { this.to(this.run.length / Math.max(b - a, 1e-3), (a + b) / 2); }

    to(zoom, middle) {
      // A frame needs no more than some pixels, and no drawing is wider than browsers like.
      const width = Math.max(this.plot.clientWidth / this.zoom, 1);
      const most = Math.max(1, Math.min(this.run.t.length * 12 / width, 30000 / width));
      for (const panel of this.family()) {
        panel.zoom = Math.min(Math.max(zoom, 1), most);
        panel.tracks.style.setProperty("--zoom", panel.zoom);
        panel.scroll.scrollLeft = middle / panel.run.length * panel.plot.clientWidth - width / 2;
        panel.ticks();
        panel.place();
      }
    }

    ticks() {
      const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
      const length = this.run.length;
      if (!(length > 0) || !this.plot.clientWidth) return;
      const step = steps.find((step) => step / length * this.plot.clientWidth >= 64) ?? 604800;
      const ticks = [];
      for (let t = 0; t <= length && ticks.length < 1500; t += step) {
        if (t > 0 && (length - t) / length * this.plot.clientWidth < 34) break;
        const tick = element("span", clock(t, 0));
        tick.style.left = t / length * 100 + "%";
        ticks.push(tick);
      }
      this.axis.replaceChildren(...ticks);
    }
  }

  const panels = [...document.querySelectorAll(".panel")].map((root) => new Panel(root));

  for (const key of document.querySelectorAll(".key")) {
    key.addEventListener("click", () => {
      const name = key.dataset.o;
      if (!off.delete(name)) off.add(name);
      for (const other of document.querySelectorAll(`[data-o="${name}"]`)) {
        if (other.classList.contains("key")) other.setAttribute("aria-pressed", String(!off.has(name)));
        else other.classList.toggle("off", off.has(name));
      }
      for (const panel of panels) if (panel.at !== null) panel.set(panel.at);
    });
  }

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const panel of panels) panel.step(0);
  });
})();
