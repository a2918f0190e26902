// The page of voxgrad view: state shared by all panes, controls, list of lesions.
"use strict";

const byId = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const address = (path) => `${path}?token=${encodeURIComponent(token)}`;

const initial = { zoom: 1, pan: [0, 0, 0], level: 0.5, width: 1 };
const state = {
  ...initial, mm: [0, 0, 0], plane: "axial",
  opacity: 0.5, showMask: true, heat: 0.5, showHeat: true, threshold: 0.5,
  crosshair: true, radiological: true, lesion: -1,
};
const panes = [];
let study = null;

// --- Loading

async function fetchOk(path) {
  const answer = await fetch(address(path));
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer;
}

async function load() {
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Error("This browser has no WebGL 2, which draws the pictures: try another one, or allow hardware acceleration.");
  }
  study = await (await fetchOk("study.json")).json();
  const image = async (entry) => (entry ? (await fetchOk(`image/${entry.image}`)).arrayBuffer() : null);
  const [overlay, probability] = await Promise.all([image(study.overlay), image(study.probability)]);
  describeStudy();
  byId("panes").classList.toggle("many", study.scans.length > 3);
  for (const scan of study.scans) panes.push(new Pane(byId("panes"), scan));
  for (const pane of panes) {
    byId("status").textContent = `Loading ${pane.scan.name} …`;
    await pane.load({ scan: await image(pane.scan), overlay, probability }, study);
  }
  state.mm = [0, 1, 2].map(middleSlice);
  for (const pane of panes) listen(pane);
  new ResizeObserver(schedule).observe(byId("panes"));
  if (study.lesions.length) select(0);
  draw();
  byId("status").textContent = "";
  document.body.dataset.state = "ready";
}

function fail(error) {
  document.body.dataset.state = "error";
  byId("status").textContent = error.message || String(error);
}

function describeStudy() {
  const names = study.scans.map((scan) => `${scan.label}: ${scan.name}`);
  if (study.overlay) names.push(`${study.overlay.label}: ${study.overlay.names.join(" against ")}`);
  if (study.probability) names.push(`probability: ${study.probability.name}`);
  byId("files").textContent = byId("files").title = names.join(" · ");
  document.title = `${study.scans.map((scan) => scan.name).join(", ")} – voxgrad view`;
  for (const element of document.querySelectorAll("[data-for]")) element.hidden = !study[element.dataset.for];
  for (const note of study.notes) byId("notes").append(node("li", "", note));
  byId("lesions").hidden = !study.overlay;
  fillLegend();
  fillLesions();
}

// --- Drawing, at most once a frame

let scheduled = false;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function draw() {
  for (const pane of panes) pane.show(state);
  showControls();
}

// --- Where to look

// axis is the one across the slices; with all three planes it is that of the axial one.
const axis = () => AXIS[state.plane] ?? 2;

// middleSlice is where the middle slice of the first scan lies along an axis, in mm.
function middleSlice(along) {
  const { low, step, count } = panes[0].slices(along);
  return low + (Math.floor(count / 2) + 0.5) * step;
}

function sliceNumber() {
  const { low, step, count } = panes[0].slices(axis());
  const n = Math.floor((state.mm[axis()] - low) / step);
  return { n: Math.min(count - 1, Math.max(0, n)), count };
}

function goToSlice(n) {
  const { low, step, count } = panes[0].slices(axis());
  state.mm[axis()] = low + (Math.min(count - 1, Math.max(0, n)) + 0.5) * step;
  schedule();
}

const stepSlices = (by) => goToSlice(sliceNumber().n + by);

// zoomBy keeps what is at mm where it is on the screen: a point p of the world is
// drawn at zoom · p + pan.
function zoomBy(factor, mm = state.mm) {
  const zoom = Math.min(20, Math.max(1, state.zoom * factor));
  state.pan = zoom === 1 ? [0, 0, 0] : state.pan.map((p, n) => p + mm[n] * (state.zoom - zoom));
  state.zoom = zoom;
  schedule();
}

