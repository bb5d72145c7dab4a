// Pictures for the tests, made here so that none has to be stored.

import { crc32, deflateSync } from "node:zlib";

/** Encodes `width` × `height` pixels as PNG; `pixel(x, y)` is `[red, green, blue]`. */
function png(width, height, pixel) {
  const rows = Buffer.alloc((width * 3 + 1) * height);
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    at += 1; // filter type 0
    for (let x = 0; x < width; x += 1) for (const value of pixel(x, y)) rows[at++] = value;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** Pixels that no encoder makes small; the same ones each time. */
export function noise(width, height) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
  return png(width, height, () => [next(), next(), next()]);
}

/** Hills in the evening. */
export function landscape(width, height) {
  const ridges = [
    { base: 0.6, swing: 0.05, wave: 5.1, shift: 0.4, colour: [168, 128, 150] },
    { base: 0.69, swing: 0.06, wave: 3.7, shift: 2.1, colour: [112, 96, 132] },
    { base: 0.78, swing: 0.05, wave: 6.3, shift: 4.0, colour: [66, 74, 104] },
    { base: 0.88, swing: 0.06, wave: 2.9, shift: 1.2, colour: [34, 52, 72] },
  ];
  const mix = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));
  return png(width, height, (x, y) => {
    const [u, v] = [x / width, y / height];
    const ridge = ridges.findLast(({ base, swing, wave, shift }) => {
      return v > base + swing * (Math.sin(u * wave + shift) + 0.35 * Math.sin(u * wave * 2.7 + shift));
    });
    if (ridge) return mix(ridge.colour, [244, 190, 150], Math.max(0, 0.14 - (v - ridge.base)));
    const distance = Math.hypot((u - 0.68) * (width / height), v - 0.47);
    if (distance < 0.075) return [255, 236, 196];
    const sky = mix([92, 122, 176], [250, 190, 148], Math.min(1, v * 1.65));
    return mix(sky, [255, 224, 176], Math.max(0, 0.75 - distance * 2.2) ** 2);
  });
}
