// The explorer: picks images, shares them with one run or two, blends between two images.

import { CodesMap } from "./map.js";
import { Run, ask } from "./runs.js";

const error = document.getElementById("error");
function say(line) {
  error.textContent = line;
  error.hidden = !line;
}

const runs = [];
const picked = [null, null];  // what the server said of the two images
const asked = [0, 0];  // so that a late answer does not replace a newer one

const blend = document.getElementById("blend");
const blendPlay = document.getElementById("blend-play");
let blending = false;

function describe(found) {
  if (found.row === null) return "your picture, cropped to a square";
  const factors = Object.entries(found.factors).map(([name, value]) => `${name}\u00a0${value}`);
  if (found.file) factors.unshift(found.file);
  return [`image\u00a0${found.row.toLocaleString("en")}`, ...factors].join(" · ");
}

async function pick(slot, answer) {
  const turn = ++asked[slot];
  try {
    const found = await (await answer).json();
    if (turn !== asked[slot]) return;
    picked[slot] = found;
    const card = document.querySelector(`[data-slot="${slot}"]`);
    const image = card.querySelector("img");
    image.src = found.picture;
    image.hidden = false;
    card.querySelector(".caption").textContent = describe(found);
    card.querySelector("[type=number]").value = found.row ?? "";
    const unlike = card.querySelector(".unlike");
    unlike.textContent = found.unlike ?? "";
    unlike.hidden = !found.unlike;
    say("");
  } catch (problem) {
    if (turn === asked[slot]) say(problem.message);
    return;
  }
  stopBlend();
  if (slot === 0) {
    blend.value = 0;
    runs.forEach((run, k) => run.start(picked[0].codes[k]));
  }
  document.querySelector(".blend").hidden = !picked[1];
  if (picked[1]) showBlend();
}

function showBlend() {
  const at = Number(blend.value);
  blend.nextElementSibling.textContent = `${Math.round(100 * at)} %`;
  runs.forEach((run, k) => {
    const [from, to] = picked.map((found) => found.codes[k]);
    run.stop();
    run.blend = [from, to];
    run.describe();
    run.all(from.map((value, j) => (1 - at) * value + at * to[j]));
  });
}

function stopBlend() {
  blending = false;
  blendPlay.setAttribute("aria-pressed", "false");
  blendPlay.firstChild.data = "▶";
}

blend.addEventListener("input", () => {
  stopBlend();
  showBlend();
});
blendPlay.addEventListener("click", () => {
  if (blending) return stopBlend();
  blending = true;
  blendPlay.setAttribute("aria-pressed", "true");
  blendPlay.firstChild.data = "❚❚";
  const from = Number(blend.value);
  const begun = performance.now();
  const step = (now) => {
    if (!blending || runs.some((run) => run.playing !== null)) return stopBlend();
    const phase = (Math.max(0, now - begun) / 4000 + from / 2) % 1;
    blend.value = phase < 0.5 ? 2 * phase : 2 - 2 * phase;
    showBlend();
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
});

for (const card of document.querySelectorAll(".image")) {
  const slot = Number(card.dataset.slot);
  const row = card.querySelector("[type=number]");
  const file = card.querySelector("[type=file]");
  const invert = card.querySelector(".invert");
  const upload = (content) =>
    pick(slot, ask(`/api/upload?invert=${invert.checked ? 1 : 0}`, content));
  let last = null;
  const take = (content) => {
    last = content;
    invert.parentElement.hidden = false;
    upload(new Blob([last]));
  };
  for (const kind of ["dragenter", "dragover"]) {
    card.addEventListener(kind, (event) => {
      event.preventDefault();
      card.classList.add("over");
    });
  }
  card.addEventListener("dragleave", () => card.classList.remove("over"));
  card.addEventListener("drop", (event) => {
    event.preventDefault();
    card.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  row.addEventListener("change", () => {
    if (row.value !== "") pick(slot, ask(`/api/image?row=${row.value}`));
  });
  card.querySelector(".random").addEventListener("click", () => {
    pick(slot, ask("/api/image?row=random"));
  });
  file.addEventListener("change", () => {
    if (file.files[0]) take(file.files[0]);
    file.value = "";
  });
  invert.addEventListener("change", () => {
    if (last && picked[slot]?.row === null) upload(new Blob([last]));
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("[type=text], [type=number]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "r" || event.key === "R") pick(0, ask("/api/image?row=random"));
});

async function begin() {
  const session = await (await ask("/api/session")).json();
  document.getElementById("about").textContent =
    `${session.data}: ${session.rows.toLocaleString("en")} images of ${session.shape[1]} × ${session.shape[2]}`;
  const place = document.getElementById("runs");
  place.classList.toggle("two", session.runs.length > 1);
  session.runs.forEach((about, number) => {
    const run = new Run(number, about, session.shape, session.span, say, remember);
    runs.push(run);
    place.append(run.element);
  });
  for (const row of document.querySelectorAll(".image [type=number]")) row.max = session.rows - 1;
  new CodesMap(runs, (row) => pick(0, ask(`/api/image?row=${row}`)), say);
  const kept = remembered(session);
  await pick(0, ask(`/api/image?row=${kept ? kept.row : "random"}`));
  if (kept) runs.forEach((run, k) => run.all(kept.codes[k]));
}

/** Keep the image and the values in the page's address. */
function remember() {
  if (!picked[0] || picked[0].row === null) return;
  const codes = runs.map((run) => run.code.map((value) => Number(value.toFixed(3))).join(","));
  history.replaceState(null, "", `#row=${picked[0].row}&codes=${codes.join(";")}`);
}

/** Read what `remember` wrote; nothing where it does not fit these runs. */
function remembered(session) {
  const found = new URLSearchParams(location.hash.slice(1));
  const row = Number(found.get("row") ?? NaN);
  const codes = (found.get("codes") ?? "").split(";").map((code) => code.split(",").map(Number));
  const fits = Number.isInteger(row) && row >= 0 && row < session.rows
    && codes.length === session.runs.length
    && codes.every((code, k) =>
      code.length === session.runs[k].latents.length && code.every(Number.isFinite));
  return fits ? { row, codes } : null;
}

begin().catch((problem) => say(problem.message));
