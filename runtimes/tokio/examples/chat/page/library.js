// Finds a Socket.IO client: the official one from this server or from its public CDN, and where
// neither can be had, our own small one, so that the page always works.

const TIME_LIMIT = 3000;

const OFFICIAL = [
  { kind: "local", label: "official client, local", src: "./vendor/socket.io.min.js" },
  {
    kind: "cdn",
    label: "official client, CDN",
    src: "https://cdn.socket.io/4.8.3/socket.io.min.js",
    integrity: "sha384-kzavj5fiMwLKzzD1f8S7TeoVIEi7uKHvbTA3ueZkrzYq75pNQUiUi6Dy98Q3fxb0",
  },
];

/** Resolves to `{ io, kind, label }`; `kind` is "local", "cdn" or "fallback". */
export async function loadLibrary() {
  await pageLoaded();
  for (const { kind, label, src, integrity } of OFFICIAL) {
    if (kind === "cdn" && !isCdnAllowed()) continue;
    if (await runScript(src, integrity)) return { io: globalThis.io, kind, label };
  }
  const { io } = await import("./fallback.js");
  return { io, kind: "fallback", label: "built-in client" };
}

function isCdnAllowed() {
  return document.querySelector('meta[name="cdn"]')?.content === "allowed";
}

/** Scripts that are added later do not keep the browser from calling the page loaded. */
function pageLoaded() {
  if (document.readyState === "complete") return undefined;
  return new Promise((resolve) => addEventListener("load", resolve, { once: true }));
}

/** Runs a script of the page; resolves to whether it defined `io` within the time limit. */
function runScript(src, integrity) {
  return new Promise((resolve) => {
    const script = document.createElement("script");
    const finish = () => {
      clearTimeout(timer);
      script.remove();
      resolve(typeof globalThis.io === "function");
    };
    const timer = setTimeout(finish, TIME_LIMIT);
    script.onload = finish;
    script.onerror = finish;
    if (integrity) {
      script.integrity = integrity;
      script.crossOrigin = "anonymous";
    }
    script.src = src;
    document.head.append(script);
  });
}
