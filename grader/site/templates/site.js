"use strict";
// The server's clock goes on, a submission's progress is followed, and news comes in. Without this script the pages
// read the same.
{
  const clock = document.getElementById("clock");
  const shown = Date.parse(clock.dateTime);
  const ahead = shown - Date.now();
  // The server's own zone stands in brackets, where it is not UTC: "2026-03-01 12:00:00 UTC (13:00:00 CET)".
  const local = clock.textContent.match(/\((\d\d):(\d\d):\d\d ([^,)]+)/);
  const utc = new Date(shown);
  const minutes = local ? local[1] * 60 + Number(local[2]) - utc.getUTCHours() * 60 - utc.getUTCMinutes() : 0;
  setInterval(() => {
    const now = Date.now() + ahead;
    const written = (time) => new Date(time).toISOString().slice(0, 19).replace("T", " ");
    const there = local ? ` (${written(now + minutes * 60000).slice(11)} ${local[3]})` : "";
    clock.textContent = `${written(now)} UTC${there}`;
  }, 1000);

  const news = async () => {
    const answer = await fetch("/news").catch(() => null);
    if (!answer?.ok) return;
    const now = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["news", "dates"]) {
      const [here, there] = [document.getElementById(id), now.getElementById(id)];
      if (here && there && here.textContent !== there.textContent) here.replaceChildren(...there.childNodes);
    }
  };
  if (document.getElementById("news")) setInterval(news, 30000);

  const phase = document.getElementById("phase");
  if (phase) {
    const events = new EventSource(phase.dataset.follow);
    events.onmessage = (event) => {
      const { words, done } = JSON.parse(event.data);
      phase.textContent = words;
      if (done) {
        events.close();
        location.reload();
      }
    };
  }
}
