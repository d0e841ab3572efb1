// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const list = document.getElementById("hosts");
  const hosts = Array.from(list.querySelectorAll(".host"));
  const none = list.querySelector(".none");
  const form = document.querySelector(".tools");
  const search = document.getElementById("search");
  const vendor = document.getElementById("vendor");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");

  const value = (host, key) => (key === "name" ? host.dataset.name : Number(host.dataset[key]));
  const compare = (a, b, key, sign) => {
    const left = value(a, key), right = value(b, key);
    const order = key === "name" ? left.localeCompare(right, undefined, {numeric: true}) : left - right;
    return sign * order || Number(a.dataset.order) - Number(b.dataset.order);
  };

  function apply() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = form.elements.state.value;
    const sign = sort.value.startsWith("-") ? -1 : 1;
    const key = sort.value.replace("-", "");
    let count = 0;
    hosts.slice().sort((a, b) => compare(a, b, key, sign)).forEach((host) => {
      const match = words.every((word) => host.dataset.text.includes(word))
        && (!state || host.dataset.state === state)
        && (!vendor.value || host.dataset.vendors.split(" ").includes(vendor.value));
      host.hidden = !match;
      count += match;
      list.insertBefore(host, none);
    });
    none.hidden = count > 0;
    shown.textContent = count === hosts.length ? "" : `${count} of ${hosts.length} hosts`;
  }

  form.addEventListener("input", apply);
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  // What is folded on the screen is wanted on paper.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    folded.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));
})();
