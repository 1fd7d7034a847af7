"use strict";
// The filters are kept in the address, so that what one sees can be sent to others.
(() => {
  const form = document.getElementById("filters");
  const names = ["q", "verdict", "suite"];
  const items = Array.from(document.querySelectorAll(".item"));
  const suites = Array.from(document.querySelectorAll("details.suite"));
  const failures = document.getElementById("failure-list");
  const plural = (count) => (count === 1 ? "1 case" : count + " cases");

  const apply = () => {
    const wanted = Object.fromEntries(names.map((name) => [name, form.elements[name].value.trim()]));
    const text = wanted.q.toLowerCase();
    const filtered = names.some((name) => wanted[name] !== "");
    for (const item of items) {
      const { name, suite, verdicts } = item.dataset;
      item.hidden = !(
        name.toLowerCase().includes(text) &&
        (wanted.verdict === "" || verdicts.split(" ").includes(wanted.verdict)) &&
        (wanted.suite === "" || suite === wanted.suite)
      );
    }
    let shown = 0;
    for (const suite of suites) {
      const rows = suite.querySelectorAll("tr.item:not([hidden])").length;
      shown += rows;
      suite.hidden = rows === 0;
      suite.open = filtered ? rows > 0 : "open" in suite.dataset;
    }
    if (failures) failures.hidden = !failures.querySelector(".failure:not([hidden])");
    document.getElementById("empty").hidden = shown > 0;
    document.getElementById("shown").textContent = plural(shown) + (filtered ? " of " + document.querySelectorAll("tr.item").length : "");
    return wanted;
  };

  const follow = () => {
    const hash = location.hash.slice(1);
    const target = /^failure-\d+$/.test(hash) && document.getElementById(hash);
    if (target) {
      target.open = true;
      target.scrollIntoView();
      return;
    }
    const asked = new URLSearchParams(hash);
    for (const name of names) form.elements[name].value = asked.get(name) || "";
    // A value that a list does not have leaves it without any.
    for (const list of form.querySelectorAll("select")) if (list.selectedIndex < 0) list.value = "";
    apply();
  };

  form.addEventListener("input", () => {
    const wanted = Object.entries(apply()).filter(([, value]) => value !== "");
    history.replaceState(null, "", "#" + new URLSearchParams(wanted));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", follow);
  apply();
  follow();
})();
