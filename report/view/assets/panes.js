// One scan on one canvas. NiiVue draws; where to look, how far to zoom and what to
// show is decided in view.js for all panes together.
"use strict";

const PLANES = { axial: 0, coronal: 1, sagittal: 2, all: 3 }; // NiiVue's numbers
const AXIS = { axial: 2, coronal: 1, sagittal: 0 }; // of the world, across the slices
const CROSSHAIR_MM = 0.5;

class Pane {
  // parent is an empty element; scan is an entry of study.json.
  constructor(parent, scan) {
    this.scan = scan;
    this.element = document.createElement("div");
    this.element.className = "pane";
    const caption = document.createElement("div");
    caption.className = "caption";
    const label = document.createElement("b");
    label.textContent = scan.label;
    caption.append(label, scan.name);
    this.value = document.createElement("div");
    this.value.className = "value";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${scan.label}: ${scan.name}`);
    const view = document.createElement("div"); // NiiVue keeps the canvas at its size
    view.className = "view";
    view.append(this.canvas);
    this.element.append(caption, view, this.value);
    parent.append(this.element);
    this.nv = new niivue.Niivue({
      interactive: false,
      dragAndDropEnabled: false,
      isSliceMM: true, // positions are those of the world, not of the voxels
      multiplanarShowRender: 0,
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.2, 0.75, 1, 0.8],
      crosshairWidthUnit: "mm",
      crosshairGap: 20, // radii
      showAllOrientationMarkers: true,
      fontColor: [0.75, 0.8, 0.85, 1],
      logLevel: "error",
    });
  }

  // load opens the canvas and shows images: {scan, overlay, probability}, NIfTI files
  // as ArrayBuffers, the last two of which may be missing.
  async load(images, study) {
    await this.nv.attachToCanvas(this.canvas, false);
    this.base = await this.add(images.scan, "scan.nii", { colormap: "gray", cal_min: this.scan.low, cal_max: this.scan.high });
    if (images.probability) {
      this.nv.addColormap("heat", heatColormap(study.probability.colors));
      this.heat = await this.add(images.probability, "probability.nii", { colormap: "heat", cal_min: 0.5, cal_max: 1 });
      this.heat.colormapType = 2; // colours from 0 on, nothing below cal_min
    }
    if (images.overlay) {
      this.mask = await this.add(images.overlay, "overlay.nii", { cal_min: 0, cal_max: study.overlay.classes.length });
      this.mask.setColormapLabel(classColormap(study.overlay.classes));
    }
    this.nv.updateGLVolume();
  }

  async add(buffer, name, options) {
    const image = await niivue.NVImage.loadFromUrl({ url: new Uint8Array(buffer), name, ...options });
    this.nv.addVolume(image);
    return image;
  }

  // show draws what the state of view.js says. Changing intensities or opacities
  // makes NiiVue rebuild its textures, so that is done only where they differ.
  show(state) {
    const { scan, nv } = this;
    const range = scan.high - scan.low;
    const low = scan.low + range * (state.level - state.width / 2);
    this.set(this.base, "cal_min", low);
    this.set(this.base, "cal_max", low + range * state.width);
    if (this.mask) this.set(this.mask, "opacity", state.showMask ? state.opacity : 0);
    if (this.heat) {
      this.set(this.heat, "opacity", state.showHeat ? state.heat : 0);
      this.set(this.heat, "cal_min", state.threshold);
    }
    this.set(nv.opts, "isRadiologicalConvention", state.radiological);
    nv.opts.crosshairWidth = state.crosshair ? CROSSHAIR_MM / state.zoom : 0;
    if (nv.crosshairs3D) nv.crosshairs3D.mm[0] = NaN; // makes NiiVue build it anew, in this width
    nv.opts.sliceType = PLANES[state.plane];
    nv.scene.crosshairPos = nv.mm2frac(state.mm, 0, true);
    nv.scene.pan2Dxyzmm = [...state.pan, state.zoom];
    if (this.stale) {
      this.stale = false;
      nv.updateGLVolume(); // draws, too
    } else {
      nv.drawScene();
    }
    this.describe();
  }

  set(object, key, value) {
    if (object[key] !== value) {
      object[key] = value;
      this.stale = true;
    }
  }

  // describe tells the position and what the images hold there.
  describe() {
    const mm = this.nv.frac2mm(this.nv.scene.crosshairPos, 0, true);
    const at = (image) => {
      const voxel = image.mm2vox([mm[0], mm[1], mm[2]]);
      const inside = voxel.every((v, axis) => v >= 0 && v < image.dimsRAS[axis + 1]);
      return inside ? image.getValue(...voxel) : NaN;
    };
    const show = (value) => (Number.isNaN(value) ? "–" : String(Number(value.toPrecision(4))));
    const parts = [`intensity ${show(at(this.base))}`];
    if (this.heat) parts.push(`p ${show(at(this.heat))}`);
    this.value.textContent = parts.join(" · ");
    this.element.dataset.position = [mm[0], mm[1], mm[2]].map((v) => v.toFixed(2)).join(" ");
  }

  // pick is the world position under a point of the window, or null beside the image.
  // tile, if given, is where a drag began.
  pick(x, y, tile = -1) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const mm = this.nv.screenXY2mm((x - box.left) * ratio, (y - box.top) * ratio, tile);
    return Number.isNaN(mm[0]) ? null : { mm: [mm[0], mm[1], mm[2]], tile: mm[3] };
  }

  // travel is how far a drag of (dx, dy) CSS pixels goes in mm of the world, before zoom.
  travel(dx, dy, tile) {
    const { axCorSag, fovMM, leftTopWidthHeight } = this.nv.screenSlices[tile];
    const ratio = this.canvas.width / this.canvas.getBoundingClientRect().width;
    const across = (dx * ratio * fovMM[0]) / leftTopWidthHeight[2];
    const up = (-dy * ratio * fovMM[1]) / leftTopWidthHeight[3];
    return [[across, up, 0], [across, 0, up], [0, across, up]][axCorSag];
  }

  // slices is the extent of the image along an axis of the world in mm, from edge to
  // edge, and how many voxels that is.
  slices(axis) {
    const [low, high] = this.nv.sceneExtentsMinMax(true);
    const step = this.base.pixDimsRAS[axis + 1];
    return { low: low[axis], high: high[axis], step, count: Math.max(1, Math.round((high[axis] - low[axis]) / step)) };
  }
}

function heatColormap(colors) {
  const opaque = colors.map(() => 255);
  opaque[0] = 0;
  return {
    R: colors.map((c) => c[0]), G: colors.map((c) => c[1]), B: colors.map((c) => c[2]), A: opaque,
    I: colors.map((_, i) => Math.round((255 * i) / (colors.length - 1))),
  };
}

// classColormap colours the values 1, 2, … and leaves 0 clear.
function classColormap(classes) {
  const column = (n) => [0, ...classes.map((c) => c.color[n])];
  return { R: column(0), G: column(1), B: column(2), A: [0, ...classes.map(() => 255)], labels: ["", ...classes.map((c) => c.name)] };
}
