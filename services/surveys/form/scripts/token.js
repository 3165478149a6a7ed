/* Turns an invitation into a token (RFC 9474, RSABSSA-SHA384-PSS-Randomized): the service signs what it cannot see. */
"use strict";
(() => {
  const form = document.querySelector("form.redeem");
  const told = JSON.parse(form.dataset.told);
  const status = document.getElementById("status");
  const button = form.querySelector("button.main");
  const SALT = 48;

  const bytes = (hex) => Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  const hex = (array) => [...array].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const number = (array) => BigInt(`0x${hex(array)}`);
  const fixed = (value, size) => bytes(value.toString(16).padStart(size * 2, "0"));
  const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const sha384 = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-384", data));
  const random = (size) => crypto.getRandomValues(new Uint8Array(size));

  function power(base, exponent, modulus) {
    let result = 1n;
    for (base %= modulus; exponent; exponent >>= 1n, base = (base * base) % modulus) {
      if (exponent & 1n) result = (result * base) % modulus;
    }
    return result;
  }

  function inverse(value, modulus) {
    let [a, b, x, y] = [value, modulus, 1n, 0n];
    while (b) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
    return a === 1n ? ((x % modulus) + modulus) % modulus : null;
  }

  async function mask(seed, size) {
    let out = new Uint8Array();
    for (let counter = 0; out.length < size; counter += 1) out = join(out, await sha384(join(seed, fixed(BigInt(counter), 4))));
    return out.slice(0, size);
  }

  /* EMSA-PSS-ENCODE of RFC 8017, 9.1.1. */
  async function encode(message, salt, bits) {
    const size = Math.ceil(bits / 8);
    const hash = await sha384(join(new Uint8Array(8), await sha384(message), salt));
    const plain = join(new Uint8Array(size - salt.length - hash.length - 2), [1], salt);
    const cover = await mask(hash, plain.length);
    const masked = plain.map((byte, at) => byte ^ cover[at]);
    masked[0] &= 0xff >> (8 * size - bits);
    return join(masked, hash, [0xbc]);
  }

  async function blind(message, key, salt, factor) {
    const encoded = number(await encode(message, salt, key.n.toString(2).length - 1));
    return { encoded, blinded: (encoded * power(factor, key.e, key.n)) % key.n };
  }

  /* The signature that the blind one hides; null if it is not one. */
  function unblind(signed, encoded, factor, key) {
    const signature = (signed * inverse(factor, key.n)) % key.n;
    return power(signature, key.e, key.n) === encoded ? signature : null;
  }

  function drawn(key) {
    for (;;) {
      const factor = number(random(key.size + 8)) % key.n;
      if (factor > 1n && inverse(factor, key.n) !== null) return factor;
    }
  }

  async function redeem() {
    const n = BigInt(`0x${form.dataset.modulus}`);
    const key = { n, e: BigInt(`0x${form.dataset.exponent}`), size: Math.ceil(n.toString(2).length / 8) };
    const name = `hamkor.token.${form.dataset.campaign}`;
    const goOn = () => location.replace(`/s/t/${form.dataset.campaign}?lang=${document.documentElement.lang}`);
    // What was drawn stays until the token is there: an answer that got lost is asked for again with the same message.
    const secret = `hamkor.blinding.${form.dataset.campaign}`;
    const before = JSON.parse(localStorage.getItem(secret) || "null");
    const state = before && before.place === location.pathname ? before
      : { place: location.pathname, prefix: hex(random(32)), salt: hex(random(SALT)), factor: drawn(key).toString(16) };
    localStorage.setItem(secret, JSON.stringify(state));
    const prefix = bytes(state.prefix);
    const factor = BigInt(`0x${state.factor}`);
    const message = join(prefix, new TextEncoder().encode(`hamkor.surveys.token.v1:${form.dataset.campaign}`));
    const { encoded, blinded } = await blind(message, key, bytes(state.salt), factor);
    const answer = await fetch(location.pathname + location.search, { method: "POST", body: hex(fixed(blinded, key.size)), headers: { "Content-Type": "text/plain" } });
    const text = await answer.text();
    if (!answer.ok) {
      if (answer.status === 409 && localStorage.getItem(name)) return goOn();
      throw new Error(text);
    }
    const signature = unblind(BigInt(`0x${text}`), encoded, factor, key);
    if (signature === null) throw new Error(told.bad_signature);
    localStorage.setItem(name, hex(join(prefix, fixed(signature, key.size))));
    localStorage.removeItem(secret);
    goOn();
  }

  if (form) {
    const able = typeof BigInt === "function" && crypto.subtle && (() => { try { localStorage.setItem("hamkor.try", "1"); localStorage.removeItem("hamkor.try"); return true; } catch { return false; } })();
    if (!able) { status.textContent = told.unable; status.hidden = false; return; }
    button.hidden = false;
    document.getElementById("plain").hidden = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.disabled = true;
      redeem().catch((problem) => {
        status.textContent = problem instanceof TypeError ? told.no_network : problem.message;
        status.hidden = false;
        button.disabled = false;
      });
    });
  }
})();
