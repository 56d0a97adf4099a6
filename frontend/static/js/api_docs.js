// The API's description, by Swagger UI. A request that is tried out goes with the session of who looks.

const config = JSON.parse(document.getElementById("config").textContent);

function csrf() {
  const start = `${config.csrf_cookie}=`;
  return document.cookie.split("; ").find((part) => part.startsWith(start))?.slice(start.length) ?? "";
}

globalThis.SwaggerUIBundle({
  url: config.url,
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = csrf();
    return request;
  },
});
