// Keeps a copy of everything, so that the page works again without a network. files.json lists it.

const fetchList = async () => (await fetch("files.json", { cache: "no-store" })).json();

async function keep() {
  const { version, files } = await fetchList();
  const kept = await caches.open(`strm-${version}`);
  await kept.addAll([...files, "files.json"]);
  for (const name of await caches.keys()) {
    if (name.startsWith("strm-") && name !== `strm-${version}`) await caches.delete(name);
  }
}

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  // The newest where there is a network, else the copy.
  const copy = () => caches.match(event.request, { ignoreSearch: true });
  event.respondWith(
    fetch(event.request).catch(async () => (await copy()) ?? Response.error()),
  );
});
