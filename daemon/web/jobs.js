// The jobs of this machine's owner, newest first, followed over the WebSocket.

import { ask, listen } from "./api.js";
import { announce, bytes, make, one, say, showRows } from "./dom.js";

const MOST_SHOWN = 50;
const OVER = ["done", "failed", "cancelled"];
const jobs = new Map();
const told = new Map(); // states, by the newest event: an answer that was asked for earlier may come later

export function followJobs(onLost) {
  listen(
    (message) => {
      if (message.type === "snapshot") {
        jobs.clear();
        told.clear();
        message.jobs.forEach(keep);
        show();
      } else if (message.event) {
        take(message);
      }
    },
    (code) => code === 4401 && onLost(),
  );
}

async function take({ job: id, event, data }) {
  const known = jobs.get(id);
  const isOver = OVER.includes(event);
  if (event !== "progress") told.set(id, data.state);
  if (known && !isOver) keep({ ...known, progress: data.progress ?? known.progress });
  else if (event !== "progress") await refresh(id);
  if (isOver) announce(`${jobs.get(id)?.name ?? "A picture"}: ${event}`);
  show();
}

async function refresh(id) {
  const job = await ask("GET", `/api/jobs/${id}`).catch(() => undefined); // the next snapshot has it
  if (job) keep(job);
}

function keep(job) {
  const known = jobs.get(job.id);
  const isOver = OVER.includes(job.state);
  if (OVER.includes(known?.state) || (!isOver && OVER.includes(told.get(job.id)))) return; // nothing comes after the end
  const state = isOver ? job.state : (told.get(job.id) ?? job.state);
  jobs.set(job.id, { ...job, state, progress: Math.max(job.progress, known?.progress ?? 0) });
}

export function addJob(job) {
  keep(job);
  show();
}

function show() {
  const sorted = [...jobs.values()].sort((a, b) => compare(b.created_at, a.created_at) || compare(b.id, a.id));
  const newest = sorted.slice(0, MOST_SHOWN);
  for (const id of [...jobs.keys()].filter((id) => !newest.some((job) => job.id === id))) jobs.delete(id);
  one("no-jobs").hidden = newest.length > 0;
  showRows(one("job-list"), newest, (job) => job.id, makeRow, updateRow);
}

const compare = (a, b) => (a < b ? -1 : Number(a > b));

function makeRow(job) {
  const cancel = make("button", { type: "button", textContent: "Cancel", className: "cancel" });
  cancel.onclick = async () => {
    cancel.disabled = true;
    await ask("DELETE", `/api/jobs/${job.id}`).catch((problem) => announce(problem.message));
    await refresh(job.id);
    show();
  };
  const download = make("button", { type: "button", textContent: "Download", className: "download" });
  download.onclick = () => fetchResult(job.id);
  for (const button of [cancel, download]) button.setAttribute("aria-label", `${button.textContent} ${job.name}`);
  const bar = make("progress", { max: 1, value: 0 });
  bar.setAttribute("aria-label", `Progress of ${job.name}`);
  return make(
    "li",
    { className: "job" },
    make("span", { className: "name", textContent: job.name, title: job.name }),
    make("span", { className: "does" }, cancel, download),
    make("span", { className: "quiet" }),
    bar,
  );
}

function updateRow(row, job) {
  row.classList.toggle("over", OVER.includes(job.state));
  row.classList.toggle("failed", job.state === "failed");
  row.dataset.state = job.state;
  row.querySelector(".cancel").hidden = OVER.includes(job.state);
  row.querySelector(".download").hidden = job.state !== "done";
  row.querySelector("progress").value = job.progress;
  const sizes = `${size(job.width, job.height)} → ${size(job.output_width, job.output_height)}`;
  say(row.querySelector(".quiet"), `${sizes} · ${stateOf(job)}`);
}

const size = (width, height) => `${width}\u00a0×\u00a0${height}`; // kept on one line

function stateOf(job) {
  if (job.state === "queued") return "waiting";
  if (job.state === "running") return `${Math.floor(job.progress * 100)} %`;
  if (job.state === "failed") return job.error?.message ?? "failed";
  if (job.state === "cancelled") return "cancelled";
  const seconds = (new Date(job.finished_at) - new Date(job.started_at)) / 1000;
  const how = job.cache === "hit" ? "from the cache" : `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  return `${job.format.toUpperCase()}, ${bytes(job.result_bytes)}, ${how}`;
}

// By a fresh link: the ticket in it is good for ten minutes only.
async function fetchResult(id) {
  try {
    const job = await ask("GET", `/api/jobs/${id}`);
    make("a", { href: job.result_url, download: "" }).click();
  } catch (problem) {
    announce(problem.message);
  }
}
