// Hover, keyboard, zoom, sorting and CSV for a page that is complete without them. Text of the data is only ever set as
// text. Marks are paths in the drawings: `data-rows` says which row of which table each of their pieces stands for.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const REACH = 28; // pixels from a mark within which it is picked
  const MOST_ZOOM = 16;

  const make = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const draw = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const button = (text, label, act, kind) => {
    const made = make("button", text, { type: "button", "aria-label": label, title: label });
    if (kind) made.className = kind;
    made.addEventListener("click", act);
    return made;
  };
  // matplotlib writes no width where it is 1.
  const strokeOf = (path) => {
    const { stroke, strokeWidth } = path.style;
    return stroke && stroke !== "none" ? parseFloat(strokeWidth || "1") : 0;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const spoken = make("div", "", { "aria-live": "polite", class: "spoken" });
  document.body.append(spoken);

  // --- tables ---------------------------------------------------------------------------------------------------

  const cells = (row) => [...row.cells].map((cell) => cell.textContent);
  const isNumeric = (head) => head.classList.contains("n");
  const value = (text, numeric) => (numeric ? (text === "" ? NaN : Number(text.replaceAll(",", ""))) : text);

  function sort(table, at, head) {
    const numeric = isNumeric(head);
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric; // numbers begin with the largest, names with A
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = [...table.tBodies[0].rows].map((row) => [value(row.cells[at].textContent, numeric), row]);
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    keyed.sort(([one], [other]) => {
      if (!numeric) return down ? compare(other, one) : compare(one, other);
      if (isNaN(one) || isNaN(other)) return isNaN(one) - isNaN(other); // what is missing comes last
      return down ? other - one : one - other;
    });
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  }

  // As `opensky-assets sql` writes CSV: a text that a spreadsheet would run as a formula gets an apostrophe.
  function field(text, numeric) {
    if (numeric) return text.replaceAll(",", "");
    const safe = /^[=+\-@\t\r\n]/.test(text) ? "'" + text : text;
    return /[",\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
  }

  function download(table, name) {
    const heads = [...table.tHead.rows[0].cells];
    const lines = [heads.map((head) => field(head.textContent, false))];
    for (const row of table.tBodies[0].rows)
      lines.push(cells(row).map((text, at) => field(text, isNumeric(heads[at]))));
    const text = "\ufeff" + lines.map((line) => line.join(",") + "\r\n").join("");
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    make("a", "", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

  function liven(table, section) {
    for (const [at, head] of [...table.tHead.rows[0].cells].entries()) {
      const name = head.textContent;
      head.textContent = "";
      const act = button(name, "Sort by " + name, () => sort(table, at, head), "sort");
      act.removeAttribute("aria-label");
      head.append(act);
    }
    const parts = [document.title, section.id, table.dataset.name ?? ""].map(slug).filter(Boolean);
    const name = parts.join("_") + ".csv";
    table.parentNode.before(button("Download CSV", "Download " + name, () => download(table, name), "csv"));
  }

  // --- drawings -------------------------------------------------------------------------------------------------

  // "0-2,7" → [0, 1, 2, 7]
  const numbers = (text) =>
    text.split(",").flatMap((part) => {
      const [first, last] = part.split("-").map(Number);
      return Array.from({ length: (last ?? first) - first + 1 }, (_, at) => first + at);
    });

  // A mark has the points of one piece of a path. A closed piece is the box around it.
  function marksOf(svg) {
    const marks = [];
    for (const group of svg.querySelectorAll("g[data-rows]")) {
      const path = group.querySelector("path");
      if (!path) continue;
      const rows = numbers(group.dataset.rows);
      const pieces = path.getAttribute("d").split("M").slice(1);
      pieces.forEach((piece, at) => {
        const found = piece.match(/-?[\d.]+/g).map(Number);
        const points = [];
        for (let n = 0; n + 1 < found.length; n += 2) points.push([found[n], found[n + 1]]);
        const xs = points.map(([x]) => x);
        const ys = points.map(([, y]) => y);
        marks.push({
          path, d: "M" + piece, points, row: rows[at], table: Number(group.dataset.table), closed: piece.includes("z"),
          box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
          dot: points.length < 3 && Math.hypot(xs[0] - xs.at(-1), ys[0] - ys.at(-1)) < 0.2,
        });
      });
    }
    return marks;
  }

  function toSegment(x, y, [ax, ay], [bx, by]) {
    const [dx, dy] = [bx - ax, by - ay];
    const share = dx || dy ? clamp(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1) : 0;
    return Math.hypot(x - ax - share * dx, y - ay - share * dy);
  }

  // How far a point is from a mark; along one axis only where the marks are columns or bars.
  function distance(mark, x, y, pick) {
    const [left, top, right, bottom] = mark.box;
    const across = Math.max(left - x, x - right, 0);
    const down = Math.max(top - y, y - bottom, 0);
    if (pick === "x") return across + down * 1e-4;
    if (pick === "y") return down + across * 1e-4;
    if (mark.closed || mark.dot) return Math.hypot(across, down);
    if (Math.hypot(across, down) > REACH * 4) return Infinity;
    let least = Infinity;
    for (let at = 1; at < mark.points.length; at += 1)
      least = Math.min(least, toSegment(x, y, mark.points[at - 1], mark.points[at]));
    return least;
  }

  class Chart {
    constructor(svg, section, tables) {
      Object.assign(this, { svg, section, tables, pick: section.dataset.pick, zoomKind: section.dataset.zoom });
      this.home = svg.getAttribute("viewBox").split(/\s+/).map(Number);
      this.box = [...this.home];
      this.k = 1; // how far it is zoomed in
      this.shift = 0; // of columns, in units of the drawing
      this.target = null; // where the buttons zoom to
      this.at = -1;
      this.pointers = new Map();
      this.label = svg.getAttribute("aria-label");
      svg.setAttribute("tabindex", "0");
      svg.setAttribute("role", "application");
      svg.setAttribute("aria-roledescription", "chart");
      svg.setAttribute("aria-label", this.label + " Arrow keys read the values, plus and minus zoom.");
      this.listen();
    }

    // Read once it is needed: a map has thousands of marks.
    get marks() {
      this._marks ??= marksOf(this.svg);
      return this._marks;
    }

    get keys() {
      if (!this._keys) {
        this._keys = new Map();
        for (const mark of this.marks) this._keys.set(mark.table * 1e6 + mark.row, mark);
        this._keys = [...this._keys].sort(([one], [other]) => one - other).map(([, mark]) => mark);
      }
      return this._keys;
    }

    listen() {
      const on = (name, act) => this.svg.addEventListener(name, act, name === "wheel" ? { passive: false } : undefined);
      on("pointermove", (event) => this.move(event));
      on("pointerdown", (event) => this.press(event));
      for (const name of ["pointerup", "pointercancel"]) on(name, (event) => this.release(event));
      on("pointerleave", (event) => event.pointerType === "mouse" && this.hide());
      on("blur", () => this.hide());
      on("keydown", (event) => this.key(event));
      on("dblclick", (event) => this.zoom(2, this.point(event)));
      on("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // else the page scrolls, as everywhere
        event.preventDefault();
        this.zoom(Math.exp(-clamp(event.deltaY, -60, 60) / 100), this.point(event));
      });
    }

    point(event) {
      const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      return [place.x, place.y];
    }

    // --- values

    nearest([x, y]) {
      const pixel = 1 / this.svg.getScreenCTM().a;
      const [at, reach] = this.pick === "x" ? [(x - this.shift) / this.k, Infinity] : [x, REACH * pixel];
      let found = null;
      let least = this.pick === "y" ? Infinity : reach;
      for (const mark of this.marks) {
        // A dot lies on the ends of its lines, so it goes first.
        const far = distance(mark, at, y, this.pick) - (mark.dot ? 6 * pixel : 0);
        if (far < least) [found, least] = [mark, far];
      }
      return found;
    }

    show(mark, speak) {
      const table = this.tables[mark.table];
      const row = table?.rows[mark.row];
      if (!row) return;
      this.unmark();
      for (const other of this.marks)
        if (other.table === mark.table && other.row === mark.row) {
          const lit = draw("path", { d: other.d, class: other.closed ? "lit area" : other.dot ? "lit dot" : "lit" });
          const turned = other.path.getAttribute("transform");
          if (turned) lit.setAttribute("transform", turned);
          const width = strokeOf(other.path) || 1;
          if (!other.closed) lit.style.strokeWidth = String(other.dot ? width * 1.6 : Math.max(width * 1.8, 1.2 / this.k));
          this.svg.append(lit);
        }
      const tip = this.tip;
      const texts = cells(row);
      const lines = texts.slice(1).map((text, at) => [table.heads[at + 1], text]).filter(([, text]) => text !== "");
      tip.replaceChildren(make("strong", table.heads[0] && table.named ? table.heads[0] + " " + texts[0] : texts[0]));
      for (const [head, text] of lines) {
        const line = make("div", "");
        line.append(make("span", head), make("b", text));
        tip.append(line);
      }
      if (speak) spoken.textContent = [texts[0], ...lines.map(([head, text]) => head + " " + text)].join(", ");
      tip.hidden = false;
      this.place(mark);
    }

    get tip() {
      if (!this._tip) {
        this._tip = make("div", "", { class: "tip", hidden: "" });
        this.svg.parentNode.append(this._tip);
        this.svg.parentNode.classList.add("chart");
      }
      return this._tip;
    }

    place(mark) {
      const screen = this.svg.getScreenCTM();
      const around = this.svg.parentNode.getBoundingClientRect();
      const middle = mark.points[mark.points.length >> 1];
      const [x, y] = mark.closed ? [(mark.box[0] + mark.box[2]) / 2, mark.box[1]] : middle;
      const place = new DOMPoint(this.pick === "x" ? x * this.k + this.shift : x, y).matrixTransform(screen);
      const [wide, high] = [this.tip.offsetWidth, this.tip.offsetHeight];
      const [left, top] = this.cursor ?? [place.x, place.y];
      // Within the drawing, so that the page never grows sideways.
      const above = top - around.top - high - 12;
      this.tip.style.left = clamp(left - around.left - wide / 2, 0, Math.max(0, around.width - wide)) + "px";
      this.tip.style.top = (above < -40 ? top - around.top + 16 : above) + "px";
    }

    unmark() {
      for (const lit of this.svg.querySelectorAll(".lit")) lit.remove();
    }

    hide() {
      this.unmark();
      if (this._tip) this._tip.hidden = true;
      this.at = -1;
    }

    // --- pointers and keys

    press(event) {
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (this.k > 1) this.svg.setPointerCapture(event.pointerId);
      this.pointAt(event);
    }

    release(event) {
      this.pointers.delete(event.pointerId);
    }

    move(event) {
      const before = this.pointers.get(event.pointerId);
      if (!before) {
        this.pointAt(event);
        return;
      }
      const now = [event.clientX, event.clientY];
      const scale = this.svg.getScreenCTM().a;
      if (this.pointers.size === 2) {
        const [, other] = [...this.pointers].find(([id]) => id !== event.pointerId);
        const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
        const middle = { clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 };
        this.zoom(apart(now) / apart(before), this.point(middle));
      } else if (this.k > 1) {
        this.hide();
        this.target = null;
        this.pan((before[0] - now[0]) / scale, (before[1] - now[1]) / scale);
      } else {
        this.pointAt(event);
      }
      this.pointers.set(event.pointerId, now);
    }

    pointAt(event) {
      const mark = this.nearest(this.point(event));
      this.cursor = [event.clientX, event.clientY];
      if (mark) this.show(mark, event.pointerType !== "mouse");
      else this.hide();
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const last = this.keys.length - 1;
      const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
      const zooms = { "+": 2, "=": 2, "-": 0.5, 0: 0 };
      if (event.key in moves && last >= 0) {
        this.cursor = null;
        this.at = clamp(this.at < 0 ? (moves[event.key] < 0 ? last : 0) : this.at + moves[event.key], 0, last);
        const at = this.at;
        this.follow(this.keys[at]);
        this.show(this.keys[at], true);
      } else if (event.key in zooms) {
        if (zooms[event.key]) this.zoom(zooms[event.key]);
        else this.reset();
      } else if (event.key === "Escape") this.hide();
      else return;
      event.preventDefault();
    }

    // A mark that the keys come to is within the zoomed part.
    follow(mark) {
      if (this.k === 1) return;
      this.target = null;
      const [x, y] = mark.points[mark.points.length >> 1];
      if (this.zoomKind === "x") this.pan(x * this.k + this.shift - (this.home[0] + this.home[2] / 2), 0);
      else this.pan(x - this.box[0] - this.box[2] / 2, y - this.box[1] - this.box[3] / 2);
    }

    // --- zoom

    reset() {
      this.zoom(1 / this.k);
    }

    zoom(factor, at) {
      const before = this.k;
      this.k = clamp(before * factor, 1, MOST_ZOOM);
      // The middle of a map of the world is the Sahara: without a place, it is zoomed to its busiest airport.
      if (at) this.target = null;
      else if (before === 1 && this.zoomKind === "map") this.target = this.keys.find((mark) => mark.dot)?.points[0];
      const [x, y] = at ?? this.target ?? [this.box[0] + this.box[2] / 2, this.box[1] + this.box[3] / 2];
      if (this.zoomKind === "x") {
        this.shift = x - ((x - this.shift) * this.k) / before;
        this.pan(0, 0);
        return;
      }
      if (this.target) this.box = [x - this.box[2] / 2, y - this.box[3] / 2, ...this.box.slice(2)];
      const share = before / this.k;
      this.box = [x - (x - this.box[0]) * share, y - (y - this.box[1]) * share, this.home[2] / this.k, this.home[3] / this.k];
      this.pan(0, 0);
    }

    pan(x, y) {
      this.hideKeeping();
      if (this.zoomKind === "x") {
        const [left, right] = this.plot();
        this.shift = clamp(this.shift - x, right * (1 - this.k), left * (1 - this.k));
        this.columns(left, right);
      } else {
        this.box[0] = clamp(this.box[0] + x, this.home[0], this.home[0] + this.home[2] - this.box[2]);
        this.box[1] = clamp(this.box[1] + y, this.home[1], this.home[1] + this.home[3] - this.box[3]);
        this.svg.setAttribute("viewBox", this.box.map((one) => one.toFixed(3)).join(" "));
        if (this.zoomKind === "map") this.thin();
      }
      this.svg.classList.toggle("zoomed", this.k > 1);
      this.section.classList.toggle("zoomed", this.section.querySelector("svg.zoomed") !== null);
    }

    hideKeeping() {
      const at = this.at;
      this.hide();
      this.at = at;
    }

    // Left and right edge of the axes.
    plot() {
      if (!this._plot) {
        const frame = this.svg.querySelector('g[id$="-patch_2"] path').getAttribute("d").match(/[\d.]+/g).map(Number);
        const xs = frame.filter((_, at) => at % 2 === 0);
        this._plot = [Math.min(...xs), Math.max(...xs)];
      }
      return this._plot;
    }

    // Columns grow sideways only; the axis gets the names of what is seen now.
    columns(left, right) {
      for (const path of new Set(this.marks.map((mark) => mark.path))) {
        const clip = path.getAttribute("clip-path");
        if (clip) {
          path.parentNode.setAttribute("clip-path", clip);
          path.removeAttribute("clip-path");
        }
        path.setAttribute("transform", `matrix(${this.k} 0 0 1 ${this.shift.toFixed(3)} 0)`);
      }
      this.svg.querySelectorAll(".tick").forEach((tick) => tick.remove());
      const ticks = this.svg.querySelectorAll('g[id*="-xtick_"] text');
      ticks.forEach((tick) => (tick.style.visibility = this.k > 1 ? "hidden" : ""));
      if (this.k === 1 || !ticks.length) return;
      const seen = this.keys
        .map((mark) => [((mark.box[0] + mark.box[2]) / 2) * this.k + this.shift, mark])
        .filter(([x]) => x > left + 8 && x < right - 8);
      const step = Math.max(1, Math.ceil(seen.length / 4));
      for (let at = step >> 1; at < seen.length; at += step) {
        const [x, mark] = seen[at];
        const tick = ticks[0].cloneNode(true);
        tick.textContent = this.tables[mark.table].rows[mark.row].cells[0].textContent;
        tick.setAttribute("class", "tick");
        tick.setAttribute("x", String(x));
        tick.removeAttribute("transform");
        tick.style.visibility = "";
        tick.style.textAnchor = "middle";
        this.svg.append(tick);
      }
    }

    // On a map that is zoomed in, lines and dots stay thin and more airports have room for their code.
    thin() {
      this._thick ??= [...this.svg.querySelectorAll("path")]
        .map((path) => [path, strokeOf(path)])
        .filter(([, width]) => width > 0);
      for (const [path, width] of this._thick) path.style.strokeWidth = String(width / this.k ** 0.7);
      this.svg.querySelectorAll(".code").forEach((code) => code.remove());
      this.svg.querySelectorAll('g[id*="text_"]').forEach((text) => (text.style.display = this.k > 1 ? "none" : ""));
      if (this.k === 1) return;
      const pixel = 1 / this.svg.getScreenCTM().a;
      const taken = [];
      for (const mark of this.keys) {
        const [x, y] = mark.points[0];
        const inside = x > this.box[0] && x < this.box[0] + this.box[2] - 40 * pixel && y > this.box[1] + 14 * pixel;
        if (!mark.dot || !inside || y > this.box[1] + this.box[3]) continue;
        if (taken.some(([left, top]) => Math.abs(x - left) < 46 * pixel && Math.abs(y - top) < 15 * pixel)) continue;
        taken.push([x, y]);
        const code = draw("text", { x: x + 4 * pixel, y: y - 4 * pixel, class: "code" });
        code.textContent = this.tables[mark.table].rows[mark.row].cells[0].textContent;
        code.style.fontSize = 12 * pixel + "px";
        code.style.strokeWidth = 3 * pixel + "px";
        this.svg.append(code);
        if (taken.length >= 60) break;
      }
    }
  }

  // --- the page -------------------------------------------------------------------------------------------------

  for (const section of document.querySelectorAll("main section")) {
    const tables = [...section.querySelectorAll("table")].map((table) => ({
      named: table.dataset.first === "named",
      rows: [...table.tBodies[0].rows], // marks name rows by their first order, whatever the table is sorted by
      heads: [...table.tHead.rows[0].cells].map((head) => head.textContent),
    }));
    const charts = [...section.querySelectorAll("svg")].map((svg) => new Chart(svg, section, tables));
    for (const table of section.querySelectorAll("table")) liven(table, section);
    if (!charts.length) continue;
    const shown = () => charts.filter((chart) => chart.svg.getBoundingClientRect().width);
    const tools = make("div", "", { class: "tools", role: "group", "aria-label": "Zoom" });
    tools.append(
      button("−", "Zoom out", () => shown()[0]?.zoom(1 / 2)),
      button("+", "Zoom in", () => shown()[0]?.zoom(2)),
      button("Reset", "Show all", () => shown().forEach((chart) => chart.reset()), "reset"),
    );
    section.querySelector("h2").after(tools);
  }
})();
