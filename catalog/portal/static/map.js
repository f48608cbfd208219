// The live map. Leaflet draws it; land comes from this server, entities from /live.geojson, which is read as the public.
const EVERY_MS = 5000;
const panel = document.getElementById("map-panel");
const $ = (id) => document.getElementById(id);
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (n) => n.toLocaleString(document.documentElement.lang);
const known = JSON.parse(panel?.dataset.words ?? "{}");
const say = (text) => known[text] ?? text;
const words = (name) => {
  const text = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
};

function start() {
  let domain = panel.dataset.domain;
  let fitted = "";
  let reading = 0;
  let points = new Map(); // entity id -> layer
  let kinds = [];
  const map = L.map("map", { preferCanvas: true, zoomControl: false, attributionControl: false, minZoom: 2, maxZoom: 18, worldCopyJump: true });
  map.createPane("land").style.zIndex = 250;
  map.createPane("grid").style.zIndex = 260;
  const landCanvas = L.canvas({ pane: "land", padding: 0.6 });
  const gridCanvas = L.canvas({ pane: "grid", padding: 0.6 });
  const land = L.geoJSON(null, { pane: "land", renderer: landCanvas, interactive: false });
  const city = L.geoJSON(null, { pane: "grid", renderer: gridCanvas, interactive: false });
  const grid = L.layerGroup();
  const dots = L.layerGroup();
  for (const layer of [land, city, grid, dots]) layer.addTo(map);
  L.control.zoom({ position: "topright" }).addTo(map);
  L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);

  function paint() {
    land.setStyle({ fillColor: colour("--land"), fillOpacity: 1, color: colour("--shore"), weight: 1 });
    city.setStyle({ fillColor: colour("--shore"), fillOpacity: 0.12, color: colour("--shore"), weight: 0.8, opacity: 0.8 });
    for (const line of grid.getLayers()) line.setStyle({ color: colour("--grid") });
    for (const layer of points.values()) layer.setStyle(style(layer.kind, layer.where));
  }

  function style(kind, where) {
    const tint = colour(`--p${kinds.indexOf(kind) % 5}`);
    const point = where === "Point";
    return { radius: points.size > 700 ? 3.5 : 5, color: point ? colour("--card") : tint, weight: point ? 1 : 2, fillColor: tint, fillOpacity: point ? 0.92 : 0.25 };
  }

  function drawGrid() {
    const box = map.getBounds();
    const span = Math.max(box.getNorth() - box.getSouth(), box.getEast() - box.getWest());
    const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((s) => span / s < 9) ?? 30;
    grid.clearLayers();
    const options = { pane: "grid", renderer: gridCanvas, interactive: false, weight: 1, color: colour("--grid") };
    for (let x = Math.floor(box.getWest() / step) * step; x <= box.getEast(); x += step) L.polyline([[-85, x], [85, x]], options).addTo(grid);
    for (let y = Math.floor(box.getSouth() / step) * step; y <= box.getNorth(); y += step) L.polyline([[y, box.getWest() - 5], [y, box.getEast() + 5]], options).addTo(grid);
  }

  let landBox = null;
  let asked = 0;
  async function drawLand() {
    const mine = ++asked;
    const box = map.getBounds();
    if (landBox && landBox.contains(box) && landBox.zoom >= map.getZoom() - 2) return;
    const wide = box.pad(0.8);
    const q = new URLSearchParams({
      west: Math.max(-180, wide.getWest()).toFixed(3), south: Math.max(-89, wide.getSouth()).toFixed(3),
      east: Math.min(180, wide.getEast()).toFixed(3), north: Math.min(89, wide.getNorth()).toFixed(3),
    });
    const answer = await fetch(`/basemap.geojson?${q}`).catch(() => null);
    if (!answer?.ok) return;
    const shape = await answer.json();
    if (mine !== asked) return; // the map has moved on since
    land.clearLayers();
    land.addData(shape);
    landBox = wide;
    landBox.zoom = map.getZoom();
    paint();
  }

  async function drawCity() {
    const answer = await fetch("/city.geojson").catch(() => null);
    if (!answer?.ok || answer.status === 204) return;
    city.addData(await answer.json());
    paint();
  }

  map.on("moveend", () => { drawGrid(); drawLand(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  document.addEventListener("theme", paint);

  function glide(layer, to) {
    const from = layer.getLatLng();
    if (from.equals(to)) return;
    if (reduced.matches || points.size > 1500 || !map.getBounds().contains(to)) { layer.setLatLng(to); return; }
    const begun = performance.now();
    const step = (now) => {
      const t = Math.min(1, (now - begun) / 900);
      const e = t * (2 - t);
      layer.setLatLng([from.lat + (to.lat - from.lat) * e, from.lng + (to.lng - from.lng) * e]);
      if (t < 1 && map.hasLayer(layer)) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  function show(feature) {
    const id = feature.id;
    const kind = feature.properties.type;
    const known = points.get(id);
    if (known && known.where === "Point" && feature.geometry.type === "Point") {
      glide(known, L.latLng(feature.geometry.coordinates[1], feature.geometry.coordinates[0]));
      return known;
    }
    if (known) known.remove();
    const layer = feature.geometry.type === "Point"
      ? L.circleMarker([feature.geometry.coordinates[1], feature.geometry.coordinates[0]])
      : L.geoJSON(feature.geometry);
    Object.assign(layer, { kind, where: feature.geometry.type, entity: id });
    layer.on("click", () => open(layer));
    return layer.addTo(dots);
  }

  async function open(layer) {
    const at = layer.getLatLng ? layer.getLatLng() : layer.getBounds().getCenter();
    const box = document.createElement("div");
    box.append(element("h3", words(layer.kind)), element("p", layer.entity, "iri"), element("p", say("Reading it as the public…"), "fine"));
    const popup = L.popup({ maxWidth: 340 }).setLatLng(at).setContent(box).openOn(map);
    const q = new URLSearchParams({ domain, type: layer.kind, id: layer.entity });
    const answer = await fetch(`/live/entity?${q}`).catch(() => null);
    const note = box.lastChild;
    if (!answer?.ok) { note.textContent = say("It is not to be seen any more."); return; }
    const { entity, reading } = await answer.json();
    const list = document.createElement("dl");
    for (const [name, given] of Object.entries(entity)) {
      const one = Array.isArray(given) ? given[0] : given;
      const value = one?.value ?? one?.object ?? one?.vocab ?? one?.languageMap?.en;
      if (value === undefined || name === "location" || (typeof value === "object" && !("@value" in value))) continue;
      const text = typeof value === "object" ? value["@value"] : typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value);
      const unit = { CEL: "°C", KMH: "km/h", MTS: "m/s", P1: "%", DD: "°", GQ: "µg/m³", GP: "mg/m³", A97: "hPa", "2N": "dB" }[one.unitCode] ?? one.unitCode ?? "";
      list.append(element("dt", words(name.replace(/^.*[/#:]/, ""))), element("dd", `${text} ${unit}`.trim()));
    }
    note.before(list);
    note.textContent = `${say("Read as the public at")} ${reading.at.slice(11, 19)} UTC. ${say("Receipt")} ${reading.receipt ?? say("not given")}`;
    popup.update();
  }

  function element(tag, text, name) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  }

  function swatch(kind) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 12 12");
    svg.setAttribute("aria-hidden", "true");
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    for (const [k, v] of [["cx", 6], ["cy", 6], ["r", 6]]) dot.setAttribute(k, v);
    dot.style.fill = `var(--p${kinds.indexOf(kind) % 5})`;
    svg.append(dot);
    return svg;
  }

  function tell(collection) {
    const types = collection.reading.types;
    const read = types.filter((t) => t.outcome === "read");
    const total = read.reduce((sum, t) => sum + t.count, 0);
    $("map-count").textContent = types.every((t) => t.outcome === "unavailable") ? "\u2013" : read.length ? number(total) : say("No");
    $("map-what").textContent = read.length
      ? say(`${total === 1 ? "thing" : "things"} the public may see in this domain right now`)
      : types.some((t) => t.outcome === "unavailable") ? say("The data cannot be read just now; trying again.") : say("things here are open to the public. Access is by agreement.");
    $("map-note").hidden = collection.features.length > 0 || read.length === 0;
    $("map-note").textContent = total > 0
      ? say("The public may know of these, but not where they are.")
      : say("Nothing of this domain is here yet.");
    $("map-legend").replaceChildren(...types.map((t) => {
      const line = document.createElement("li");
      const placed = collection.features.filter((f) => f.properties.type === t.name).length;
      const text = t.outcome === "read" ? `${words(t.name)}: ${number(t.count)}${placed < t.count ? `, ${number(placed)} ${say("on the map")}` : ""}` : `${words(t.name)}: ${t.detail}`;
      line.append(swatch(t.name), element("span", text, t.outcome === "read" ? "" : "note"));
      return line;
    }));
    const receipts = types.flatMap((t) => t.receipts);
    $("map-receipt").hidden = receipts.length === 0;
    $("map-time").textContent = `${collection.reading.at.slice(11, 19)} UTC`;
    $("map-time").dateTime = collection.reading.at;
    $("map-receipts").replaceChildren(...receipts.map((r) => { const line = document.createElement("li"); line.append(element("code", r)); return line; }));
    const list = $("map-list");
    if (!list.contains(document.activeElement)) {
      list.replaceChildren(...collection.features.slice(0, 60).map((f) => {
        const line = document.createElement("li");
        const button = element("button", f.id);
        button.type = "button";
        button.addEventListener("click", () => { const layer = points.get(f.id); if (layer) open(layer); });
        line.append(button);
        return line;
      }));
    }
  }

  async function read() {
    const mine = ++reading;
    const wanted = domain;
    const answer = await fetch(`/live.geojson?${new URLSearchParams({ domain: wanted })}`).catch(() => null);
    if (mine !== reading || wanted !== domain) return;
    if (!answer?.ok) { $("map-what").textContent = say("The map cannot be read just now; trying again."); return; }
    const collection = await answer.json();
    if (mine !== reading || wanted !== domain) return;
    kinds = collection.reading.types.map((t) => t.name);
    const now = new Map();
    for (const feature of collection.features) now.set(feature.id, show(feature));
    for (const [id, layer] of points) if (!now.has(id)) layer.remove();
    points = now;
    if (fitted !== wanted && collection.features.length) { fit(collection.features); fitted = wanted; }
    else if (!fitted) { map.setView([25, 0], 2); fitted = "the world"; }
    paint();
    tell(collection);
    panel.dataset.ready = wanted;
  }

  function fit(features) {
    // The middle 96 % of the points, so that one far away does not make the city a speck.
    const at = features.map((f) => L.geoJSON(f.geometry).getBounds().getCenter());
    const cut = (values) => { values.sort((a, b) => a - b); const n = Math.floor(values.length * 0.02); return [values[n], values[values.length - 1 - n]]; };
    const [south, north] = cut(at.map((p) => p.lat));
    const [west, east] = cut(at.map((p) => p.lng));
    map.fitBounds([[south, west], [north, east]], { padding: [28, 28], maxZoom: 13, animate: false });
  }

  for (const button of panel.querySelectorAll(".switch button")) {
    button.addEventListener("click", () => {
      domain = button.dataset.domain;
      for (const other of panel.querySelectorAll(".switch button")) other.setAttribute("aria-pressed", String(other === button));
      map.closePopup();
      dots.clearLayers();
      points = new Map();
      $("map-count").textContent = "\u00a0";
      $("map-what").textContent = say("Reading the map…");
      read();
    });
  }

  drawCity();
  read();
  setInterval(() => { if (!document.hidden) read(); }, EVERY_MS);
}

if (panel && window.L) start();
