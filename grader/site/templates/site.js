"use strict";
// The server's clock goes on, a submission's progress is followed, and news comes in. Without this script the pages
// read the same.
{
  const clock = document.getElementById("clock");
  const ahead = Date.parse(clock.dateTime) - Date.now();
  setInterval(() => {
    clock.textContent = `${new Date(Date.now() + ahead).toISOString().slice(0, 19).replace("T", " ")} UTC`;
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
