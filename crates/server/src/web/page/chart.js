// A chart that moves: lines over the last two minutes.

const WINDOW_SECONDS = 120;
const GAP_SECONDS = 10;

export class Chart {
  // `colours` are names of CSS variables, one a line.
  constructor(canvas, colours) {
    this.canvas = canvas;
    this.colours = colours;
    this.points = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // Values of now, one a line; null where nothing is known, which breaks the lines.
  add(values) {
    const now = performance.now() / 1000;
    // While nobody looked, nothing was asked.
    if (now - (this.points.at(-1)?.at ?? now) > GAP_SECONDS) this.points.push({ at: now, values: null });
    this.points.push({ at: now, values });
    while (this.points.length > 2 && this.points[1].at < now - WINDOW_SECONDS) this.points.shift();
    this.draw();
  }

  draw() {
    const { canvas, points } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const [pixelsWide, pixelsHigh] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== pixelsWide || canvas.height !== pixelsHigh) {
      canvas.width = pixelsWide;
      canvas.height = pixelsHigh;
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    context.fillStyle = colour("--line");
    context.fillRect(0, height - 1, width, 1);
    // A little room above, so that what stands still does not look like what is full.
    const highest = 1.15 * Math.max(1, ...points.flatMap((point) => point.values ?? []));
    const newest = points.at(-1)?.at ?? 0;
    const x = (point) => width - ((newest - point.at) / WINDOW_SECONDS) * width;
    const y = (value) => height - 1.5 - (value / highest) * (height - 4);
    this.colours.forEach((name, line) => {
      context.strokeStyle = context.fillStyle = colour(name);
      context.lineWidth = 1.5;
      context.lineJoin = "round";
      for (const stretch of stretches(points)) {
        context.beginPath();
        stretch.forEach((point) => context.lineTo(x(point), y(point.values[line])));
        context.stroke();
        context.globalAlpha = 0.12;
        context.lineTo(x(stretch.at(-1)), height);
        context.lineTo(x(stretch[0]), height);
        context.fill();
        context.globalAlpha = 1;
      }
    });
  }
}

// Points in a row of which something is known.
function stretches(points) {
  const found = [[]];
  for (const point of points) {
    if (point.values) found.at(-1).push(point);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((stretch) => stretch.length);
}