function select(n) {
  if (!study.lesions.length) return;
  state.lesion = (n + study.lesions.length) % study.lesions.length;
  const lesion = study.lesions[state.lesion];
  state.mm = [...lesion.point_mm];
  // Where the zoom hides the place, the picture moves there.
  if (state.zoom > 1) state.pan = panTo(state.mm);
  document.body.dataset.lesion = lesion.number;
  const rows = byId("lesions").querySelectorAll("tbody tr");
  rows.forEach((row, i) => row.setAttribute("aria-current", i === state.lesion));
  rows[state.lesion].scrollIntoView({ block: "nearest" });
  schedule();
}

// panTo puts mm where the middle of the first scan is without zoom.
function panTo(mm) {
  return mm.map((p, along) => {
    const { low, high } = panes[0].slices(along);
    return (low + high) / 2 - p * state.zoom;
  });
}

// --- Mouse, pen and fingers

function listen(pane) {
  const canvas = pane.canvas;
  const pointers = new Map();
  let drag = null, rolled = 0;
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const under = pane.pick(event.clientX, event.clientY);
    if (event.ctrlKey || event.metaKey) return zoomBy(Math.exp(-event.deltaY / 300), under?.mm);
    // A notch of a wheel is a slice; a touchpad's many small steps are added up.
    rolled += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : 50 * event.deltaY;
    if (Math.abs(rolled) < 50) return;
    stepSlices(rolled < 0 ? 1 : -1);
    rolled = 0;
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    const under = pane.pick(event.clientX, event.clientY);
    const kind = event.button === 2 ? "window" : event.button === 1 || event.shiftKey ? "pan" : "crosshair";
    drag = pointers.size > 1 ? { kind: "pinch", tile: drag?.tile } : { kind, tile: under?.tile };
    if (drag.kind === "crosshair") moveCrosshair(pane, event, drag.tile);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before || !drag) return;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    if (drag.kind === "crosshair") moveCrosshair(pane, event, drag.tile);
    else if (drag.kind === "window") dragWindow(dx, dy);
    else if (drag.kind === "pan") movePicture(pane, dx, dy, drag.tile);
    else pinch(pane, pointers, event, drag.tile);
    pointers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      if (pointers.size === 0) drag = null;
    });
  }
}

function moveCrosshair(pane, event, tile) {
  const under = pane.pick(event.clientX, event.clientY, tile);
  if (!under) return;
  state.mm = under.mm;
  schedule();
}

function dragWindow(dx, dy) {
  state.width = Math.min(2, Math.max(0.05, state.width + dx / 300));
  state.level = Math.min(1, Math.max(0, state.level + dy / 300));
  schedule();
}

function movePicture(pane, dx, dy, tile) {
  if (tile === undefined) return;
  const by = pane.travel(dx, dy, tile);
  state.pan = state.pan.map((p, n) => p + by[n] * state.zoom);
  schedule();
}

