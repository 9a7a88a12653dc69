// Turn latents without a server: every frame is already in the strip's picture.
for (const block of document.querySelectorAll("[data-layout]")) {
  const { side, gap, start, seeds, values } = JSON.parse(block.dataset.layout);
  const stage = block.querySelector(".turn");
  const canvas = stage.querySelector("canvas");
  const caption = stage.querySelector("figcaption");
  const play = stage.querySelector("button");
  const strips = [...block.querySelectorAll(".strip")];
  const between = Math.max(2, Math.round(side / 16));
  canvas.width = seeds * (side + between) - between;
  canvas.height = side;
  let current = null;
  let timer = null;

  const show = (strip, step) => {
    current = strip;
    const picture = strip.querySelector("img");
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (let seed = 0; seed < seeds; seed += 1) {
      pen.drawImage(
        picture, start + step * (side + gap), seed * (side + gap), side, side,
        seed * (side + between), 0, side, side,
      );
    }
    const range = strip.querySelector("input");
    const value = values[step].toFixed(1).replace("-", "−");
    range.value = step;
    range.setAttribute("aria-valuetext", value);
    const latent = strip.querySelector("b").cloneNode(true);
    caption.replaceChildren(latent, ` ${strip.dataset.name} = ${value}`);
    const frame = strip.querySelector(".frame");
    frame.style.left = `${(100 * (start + step * (side + gap))) / picture.naturalWidth}%`;
    frame.style.width = `${(100 * side) / picture.naturalWidth}%`;
    for (const other of strips) other.classList.toggle("current", other === strip);
  };

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };

  for (const strip of strips) {
    const range = strip.querySelector("input");
    const sheet = strip.querySelector(".sheet");
    range.max = values.length - 1;
    range.value = Math.floor((values.length - 1) / 2);
    range.hidden = false;
    range.addEventListener("input", () => {
      stop();
      show(strip, Number(range.value));
    });
    const point = (event) => {
      const box = sheet.getBoundingClientRect();
      const wide = strip.querySelector("img").naturalWidth;
      const at = (wide * (event.clientX - box.left)) / box.width - start;
      if (at < 0) return;
      stop();
      show(strip, Math.min(values.length - 1, Math.floor(at / (side + gap))));
    };
    sheet.addEventListener("pointerdown", point);
    sheet.addEventListener("pointermove", (event) => event.buttons && point(event));
  }

  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Pause";
    const last = values.length - 1;
    let turn = Number(current.querySelector("input").value);
    timer = setInterval(() => {
      turn = (turn + 1) % (2 * last);
      show(current, turn <= last ? turn : 2 * last - turn);
    }, 120);
  });

  const first = strips[0].querySelector("img");
  first.decode().then(() => {
    stage.hidden = false;
    for (const strip of strips) {  // a slider is as long as the steps above it
      const share = (100 * start) / first.naturalWidth;
      strip.querySelector("input").style.marginLeft = `${share}%`;
      strip.querySelector("input").style.width = `${100 - share}%`;
    }
    show(strips[0], Math.floor((values.length - 1) / 2));
  });
}
