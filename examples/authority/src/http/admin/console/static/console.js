// The phone desk confirms each group of a code as it is typed, and goes on to the next field. Everything works without
// this.
"use strict";

const SYMBOLS = 5;

function confirmGroups(fieldset) {
  const inputs = [...fieldset.querySelectorAll("input")];
  const status = fieldset.querySelector("[data-whole]");
  const say = (text, at) => {
    status.textContent = text.replace("{0}", at + 1);
  };
  say(status.dataset.hint, 0);
  const look = (input, at) => {
    const symbols = input.value.replace(/[\s-]/g, "");
    // Codes have digits and letters, but no U.
    const isReadable = /^[0-9A-TV-Z]*$/i.test(symbols);
    const isWhole = isReadable && symbols.length === SYMBOLS;
    input.classList.toggle("whole", isWhole);
    input.setAttribute("aria-invalid", String(!isReadable));
    if (isWhole) {
      say(status.dataset.whole, at);
    } else if (!isReadable) {
      say(status.dataset.wrong, at);
    }
    return isWhole;
  };
  inputs.forEach((input, at) => {
    input.addEventListener("input", () => {
      const symbols = input.value.replace(/[\s-]/g, "");
      if (symbols.length === SYMBOLS * inputs.length) {
        // A whole code was pasted.
        inputs.forEach((field, n) => {
          field.value = symbols.slice(n * SYMBOLS, (n + 1) * SYMBOLS);
          look(field, n);
        });
        fieldset.form.querySelector("button").focus();
      } else if (look(input, at)) {
        (inputs[at + 1] ?? fieldset.form.querySelector("button")).focus();
      }
    });
  });
}

document.querySelectorAll(".groups").forEach(confirmGroups);
