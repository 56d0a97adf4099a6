// Requests to the server, and what can go wrong with them.

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.error?.code ?? "";
    this.field = body?.error?.field ?? "";
    this.data = body ?? {};
  }

  get isSignedOut() {
    return this.status === 401 || (this.status === 403 && /not_authenticated|csrf/i.test(`${this.code} ${this.message}`));
  }

  // Sent again, it may well succeed.
  get isPassing() {
    return this.status >= 500 || this.status === 429 || this.isSignedOut;
  }
}

export class Offline extends Error {
  isPassing = true;
}

export class Api {
  constructor(csrfCookie) {
    this.csrfCookie = csrfCookie;
  }

  // The cookie is read each time: signing in again, in another tab, changes it.
  csrf() {
    const start = `${this.csrfCookie}=`;
    return document.cookie.split("; ").find((part) => part.startsWith(start))?.slice(start.length) ?? "";
  }

  async send(method, path, body, { key, keepalive = false } = {}) {
    const headers = { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": this.csrf() };
    if (key) headers["Idempotency-Key"] = key;
    let response;
    try {
      response = await fetch(`/api/${path}`, {
        method,
        headers,
        keepalive,
        credentials: "same-origin",
        body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
      });
    } catch (error) {
      throw new Offline(error.message);
    }
    const text = await response.text().catch(() => "");
    let data = null;
    try {
      data = text ? JSON.parse(text) : null;
    } catch {
      if (response.ok) throw new Offline("no JSON in the answer");
    }
    if (!response.ok) throw new ApiError(response.status, data);
    return data;
  }

  get(path) {
    return this.send("GET", path);
  }

  post(path, body, options) {
    return this.send("POST", path, body, options);
  }
}
