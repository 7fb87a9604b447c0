// Pictures in: chosen or dropped, one after the other.

import { ask } from "./api.js";
import { announce, make, one, say } from "./dom.js";
import { addJob } from "./jobs.js";

const TRIES = 3;
let chain = Promise.resolve();
let waiting = 0;

export function takePictures() {
  one("files").onchange = (event) => {
    add([...event.target.files]);
    event.target.value = ""; // the same picture may be chosen again
  };
  let depth = 0; // of elements that are dragged over: each one is entered and left
  const drag = (change) => document.body.classList.toggle("dragging", (depth = change) > 0);
  document.addEventListener("dragenter", () => drag(depth + 1));
  document.addEventListener("dragleave", () => drag(Math.max(0, depth - 1)));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drag(0);
    add([...event.dataTransfer.files]);
  });
}

function add(files) {
  const fields = { scale_factor: one("scale").value };
  for (const name of ["model", "denoise", "format"]) fields[name] = one(name).value;
  one("refused").replaceChildren();
  waiting += files.length;
  for (const file of files) chain = chain.then(() => send(file, fields));
}

async function send(file, fields) {
  say(one("upload"), `Handing in ${file.name}${waiting > 1 ? `, ${waiting - 1} more` : ""} …`);
  try {
    addJob(await submit(file, fields));
  } catch (problem) {
    refuse(file.name, problem.message);
  }
  waiting -= 1;
  if (waiting === 0) say(one("upload"), "");
}

// Under one key, so that a picture whose answer was lost while the service restarted is not enlarged twice.
async function submit(file, fields) {
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-"); // randomUUID is for secure pages only
  const query = new URLSearchParams({ ...fields, name: file.name });
  for (let left = TRIES - 1; ; left--) {
    try {
      return await ask("POST", `/api/process?${query}`, file, { "Idempotency-Key": key });
    } catch (problem) {
      if (left === 0 || problem.code !== "away") throw problem;
    }
  }
}

function refuse(name, reason) {
  const what = make("span", { className: "name", textContent: name });
  const why = make("span", { className: "quiet full", textContent: reason });
  one("refused").append(make("li", {}, what, why));
  announce(`${name}: ${reason}`);
}
