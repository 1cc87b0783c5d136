"use strict";
// Draws the figures in the page's data and keeps them in the theme's colours.

const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const coarse = matchMedia("(pointer: coarse)").matches;
const narrow = () => innerWidth < 560;

// The colour that "var(--name)" has now: style sheets resolve it for a property, not for scripts.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
function resolve(value) {
  probe.style.color = value;
  return getComputedStyle(probe).color;
}

// A copy of a figure's part with every colour resolved.
function themed(part, colors) {
  if (typeof part === "string" && part.startsWith("var(--"))
    return (colors[part] ??= resolve(part));
  if (Array.isArray(part))
    return typeof part.at(-1) === "number" ? part : part.map((item) => themed(item, colors));
  if (part && typeof part === "object")
    return Object.fromEntries(Object.entries(part).map(([k, v]) => [k, themed(v, colors)]));
  return part;
}

// What every figure has in common.
function template() {
  const axis = {
    gridcolor: "var(--rule)", zerolinecolor: "var(--rule)", linecolor: "var(--rule)",
    automargin: true, fixedrange: true, title: { font: { size: 12 }, standoff: 8 },
  };
  return {
    layout: {
      font: {
        family: getComputedStyle(document.body).fontFamily, size: narrow() ? 10.5 : 12,
        color: "var(--ink)",
      },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 14, t: 12, b: 8 },
      xaxis: axis, yaxis: axis, separators: ".,",
      hoverlabel: {
        bgcolor: "var(--panel)", bordercolor: "var(--rule)", font: { color: "var(--ink)" },
      },
      modebar: {
        bgcolor: "rgba(0,0,0,0)", color: "var(--soft)", activecolor: "var(--link)",
      },
    },
  };
}
const config = {
  responsive: true, displaylogo: false, displayModeBar: coarse ? false : "hover",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  showSendToCloud: false, showEditInChartStudio: false, plotlyServerURL: "",
};

const choice = {}; // figure -> what its menu has chosen
function draw(name) {
  const { data: traces, layout, show, zoom } = data.figures[name];
  const chosen = choice[name] ?? 0;
  const part = themed({ traces, layout: { ...layout, template: template() } }, {});
  if (show.length) part.traces.forEach((t, i) => (t.visible = show[chosen].includes(i)));
  if (zoom.length) part.layout.xaxis.range = zoom[chosen];
  // A finger on a plot scrolls the page.
  part.layout.dragmode = zoom.length && !coarse ? "zoom" : false;
  return Plotly.react(document.querySelector(`[data-figure="${name}"]`), part.traces, part.layout, config);
}

