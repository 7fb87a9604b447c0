// How the service is, and on what it works.

import { ask } from "./api.js";
import { make, one, say, showRows } from "./dom.js";

export async function showHealth() {
  let health;
  try {
    health = await ask("GET", "/health");
  } catch {
    mark("away", "does not answer");
    return;
  }
  const { hardware_detector: detector, webgpu, gpu_acceleration: gpu, queue } = health.services;
  mark(health.status, health.reason ?? health.status);
  say(one("queue"), queue ? `${queue.running} running · ${queue.waiting} waiting` : "");
  const names = detector?.devices?.length ? detector.devices : ["none yet"];
  showRows(one("device-list"), names, (name) => name, (name) => make("li", { textContent: name }), () => {});
  const reasons = (webgpu?.rejected ?? []).map(({ name, reason }) => [name, reason]);
  if (gpu?.reason) reasons.unshift(["GPU", gpu.reason]);
  one("rejected").hidden = reasons.length === 0;
  const shown = JSON.stringify(reasons);
  if (one("rejected-list").dataset.shown !== shown) {
    one("rejected-list").dataset.shown = shown;
    one("rejected-list").replaceChildren(
      ...reasons.flatMap(([name, reason]) => [make("dt", { textContent: name }), make("dd", { textContent: reason })]),
    );
  }
}

function mark(status, text) {
  one("health").dataset.status = status;
  say(one("health"), text);
}
