// Makes pages quicker that work without it: live parts, previews, uploads with progress. No library, no eval.
"use strict";

(() => {
document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes("zone=")) {
  document.cookie = `zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
}

// Puts new HTML into an element. What was focused or opened in it stays so, if it is still there.
const held = (part) => {
  const element = document.activeElement;
  if (!part.contains(element) || element === part) return null;
  const selector = element.id ? `#${CSS.escape(element.id)}`
    : element.hasAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]`
    : element.parentElement.id ? `#${CSS.escape(element.parentElement.id)} > ${element.localName}`
    : element.localName;
  return { selector, at: [...part.querySelectorAll(selector)].indexOf(element) };
};
const renew = (part, content) => {
  const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focus = held(part);
  part.replaceChildren(content);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (!focus) return;
  const again = part.querySelectorAll(focus.selector)[focus.at];
  if (!again) part.tabIndex = -1;  // it is gone: Tab goes on from here
  (again ?? part).focus({ preventScroll: true });
};

// <div data-live="/campaigns/x/live" data-every="3">: asked for again while the page is seen. In the answer, a
// <template data-into="id"> is what another element of the page shows from now on.
for (const part of document.querySelectorAll("[data-live]")) {
  const pause = 1000 * (Number(part.dataset.every) || 3);
  let stale = 0;
  const selecting = () => !getSelection().isCollapsed && part.contains(getSelection().anchorNode);
  const look = async () => {
    if (!document.hidden && !selecting()) {
      try {
        const answer = await fetch(part.dataset.live, { headers: { "X-Drumbeat-Live": "1" } });
        if (answer.status === 401) return location.reload();
        if (!answer.ok) throw new Error(answer.status);
        const all = document.createElement("template");
        all.innerHTML = await answer.text();
        for (const each of all.content.querySelectorAll("template[data-into]")) {
          renew(document.getElementById(each.dataset.into), each.content);
          each.remove();
        }
        renew(part, all.content);
        part.removeAttribute("data-stale");
        stale = 0;
      } catch {
        if (++stale > 1 && !part.dataset.stale) {
          part.dataset.stale = "1";
          const note = document.createElement("p");
          note.className = "note warn";
          note.textContent = "The server does not answer. What you see may be old.";
          part.prepend(note);
        }
      }
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
}

// <form data-preview="/path" data-into="id">: a moment after typing, its fields are posted and the answer is shown.
// An element data-again="2" in what is shown: it is not known yet, and is asked for again after so many seconds.
for (const form of document.querySelectorAll("form[data-preview]")) {
  let timer = 0;
  let again = 0;
  let latest = 0;
  const into = document.getElementById(form.dataset.into);
  const show = async () => {
    const mine = ++latest;
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.preview, { method: "POST", body, headers: { "X-Drumbeat-Live": "1" } });
    const text = await answer.text();
    if (mine === latest && answer.ok) into.innerHTML = text;
    lookAgain();
  };
  const lookAgain = () => {
    const unknown = into.querySelector("[data-again]");
    clearTimeout(again);
    if (unknown) again = setTimeout(show, 1000 * unknown.dataset.again);
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 300);
  });
  lookAgain();
}

// Buttons that insert text where the cursor was: <button type="button" data-insert="{{ name }}" data-target="f-text">.
for (const button of document.querySelectorAll("[data-insert]")) {
  button.addEventListener("click", () => {
    const target = document.getElementById(button.dataset.target);
    target.setRangeText(button.dataset.insert, target.selectionStart, target.selectionEnd, "end");
    target.focus();
    target.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

// <form data-upload> with one file input: drag and drop, and progress while it is sent.
for (const form of document.querySelectorAll("form[data-upload]")) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop") ?? form;
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      form.requestSubmit();
    }
  });
  input.addEventListener("change", () => input.files.length && form.requestSubmit());
  form.addEventListener("submit", (event) => {
    if (!input.files.length) return;
    event.preventDefault();
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", "Upload");
    drop.append(bar);
    const request = new XMLHttpRequest();
    request.upload.onprogress = (at) => { bar.value = at.loaded / at.total; };
    request.onerror = () => { bar.replaceWith("The upload broke off. Try again."); };
    request.onload = () => {
      if (request.status === 401) return bar.replaceWith("You are logged out: log in on another page, and drop the file again.");
      if (request.getResponseHeader("Refresh")) return location.assign(request.responseURL); // it asks for itself again
      if (request.responseURL) history.replaceState(null, "", request.responseURL);
      document.open();
      document.write(request.responseText);
      document.close();
    };
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
}

// A form is sent once: a second click while the first is under way does nothing.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button:not([type=button])")) setTimeout(() => { button.disabled = true; });
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button:disabled")) button.disabled = false;
});
})();
