// Keeps a copy of the page, so that it works again without a network. files.json lists what is kept at once;
// the detector, by far the heaviest, is kept when somebody starts the camera and so asks for it.

const fetchList = async () => (await fetch("files.json", { cache: "no-store" })).json();

async function keep() {
  const { version, files } = await fetchList();
  const kept = await caches.open(`strm-${version}`);
  await kept.addAll([...files, "files.json"]);
  for (const name of await caches.keys()) {
    if (name.startsWith("strm-") && name !== `strm-${version}`) await caches.delete(name);
  }
}

async function store(request, answer) {
  const [name] = (await caches.keys()).filter((each) => each.startsWith("strm-"));
  const address = new URL(request.url);
  address.search = ""; // one page, whatever figure it is asked for
  if (name) await (await caches.open(name)).put(address, answer);
}

// The newest where there is a network, else the copy.
async function newest(event) {
  try {
    const answer = await fetch(event.request);
    if (answer.status === 200) event.waitUntil(store(event.request, answer.clone()));
    return answer;
  } catch {
    return (await caches.match(event.request, { ignoreSearch: true })) ?? Response.error();
  }
}

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(newest(event));
});
