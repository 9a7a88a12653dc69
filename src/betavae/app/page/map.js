// The map of a run's images by their codes, and the images nearest to what is shown.

import { ask } from "./runs.js";

const SIDE = 30;  // pixels of a thumbnail on the map
const COLOURS = ["#3b7dd8", "#e07b39", "#3f9b57", "#c34a5e", "#8a63c9", "#8f6b3a", "#c05aa0", "#5f6b76"];

/** Return a colour for a factor's value: of few values one each, of numbers a ramp. */
function colours(values) {
  const names = [...new Set(values)];
  const numeric = names.every((name) => name !== "" && Number.isFinite(Number(name)));
  if (names.length <= COLOURS.length && !(numeric && names.length > 4)) {
    names.sort();
    return values.map((value) => COLOURS[names.indexOf(value)]);
  }
  if (!numeric) return values.map(() => COLOURS[0]);
  const [low, high] = [Math.min(...names.map(Number)), Math.max(...names.map(Number))];
  return values.map((value) => `hsl(${240 - (240 * (Number(value) - low)) / (high - low || 1)} 75% 50%)`);
}

export class CodesMap {
  constructor(runs, choose, say) {
    Object.assign(this, { runs, choose, say, found: null });
    this.element = document.getElementById("map");
    this.canvas = this.element.querySelector("canvas");
    this.select = this.element.querySelector("select");
    this.element.addEventListener("toggle", () => this.element.open && !this.found && this.load());
    this.select.addEventListener("change", () => this.draw());
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.element.querySelector(".near").addEventListener("click", () => this.near());
  }

  async load() {
    this.element.querySelector(".state").textContent = "reading the images' codes…";
    try {
      this.found = await (await ask("/api/map?run=0")).json();
      this.sheet = new Image();
      this.sheet.src = this.found.sheet;
      await this.sheet.decode();
      for (const name of Object.keys(this.found.factors)) this.select.add(new Option(name, name));
      this.select.parentElement.hidden = this.select.options.length < 2;
      this.element.querySelector(".state").textContent =
        `${this.found.rows.length} images; click one to set the sliders`;
      this.draw();
    } catch (error) {
      this.say(error.message);
    }
  }

  draw() {
    if (!this.found || !this.sheet.complete) return;
    const { places, columns, side, factors } = this.found;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const values = factors[this.select.value];
    const edge = values ? colours(values) : null;
    places.forEach((place, k) => {
      const [x, y] = this.at(place);
      pen.drawImage(
        this.sheet, (k % columns) * side[1], Math.floor(k / columns) * side[0], side[1], side[0],
        x, y, SIDE, SIDE,
      );
      if (!edge) return;
      pen.strokeStyle = edge[k];
      pen.lineWidth = 3;
      pen.strokeRect(x + 1.5, y + 1.5, SIDE - 3, SIDE - 3);
    });
    this.canvas.dataset.drawn = Number(this.canvas.dataset.drawn ?? 0) + 1;
  }

  at([x, y]) {
    return [x * (this.canvas.width - SIDE), (1 - y) * (this.canvas.height - SIDE)];
  }

  click(event) {
    if (!this.found) return;
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) * this.canvas.width) / box.width - SIDE / 2;
    const y = ((event.clientY - box.top) * this.canvas.height) / box.height - SIDE / 2;
    let best = 0;
    let least = Infinity;
    this.found.places.forEach((place, k) => {
      const [left, top] = this.at(place);
      const far = (left - x) ** 2 + (top - y) ** 2;
      if (far <= least) [best, least] = [k, far];  // of those that overlap, the one on top
    });
    if (least < SIDE ** 2) this.choose(this.found.rows[best]);
  }

  async near() {
    try {
      const body = { run: 0, code: this.runs[0].code };
      const { images } = await (await ask("/api/neighbours", body)).json();
      this.element.querySelector(".nearest").replaceChildren(...images.map((one) => {
        const button = document.createElement("button");
        const picture = document.createElement("img");
        Object.assign(picture, { src: one.picture, alt: `image ${one.row}, distance ${one.distance}` });
        button.type = "button";
        button.title = `image ${one.row}, distance ${one.distance}`;
        button.append(picture);
        button.addEventListener("click", () => this.choose(one.row));
        return button;
      }));
      this.say("");
    } catch (error) {
      this.say(error.message);
    }
  }
}
