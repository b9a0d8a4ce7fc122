"use strict";
// The server's clock goes on, and a submission's progress is followed. Without this script the pages read the same.
{
  const clock = document.getElementById("clock");
  const ahead = Date.parse(clock.dateTime) - Date.now();
  setInterval(() => {
    clock.textContent = `${new Date(Date.now() + ahead).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  }, 1000);

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