// pinch zooms about the two fingers by the change of their distance, and moves the
// picture with their middle.
function pinch(pane, pointers, event, tile) {
  const [a, b] = [...pointers.values()];
  if (!b) return;
  const other = a.pointerId === event.pointerId ? b : a;
  const before = pointers.get(event.pointerId);
  const distance = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY);
  const under = pane.pick((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
  zoomBy(distance(event) / Math.max(1, distance(before)), under?.mm);
  movePicture(pane, (event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2, tile);
}

// --- Controls

const sliders = ["level", "width", "opacity", "heat", "threshold"];

function connectControls() {
  for (const key of sliders) {
    byId(key).addEventListener("input", (event) => {
      state[key] = Number(event.target.value);
      schedule();
    });
  }
  byId("slice").addEventListener("input", (event) => goToSlice(Number(event.target.value)));
  byId("planes").addEventListener("click", (event) => {
    if (event.target.dataset.plane) setPlane(event.target.dataset.plane);
  });
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  document.addEventListener("keydown", onKey);
  // On a small screen the list matters more than the settings.
  const wide = matchMedia("(min-width: 48.01rem)");
  const openSettings = () => { byId("settings").open = wide.matches; };
  wide.addEventListener("change", openSettings);
  openSettings();
}

function setPlane(plane) {
  state.plane = plane;
  schedule();
}

function showControls() {
  for (const key of sliders) {
    byId(key).value = state[key];
    byId(`${key}-text`).textContent = key === "threshold" ? state[key].toFixed(2) : `${Math.round(100 * state[key])} %`;
  }
  for (const button of byId("planes").children) button.setAttribute("aria-pressed", button.dataset.plane === state.plane);
  const { n, count } = sliceNumber();
  byId("slice").max = count - 1;
  byId("slice").value = n;
  byId("slice-text").textContent = `${n + 1} / ${count}`;
  byId("position").textContent = `${state.mm.map((v) => v.toFixed(1)).join(", ")} mm`;
}

const keys = {
  ArrowUp: () => stepSlices(1), ArrowDown: () => stepSlices(-1), PageUp: () => stepSlices(10), PageDown: () => stepSlices(-10),
  n: () => select(state.lesion + 1), p: () => select(Math.max(0, state.lesion) - 1),
  1: () => setPlane("axial"), 2: () => setPlane("coronal"), 3: () => setPlane("sagittal"), 4: () => setPlane("all"),
  m: () => toggle("showMask"), h: () => toggle("showHeat"), x: () => toggle("crosshair"), r: () => toggle("radiological"),
  "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8),
  0: () => { Object.assign(state, initial); schedule(); },
  "?": () => byId("help").showModal(),
};

function toggle(key) {
  state[key] = !state[key];
  schedule();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open || !panes.length) return;
  if (event.target.tagName === "INPUT" && event.key.startsWith("Arrow")) return; // the slider's own
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

// --- Legend and list

function node(tag, className, ...content) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...content);
  return element;
}

function swatch(color) {
  const element = node("span", "swatch");
  element.style.backgroundColor = `rgb(${color})`;
  return element;
}

function fillLegend() {
  if (study.overlay) {
    byId("overlay-name").textContent = study.overlay.label === "truth" ? "Truth" : "Mask";
    for (const c of study.overlay.classes) byId("legend").append(node("li", "", swatch(c.color), c.name));
  }
  if (study.probability) {
    const scale = node("span", "scale");
    scale.style.background = `linear-gradient(to right, ${study.probability.colors.map((c) => `rgb(${c})`).join()})`;
    byId("legend").append(node("li", "", "0", scale, "1", " probability"));
  }
}

function fillLesions() {
  if (!study.overlay) return;
  const colors = Object.fromEntries(study.overlay.classes.map((c) => [c.status, c.color]));
  byId("lesions").querySelector("caption").textContent = countLesions();
  const body = byId("lesions").querySelector("tbody");
  study.lesions.forEach((lesion, i) => {
    const covered = lesion.covered === null ? "" : ` ${Math.round(100 * lesion.covered)} %`;
    const status = lesion.status === "marked" ? "" : ` ${lesion.status}${covered}`;
    const button = node("button", "", swatch(colors[lesion.status]), `${lesion.number}${status}`);
    button.type = "button";
    const row = node("tr", "", node("td", "", button), node("td", "num", lesion.volume_mm3.toFixed(lesion.volume_mm3 < 100 ? 1 : 0)));
    if (study.probability) row.append(node("td", "num", lesion.max_probability === null ? "–" : lesion.max_probability.toFixed(2)));
    row.append(node("td", "num", lesion.centroid_mm.map((v) => v.toFixed(0)).join(", ")));
    row.dataset.number = lesion.number;
    row.addEventListener("click", () => select(i));
    body.append(row);
  });
}

function countLesions() {
  const count = (status) => study.lesions.filter((lesion) => lesion.status === status).length;
  const marked = count("marked");
  if (!study.lesions.length) return study.overlay.label === "truth" ? "No true lesions" : "No lesions";
  const kind = study.overlay.label === "truth" ? "true lesion" : "lesion";
  if (marked) return `${marked} ${kind}${marked === 1 ? "" : "s"}`;
  return `${count("found")} found, ${count("missed")} missed, ${count("false")} false`;
}

connectControls();
load().catch(fail);
