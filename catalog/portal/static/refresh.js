// Keeps the page current: fetches it again and replaces the marked parts that changed, so that nothing moves under a
// reader's hands. Changes of a verdict are said aloud by the status line.
const EVERY_MS = 4000;
const SOON_MS = 500; // for parts that say that they are still being read

async function refresh() {
  if (document.hidden) return;
  let text;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    text = await answer.text();
  } catch {
    return; // the server is away: what is shown stays, its times tell how old it is
  }
  const next = new DOMParser().parseFromString(text, "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = next.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
    if (!fresh || (fresh.innerHTML === old.innerHTML && fresh.className === old.className)) continue;
    if (old.contains(document.activeElement)) continue;
    if (old.dataset.announce && fresh.textContent !== old.textContent) {
      document.getElementById("announce").textContent = `${old.dataset.announce}: ${fresh.textContent}`;
    }
    old.className = fresh.className;
    old.innerHTML = fresh.innerHTML;
  }
}

if (document.querySelector("[data-live]")) setInterval(refresh, EVERY_MS);
if (document.querySelector("[data-waiting]")) setTimeout(refresh, SOON_MS);