// Feature maps
function decode(text, Type) {
  return new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
}
const layerMenu = document.getElementById("map-layer");
const channelMenu = document.getElementById("map-channel");
function fillChannels() {
  const { channels, image } = data.maps[layerMenu.value].maps;
  const names = channels.length ? channels : ["all"];
  channelMenu.replaceChildren(...names.map((name, i) => new Option(String(name), i)));
}
function drawMaps() {
  const { name, layer, shape, mismatches, maps } = data.maps[layerMenu.value];
  const [height, width] = maps.size;
  const first = channelMenu.value * height * width;
  const cut = (values) => Array.from(values.subarray(first, first + height * width));
  const rtl = cut(decode(maps.rtl, Int8Array));
  const golden = cut(decode(maps.golden, Int8Array));
  // The float network ran on the first images only.
  const float = maps.float && cut(decode(maps.float, Int16Array)).map((v) => v / maps.fraction);
  const difference = rtl.map((v, i) => v - golden[i]);
  const error = float && rtl.map((v, i) => v - float[i]);
  const all = [...rtl, ...golden];
  const limits = [Math.min(...all), Math.max(...all)];
  const wrong = difference.filter((v) => v).length;
  const which = maps.channels.length ? `channel ${maps.channels[channelMenu.value]}` : "all channels";
  const thinned = maps.thinning > 1 ? `, every ${maps.thinning}th row and column` : "";
  document.getElementById("maps-title").textContent =
    `${layer}, ${which}: ${wrong ? `${wrong} of ${rtl.length} values differ`
      : mismatches ? "no difference among the values kept" : "hardware and software are equal"}` +
    ` (tensor ${name}, ${shape.join("×")}, image ${maps.image}${thinned})`;
  const span = (values, least) => Math.max(least, ...values.map(Math.abs));
  const diverging = [[0, "var(--low)"], [0.5, "var(--middle)"], [1, "var(--high)"]];
  const panels = {
    rtl: [rtl, limits, "Cividis"], golden: [golden, limits, "Cividis"],
    difference: [difference, span(difference, 1), diverging],
    ...(float ? {
      float: [float, limits, "Cividis"], error: [error, span(error, 0.5), diverging],
    } : {}),
  };
  for (const key of ["float", "error"])
    document.querySelector(`[data-map="${key}"]`).parentElement.hidden = !float;
  return Promise.all(Object.entries(panels).map(([key, [values, range, scale]]) => {
    const [zmin, zmax] = Array.isArray(range) ? range : [-range, range];
    const rows = Array.from({ length: height }, (_, y) => values.slice(y * width, (y + 1) * width));
    const trace = {
      type: "heatmap", z: rows, zmin, zmax, colorscale: scale,
      y0: maps.offset[0], dy: maps.thinning, x0: maps.offset[1], dx: maps.thinning,
      colorbar: {
        orientation: "h", thickness: 8, len: 1, y: 0, yanchor: "top", ypad: 6, xpad: 0,
        outlinewidth: 0, tickfont: { size: 10 }, nticks: 5,
      },
      hovertemplate: height > 1 ? "row %{y}, column %{x}: %{z:.4~g}<extra></extra>"
        : "channel %{x}: %{z:.4~g}<extra></extra>",
    };
    const axis = { visible: false, constrain: "domain", fixedrange: true };
    const layout = {
      template: template(), margin: { l: 0, r: 0, t: 2, b: 30 }, dragmode: false,
      xaxis: axis,
      yaxis: { ...axis, autorange: "reversed", ...(height > 1 ? { scaleanchor: "x" } : {}) },
    };
    const part = themed({ trace, layout }, {});
    return Plotly.react(document.querySelector(`[data-map="${key}"]`), [part.trace], part.layout,
      { ...config, displayModeBar: false });
  }));
}

async function drawAll() {
  for (const name of Object.keys(data.figures)) await draw(name);
  await drawMaps();
  root.dataset.drawn = root.dataset.theme ?? "auto";
}

for (const menu of document.querySelectorAll("[data-menu]"))
  menu.addEventListener("change", () => {
    choice[menu.dataset.menu] = Number(menu.value);
    draw(menu.dataset.menu);
  });
// Closer or farther around the middle, or half a view to the side.
const MOVES = { in: [0.5, 0], out: [2, 0], left: [1, -0.5], right: [1, 0.5] };
for (const buttons of document.querySelectorAll("[data-zoom]"))
  buttons.addEventListener("click", ({ target }) => {
    if (!(target.value in MOVES)) return;
    const plot = document.querySelector(`[data-figure="${buttons.dataset.zoom}"]`);
    const { range, minallowed, maxallowed } = plot.layout.xaxis;
    const [scale, shift] = MOVES[target.value];
    const width = Math.min((range[1] - range[0]) * scale, maxallowed - minallowed);
    const middle = (range[0] + range[1]) / 2 + shift * (range[1] - range[0]);
    const start = Math.min(Math.max(minallowed, middle - width / 2), maxallowed - width);
    Plotly.relayout(plot, { "xaxis.range": [start, start + width] });
  });
layerMenu.addEventListener("change", () => { fillChannels(); drawMaps(); });
channelMenu.addEventListener("change", drawMaps);
for (const button of document.querySelectorAll("[name=theme]"))
  button.addEventListener("change", () => {
    root.dataset.theme = button.value;
    drawAll();
  });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
// The paper's width, at once: nothing that waits is printed.
matchMedia("print").addEventListener("change", () => {
  drawAll();
  for (const plot of document.querySelectorAll(".plot"))
    if (plot.layout) Plotly.relayout(plot, { width: plot.clientWidth || undefined });
});
addEventListener("afterprint", () => {
  for (const plot of document.querySelectorAll(".plot"))
    if (plot.layout) Plotly.relayout(plot, { width: undefined, autosize: true });
});
document.querySelector('[name=theme][value="auto"]').checked = true; // browsers remember forms
layerMenu.value = Math.max(0, data.maps.findIndex((map) => map.mismatches));
fillChannels();
drawAll();
