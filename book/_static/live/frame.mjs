// Inside a page of the book: be as tall as the content, and light or dark as the page is.

export function settleIn() {
  const theme = new URLSearchParams(location.search).get("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  let frame = null;
  try {
    frame = window.frameElement; // null when the page stands alone, or in somebody else's
  } catch {
    return;
  }
  if (!frame) return;
  const host = frame.ownerDocument.documentElement;
  const follow = () => {
    if (host.dataset.theme) document.documentElement.dataset.theme = host.dataset.theme;
  };
  follow();
  new MutationObserver(follow).observe(host, { attributes: true, attributeFilter: ["data-theme"] });
  const fit = () => {
    frame.style.height = `${document.body.offsetHeight + 4}px`;
  };
  new ResizeObserver(fit).observe(document.body);
}
