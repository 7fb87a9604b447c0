// The page: logged in, or how to get in.

import { forgetToken, logIn, token } from "./api.js";
import { one, say } from "./dom.js";
import { showHealth } from "./health.js";
import { followJobs } from "./jobs.js";
import { showPairings } from "./pairings.js";
import { takePictures } from "./upload.js";

const LOOK_MS = 2000;
let looking = false;

function showOut(reason = "") {
  forgetToken();
  say(one("out-reason"), reason);
  one("in").hidden = true;
  one("out").hidden = false;
  one("health").hidden = one("queue").hidden = true;
}

function showIn() {
  one("out").hidden = true;
  one("in").hidden = false;
  one("health").hidden = one("queue").hidden = false;
  followJobs(() => showOut("The service knows this page no more."));
  look();
}

// Again and again while somebody can see it.
async function look() {
  if (looking) return;
  looking = true;
  while (token() && !document.hidden) {
    const pairings = showPairings().catch((problem) => problem.isAboutAccess && showOut(problem.message));
    await Promise.all([showHealth(), pairings]);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  looking = false;
}

async function begin() {
  try {
    await logIn();
  } catch (problem) {
    if (!token()) return showOut(problem.message);
  }
  token() ? showIn() : showOut();
}

document.addEventListener("visibilitychange", look);
addEventListener("hashchange", () => location.hash && location.reload()); // opened once more, in this very tab
takePictures();
begin();
