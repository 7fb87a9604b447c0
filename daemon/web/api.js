// The service's HTTP and its WebSocket. The token lives in this tab alone, and ends with it.

const KEY = "pro-engine-token";
const RETRY_MS = [200, 500, 1000, 2000, 5000];

export class Problem extends Error {
  constructor(code, message) {
    super(message);
    this.code = code; // "away": nothing answered
  }

  get isAboutAccess() {
    return ["invalid_token", "access_token_required", "not_permitted"].includes(this.code);
  }
}

export const token = () => sessionStorage.getItem(KEY);
export const forgetToken = () => sessionStorage.removeItem(KEY);

export async function ask(method, path, body, headers = {}) {
  const isFile = body instanceof Blob;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(token() && { Authorization: `Bearer ${token()}` }),
        ...(body !== undefined && { "Content-Type": isFile ? "application/octet-stream" : "application/json" }),
        ...headers,
      },
      body: body === undefined || isFile ? body : JSON.stringify(body),
    });
  } catch {
    throw new Problem("away", "the service does not answer");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok && !answer.services) {
    throw new Problem(answer.code ?? "away", answer.message ?? `the service answered ${response.status}`);
  }
  return answer;
}

// Trade the code of `pro-engine open` for the token. It leaves the address, and so the history, before it is used.
export async function logIn() {
  const code = location.hash.slice(1);
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  const answer = await ask("POST", "/api/login", { code });
  sessionStorage.setItem(KEY, answer.token);
}

// Hand every message on, over one connection after the other; each starts with a snapshot, so nothing is missed.
export function listen(onMessage, onClosed) {
  let tries = 0;
  const connect = () => {
    if (!token()) return;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "auth", token: token() }));
      socket.send(JSON.stringify({ type: "subscribe", jobs: "*" }));
    };
    socket.onmessage = (message) => {
      tries = 0;
      onMessage(JSON.parse(message.data));
    };
    socket.onclose = (event) => {
      onClosed(event.code);
      setTimeout(connect, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
    };
  };
  connect();
}
