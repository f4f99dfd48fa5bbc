// What makes the pages better; each of them works without.
"use strict";

document.documentElement.classList.add("js");
const ready = (element) => element.removeAttribute("hidden");
const live = document.createElement("div");
live.className = "unseen";
live.setAttribute("role", "status");
document.body.append(live);

for (const sentence of document.querySelectorAll("[data-without-script]")) {
  sentence.remove();
}

// A button that has to wait counts down and comes back by itself.
for (const button of document.querySelectorAll("[data-wait]")) {
  const words = button.textContent;
  const until = Date.now() + Number(button.dataset.wait) * 1000;
  const show = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) {
      const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      button.textContent = button.dataset.waitWords.replace("{words}", words).replace("{time}", time);
      return;
    }
    clearInterval(timer);
    button.textContent = words;
    button.removeAttribute("aria-disabled");
    live.textContent = button.dataset.readyWords;
  };
  const timer = setInterval(show, 250);
  button.setAttribute("aria-disabled", "true");
  show();
}

// Neither a button that waits nor a second click sends a form.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    const waits = form.querySelector("[aria-disabled=true]");
    if (waits || form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.forms) {
    delete form.dataset.sent;
  }
});

for (const button of document.querySelectorAll("[data-show]")) {
  const field = document.getElementById(button.dataset.show);
  const words = [button.textContent, button.dataset.hideWords];
  const labels = [button.getAttribute("aria-label"), button.dataset.hideLabel];
  const set = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = words[Number(shown)];
    button.setAttribute("aria-label", labels[Number(shown)]);
  };
  button.addEventListener("click", () => set(field.type === "password"));
  // A shown password must not be offered later as something once typed.
  field.form.addEventListener("submit", () => set(false));
  ready(button);
}

for (const list of document.querySelectorAll(".rules")) {
  const field = document.getElementById(list.id.replace(/-hint$/, ""));
  const show = () => {
    for (const rule of list.children) {
      rule.classList.toggle("kept", new RegExp(rule.dataset.rule, "su").test(field.value));
    }
  };
  field.addEventListener("input", show);
  show();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) {
    continue;
  }
  const words = button.textContent;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const parts = source.children.length ? [...source.children] : [source];
    await navigator.clipboard.writeText(parts.map((part) => part.textContent.trim()).join("\n"));
    button.textContent = button.dataset.copiedWords;
    live.textContent = button.dataset.copiedWords;
    setTimeout(() => (button.textContent = words), 3000);
  });
  ready(button);
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => print());
  ready(button);
}

const lang = document.documentElement.lang;
const reader = navigator.languages.find((each) => each.split("-")[0] === lang) ?? lang;
const formatTo = (timeStyle) => new Intl.DateTimeFormat(reader, { dateStyle: "medium", timeStyle });
const toMinute = formatTo("short");
const toSecond = formatTo("medium");
for (const time of document.querySelectorAll("time")) {
  time.title = time.textContent;
  time.textContent = ("seconds" in time.dataset ? toSecond : toMinute).format(new Date(time.dateTime));
}
