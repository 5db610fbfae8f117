// The link of a QR code carries a deactivation behind its "#". It goes into the field, and out of the address bar and the
// history, before anybody copies or bookmarks the page. Everything else works without this.
"use strict";

function takeFromLink() {
  const carried = location.hash.slice(1);
  // As long as the shortest code, so that no ordinary anchor is mistaken for one.
  if (!/^[0-9A-Za-z_=-]{25,}$/.test(carried)) {
    return;
  }
  const field = document.querySelector("[data-from-link]");
  if (!field) {
    // The answer to an earlier form has the same address and no field. The "?" makes it another one, which is loaded.
    location.replace("/redeem?#" + carried);
    return;
  }
  history.replaceState(null, "", location.pathname);
  field.value = carried;
  document.getElementById("filled").hidden = false;
  field.form.querySelector("button").focus();
}

takeFromLink();
// A second code that is scanned into the same page loads nothing anew.
addEventListener("hashchange", takeFromLink);
