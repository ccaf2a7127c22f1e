// Renews the figures every 5 seconds while the page is visible.
"use strict";
const figures = document.getElementById("figures");
setInterval(async () => {
  if (document.visibilityState !== "visible") return;
  try {
    const answer = await fetch("/overview");
    if (!answer.ok) return;
    const at = figures.querySelector(".scroll"), top = at ? at.scrollTop : 0;
    const focused = at && document.activeElement === at;
    figures.innerHTML = await answer.text();
    const now = figures.querySelector(".scroll");
    if (now) {
      now.scrollTop = top;
      if (focused) now.focus();
    }
  } catch (e) {
    // The next round tries again.
  }
}, 5000);
