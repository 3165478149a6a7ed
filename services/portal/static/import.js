// Large files: sent without leaving the page, so that the file stays chosen for the next button and whatever goes wrong.
// Without this script the form is sent like any other, and the same page comes back.
"use strict";

(() => {
  // A file that would be refused is not sent first.
  const fits = (form) => {
    const input = form.querySelector("input[type=file]");
    const note = form.querySelector("[data-too-large]");
    const size = input?.files[0]?.size ?? 0;
    const large = size > Number(input?.dataset.most ?? Infinity);
    if (note) note.hidden = !large;
    return !large;
  };

  document.querySelectorAll("form[enctype='multipart/form-data']").forEach((form) => {
    form.addEventListener("submit", (event) => {
      if (fits(form)) {
        const working = form.querySelector("[data-working]");
        if (working) working.hidden = false;
        return;
      }
      event.preventDefault();
      event.stopImmediatePropagation();
    }, { capture: true });
    window.addEventListener("pageshow", () => {
      const working = form.querySelector("[data-working]");
      if (working) working.hidden = true;
    });
  });

  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const sending = form.querySelector("[data-sending]");
  const broken = form.querySelector("[data-broken]");
  const bar = sending.querySelector("progress");
  let underWay = false;

  const done = () => {
    underWay = false;
    sending.hidden = true;
  };

  const show = (answer) => {
    const page = new DOMParser().parseFromString(answer.responseText, "text/html");
    const shown = page.getElementById("outcome") ?? page.querySelector("main .message");
    if (!shown) {
      broken.hidden = false;
      return;
    }
    const outcome = document.getElementById("outcome");
    outcome.replaceChildren(...(shown.id === "outcome" ? shown.childNodes : [shown]));
    window.htmx?.process(outcome);
    if (answer.status < 400) {
      history.replaceState(null, "", answer.responseURL);
      // Another language shows this page again, not the one it began as.
      const back = document.querySelector(".languages input[name=next]");
      if (back) back.value = new URL(answer.responseURL).pathname;
    }
    const heading = outcome.querySelector("[data-focus]") ?? outcome;
    heading.focus();
    heading.scrollIntoView({ block: "nearest" });
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (underWay) return;
    underWay = true;
    broken.hidden = true;
    sending.hidden = false;
    bar.value = 0;
    const request = new XMLHttpRequest();
    request.open("POST", event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : form.action);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) bar.value = (100 * sent.loaded) / sent.total;
    });
    request.addEventListener("load", () => {
      done();
      show(request);
    });
    request.addEventListener("error", () => {
      done();
      broken.hidden = false;
    });
    request.send(new FormData(form));
  });
})();
