// One run on the page: its picture, its sliders, its names and exports.

const SWEEP_SECONDS = 4;
const STEPS = { png: 11, gif: 31 };

export const signed = (value) =>
  `${value < -0.005 ? "−" : value > 0.005 ? "+" : ""}${Math.abs(value).toFixed(2)}`;

/** Rise and fall between -1 and 1, starting from `from`. */
function wave(seconds, from) {
  const phase = (seconds / SWEEP_SECONDS + (from + 1) / 4) % 1;
  return phase < 0.5 ? 4 * phase - 1 : 3 - 4 * phase;
}

/** Ask the server; its refusals come back as errors with one line. */
export async function ask(path, body, method = "POST") {
  const json = body !== undefined && !(body instanceof Blob);
  let answer;
  try {
    answer = await fetch(path, {
      method: body === undefined ? "GET" : method,
      headers: json ? { "Content-Type": "application/json" } : {},
      body: json ? JSON.stringify(body) : body,
    });
  } catch {
    throw new Error("betavae explore has ended: start it again in the terminal, and reload this page");
  }
  if (answer.ok) return answer;
  let said = `the server answered ${answer.status}`;
  try {
    said = (await answer.json()).error;
  } catch { /* not JSON: the status must do */ }
  throw new Error(said);
}

/** Hand a file to the browser's downloads. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export class Run {
  constructor(number, about, shape, span, say, changed = () => {}) {
    Object.assign(this, { number, about, span, say, changed });
    this.home = about.latents.map(() => 0);  // the picked image's code
    this.code = [...this.home];
    this.rows = new Map();
    this.playing = null;
    this.shown = about.latents[0].index;  // the latent whose traversal is exported
    this.blend = null;
    this.element = document.getElementById("run").content.cloneNode(true).firstElementChild;
    this.find = (query) => this.element.querySelector(query);
    this.canvas = this.find("canvas");
    [this.canvas.height, this.canvas.width] = shape.slice(1);
    this.find(".title").textContent = about.title;
    this.find(".facts").textContent = about.facts;
    const largest = Math.max(...about.latents.map((latent) => latent.amount), 1e-9);
    for (const latent of about.latents) this.add(latent, latent.amount / largest);
    const idle = about.latents.filter((latent) => !latent.active).length;
    this.find(".idle").hidden = idle === 0;
    this.find(".idle summary").textContent =
      `${idle} inactive latent${idle === 1 ? "" : "s"}, ${about.idle}`;
    this.find(".idle").open = idle === about.latents.length;
    this.find(".reset").addEventListener("click", () => this.reset());
    this.find(".sample").hidden = !about.prior;
    this.find(".sample").addEventListener("click", () => this.sample());
    this.find(".picture").addEventListener("click", () => {
      this.canvas.toBlob((blob) => download(blob, `picture-run${number}.png`));
    });
    this.find(".code").addEventListener("click", () => {
      const said = { run: about.folder, code: this.code, unit: "standard deviations" };
      const blob = new Blob([`${JSON.stringify(said, null, 2)}\n`], { type: "application/json" });
      download(blob, `code-run${number}.json`);
    });
    for (const button of this.element.querySelectorAll(".save")) {
      button.addEventListener("click", () => this.save(button));
    }
    this.describe();
  }

  add(latent, share) {
    const row = document.getElementById("latent").content.cloneNode(true).firstElementChild;
    const [range, name, play] = ["[type=range]", ".name", ".play"].map((q) => row.querySelector(q));
    row.querySelector(".symbol").innerHTML = "z<sub></sub>";
    row.querySelector("sub").textContent = latent.index;
    row.querySelector(".rate i").style.width = `${(100 * share).toFixed(1)}%`;
    row.querySelector(".nats").textContent = latent.said;
    name.value = latent.name;
    name.setAttribute("aria-label", `Name of latent ${latent.index}`);
    this.rows.set(latent.index, { row, range, name, play, out: row.querySelector("output") });
    this.label(latent.index);
    range.dataset.latent = latent.index;
    range.addEventListener("input", () => {
      this.stop();
      this.set(latent.index, Number(range.value));
    });
    range.addEventListener("keydown", (event) => {
      if (event.key === " ") this.toggle(latent.index);
      else if (event.key === "0") this.set(latent.index, this.home[latent.index]);
      else return;
      event.preventDefault();
    });
    play.addEventListener("click", () => this.toggle(latent.index));
    name.addEventListener("change", () => this.rename(latent.index, name));
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    this.find(latent.active ? ".sliders.active" : ".idle .sliders").append(row);
  }

  label(latent) {
    const { range, play, name } = this.rows.get(latent);
    const called = name.value ? `latent ${latent}, ${name.value}` : `latent ${latent}`;
    range.setAttribute("aria-label", `Value of ${called}`);
    play.querySelector(".said").textContent = `Sweep ${called}`;
    play.title = "Sweep";
  }

  async rename(latent, input) {
    try {
      const body = { run: this.number, names: { [latent]: input.value } };
      const { names } = await (await ask("/api/names", body, "PUT")).json();
      input.value = names[latent] ?? "";
      this.label(latent);
      this.describe();
      this.say("");
    } catch (error) {
      this.say(error.message);
    }
  }

  /** Take another image's code as the point that sliders start from and return to. */
  start(code) {
    this.stop();
    this.home = code;
    for (const [latent, { range }] of this.rows) {
      const end = Math.max(this.span, Math.ceil(10 * Math.abs(code[latent])) / 10);
      [range.min, range.max] = [-end, end];
      range.style.setProperty("--mark", `${(50 * (1 + code[latent] / end)).toFixed(2)}%`);
    }
    this.reset();
  }

  /** Draw a code from the prior. */
  sample() {
    this.stop();
    this.blend = null;
    this.all(this.code.map(() => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())));
    this.describe();
  }

  reset() {
    this.stop();
    this.all(this.home);
  }

  all(code) {
    this.code = [...code];
    for (const latent of this.rows.keys()) this.show(latent);
    this.draw();
  }

  set(latent, value) {
    this.code[latent] = value;
    this.shown = latent;
    this.blend = null;
    this.show(latent);
    this.describe();
    this.draw();
  }

  show(latent) {
    const { row, range, out } = this.rows.get(latent);
    range.value = this.code[latent];
    out.textContent = signed(this.code[latent]) + this.about.unit;
    row.classList.toggle("beyond", Math.abs(this.code[latent]) > this.span);
    row.title = row.classList.contains("beyond") ? `beyond ±${this.span}, where images rarely are` : "";
  }

  describe() {
    const name = this.rows.get(this.shown).name.value || `z${this.shown}`;
    this.find(".what").textContent =
      this.blend ? "Save the blend as" : `Save the traversal of ${name} as`;
  }

  /** Sweep a latent there and back until asked to stop. */
  toggle(latent) {
    const again = this.playing === latent;
    this.stop();
    if (again) return;
    this.playing = latent;
    const { play } = this.rows.get(latent);
    play.setAttribute("aria-pressed", "true");
    play.firstChild.data = "❚❚";
    const end = this.span;
    const from = Math.min(1, Math.max(-1, this.code[latent] / end));
    const begun = performance.now();
    const step = (now) => {
      if (this.playing !== latent) return;
      this.set(latent, end * wave(Math.max(0, now - begun) / 1000, from));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  stop() {
    if (this.playing === null) return;
    const { play } = this.rows.get(this.playing);
    play.setAttribute("aria-pressed", "false");
    play.firstChild.data = "▶";
    this.playing = null;
  }

  /** Draw the newest code; while one picture is on its way, only the last wish is kept. */
  async draw() {
    this.wanted = true;
    if (this.drawing) return;
    this.drawing = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        const begun = performance.now();
        const answer = await ask("/api/decode", { run: this.number, code: this.code });
        const bitmap = await createImageBitmap(await answer.blob());
        this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
        this.canvas.dataset.milliseconds = (performance.now() - begun).toFixed(1);
        this.canvas.dataset.drawn = Number(this.canvas.dataset.drawn ?? 0) + 1;
        this.changed();
      }
      this.say("");
    } catch (error) {
      this.say(error.message);
    } finally {
      this.drawing = false;
    }
  }

  /** Return the codes of the traversal, or of the blend, that is on the screen. */
  film(steps) {
    const places = Array.from({ length: steps }, (_, k) => k / (steps - 1));
    if (this.blend) {
      const [from, to] = this.blend;
      return places.map((at) => from.map((value, k) => (1 - at) * value + at * to[k]));
    }
    return places.map((at) =>
      this.code.map((value, k) => (k === this.shown ? this.span * (2 * at - 1) : value)));
  }

  /** Return what stands below each picture of a strip. */
  labels(steps) {
    const places = Array.from({ length: steps }, (_, k) => k / (steps - 1));
    if (this.blend) return places.map((at) => `${Math.round(100 * at)} %`);
    return places.map((at) => signed(this.span * (2 * at - 1)).replace("−", "-"));
  }

  async save(button) {
    const kind = button.dataset.kind;
    button.disabled = true;
    try {
      const answer = await ask("/api/film", { run: this.number, kind, codes: this.film(STEPS[kind]), labels: kind === "png" ? this.labels(STEPS[kind]) : [] });
      download(
        await answer.blob(), this.blend ? `blend.${kind}` : `traversal-z${this.shown}.${kind}`,
      );
      this.say("");
    } catch (error) {
      this.say(error.message);
    } finally {
      button.disabled = false;
    }
  }
}
