// The decoder in plain JavaScript, and a slider a latent.
const model = JSON.parse(document.getElementById("model").textContent);
const [channels, height, width] = model.shape;

function numbers(text) {
  return new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

/** Turn the weights of layers, and of layers inside them, from text into numbers, once. */
function unpack(layers) {
  for (const layer of layers) {
    for (const name of ["weight", "bias", "places"]) {
      if (typeof layer[name] === "string") layer[name] = numbers(layer[name]);
    }
    if (layer.kind === "places") [layer.lines, layer.layers].forEach(unpack);
  }
}

const each = (x, change) => ({ shape: x.shape, data: x.data.map(change) });

const KINDS = {
  relu: (x) => each(x, (value) => (value > 0 ? value : 0)),
  tanh: (x) => each(x, Math.tanh),
  silu: (x) => each(x, (value) => value / (1 + Math.exp(-value))),
  shape: (x, layer) => ({ shape: layer.shape, data: x.data }),
  dense(x, { outputs, weight, bias }) {  // x: (rows, inputs)
    const inputs = weight.length / outputs;
    const rows = x.data.length / inputs;
    const data = new Float32Array(rows * outputs);
    for (let row = 0; row < rows; row += 1) {
      for (let out = 0; out < outputs; out += 1) {
        let sum = bias[out];
        for (let k = 0; k < inputs; k += 1) sum += weight[out * inputs + k] * x.data[row * inputs + k];
        data[row * outputs + out] = sum;
      }
    }
    return { shape: rows === 1 ? [outputs] : [rows, outputs], data };
  },
  doubling(x, { outputs, weight, bias }) {  // transposed convolution: 4x4, stride 2, padding 1
    const [inputs, rows, columns] = x.shape;
    const [high, wide] = [2 * rows, 2 * columns];
    const data = new Float32Array(outputs * high * wide);
    for (let out = 0; out < outputs; out += 1) data.fill(bias[out], out * high * wide, (out + 1) * high * wide);
    for (let k = 0; k < inputs; k += 1) {
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          const value = x.data[(k * rows + row) * columns + column];
          if (value === 0) continue;
          for (let out = 0; out < outputs; out += 1) {
            for (let a = 0; a < 4; a += 1) {
              const i = 2 * row - 1 + a;
              if (i < 0 || i >= high) continue;
              for (let b = 0; b < 4; b += 1) {
                const j = 2 * column - 1 + b;
                if (j < 0 || j >= wide) continue;
                data[(out * high + i) * wide + j] += value * weight[((k * outputs + out) * 4 + a) * 4 + b];
              }
            }
          }
        }
      }
    }
    return { shape: [outputs, high, wide], data };
  },
  shuffle(x, { factor }) {
    const [inputs, rows, columns] = x.shape;
    const outputs = inputs / factor ** 2;
    const data = new Float32Array(x.data.length);
    const [high, wide] = [rows * factor, columns * factor];
    for (let out = 0; out < outputs; out += 1) {
      for (let i = 0; i < high; i += 1) {
        for (let j = 0; j < wide; j += 1) {
          const from = out * factor ** 2 + (i % factor) * factor + (j % factor);
          data[(out * high + i) * wide + j] =
            x.data[(from * rows + Math.floor(i / factor)) * columns + Math.floor(j / factor)];
        }
      }
    }
    return { shape: [outputs, high, wide], data };
  },
  places(x, { grid, width: lines, places, lines: first, layers }) {
    const made = run(first, x).data;  // (3, lines)
    const count = grid[0] * grid[1];
    const sides = new Float32Array(count * lines);
    for (let place = 0; place < count; place += 1) {
      for (let line = 0; line < lines; line += 1) {
        let sum = 0;
        for (let k = 0; k < 3; k += 1) sum += places[3 * place + k] * made[k * lines + line];
        sides[place * lines + line] = sum;
      }
    }
    const found = run(layers, { shape: [count, lines], data: sides });
    const outputs = found.data.length / count;
    const data = new Float32Array(found.data.length);
    for (let place = 0; place < count; place += 1) {
      for (let out = 0; out < outputs; out += 1) data[out * count + place] = found.data[place * outputs + out];
    }
    return { shape: [outputs, ...grid], data };
  },
};

function run(layers, x) {
  return layers.reduce((value, layer) => KINDS[layer.kind](value, layer), x);
}

/** Draw a code: pixels (C, H, W) in [0, 1]. */
function decode(code) {
  const raw = run(model.layers, { shape: [code.length], data: Float32Array.from(code) }).data;
  return raw.map((value) => (model.sigmoid ? 1 / (1 + Math.exp(-value)) : Math.min(1, Math.max(0, value))));
}

unpack(model.layers);
const canvas = document.querySelector("canvas");
[canvas.width, canvas.height] = [width, height];
const rows = new Map();
let start = 0;
let code = [];
let asked = false;

function show() {
  for (const [latent, { range, out }] of rows) {
    range.value = code[latent];
    out.textContent = code[latent].toFixed(2).replace("-", "−");
  }
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const pixels = decode(code);
    const image = new ImageData(width, height);
    for (let place = 0; place < height * width; place += 1) {
      for (let k = 0; k < 3; k += 1) {
        image.data[4 * place + k] = Math.round(255 * pixels[(channels === 1 ? 0 : k) * height * width + place]);
      }
      image.data[4 * place + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.dataset.code = code.join(",");
  });
}

function reset() {
  code = [...model.codes[start]];
  for (const [latent, { range }] of rows) {
    const end = Math.max(model.span, Math.ceil(Math.abs(code[latent])));
    [range.min, range.max] = [-end, end];
  }
  show();
}

for (const latent of model.latents) {
  const row = document.createElement("label");
  row.className = "latent";
  row.innerHTML = '<span><i>z<sub></sub></i> <span class="name"></span></span><span class="said"></span>'
    + '<input type="range" step="0.01"><output></output>';
  row.querySelector("sub").textContent = latent.index;
  row.querySelector(".name").textContent = latent.name;
  row.querySelector(".said").textContent = latent.said;
  const range = row.querySelector("input");
  range.setAttribute("aria-label", `Value of latent ${latent.index}${latent.name ? `, ${latent.name}` : ""}`);
  range.addEventListener("input", () => {
    code[latent.index] = Number(range.value);
    show();
  });
  rows.set(latent.index, { range, out: row.querySelector("output") });
  document.querySelector(latent.active ? "#active" : "#idle div").append(row);
}
const idle = model.latents.filter((latent) => !latent.active).length;
document.getElementById("idle").hidden = idle === 0;
document.getElementById("idle").open = idle === model.latents.length;
document.querySelector("#idle summary").textContent = `${idle} inactive latent${idle === 1 ? "" : "s"}`;

document.getElementById("next").addEventListener("click", () => {
  start = (start + 1) % model.codes.length;
  reset();
});
document.getElementById("sample").addEventListener("click", () => {
  code = code.map(() => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
  show();
});
document.getElementById("reset").addEventListener("click", reset);
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = "picture.png";
  link.click();
});
reset();
