// Makes a picture small enough to be sent, and checks those that arrive.

export const PICTURE_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const SIDE_LIMIT = 1600;
const QUALITIES = [0.86, 0.72, 0.58];

/**
 * Resolves to `{ type, data }` of at most `limit` bytes; rejects with a message for people.
 *
 * Photographs are always drawn anew, which also removes the place they were taken at. Other
 * pictures stay as they are when they are small: drawing would stop an animation.
 */
export async function preparePicture(file, limit) {
  if (!PICTURE_TYPES.includes(file.type)) throw new Error("Only PNG, JPEG, GIF and WebP pictures can be sent.");
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("This file is not a picture that can be read.");
  });
  try {
    const isSmall = file.size <= limit && Math.max(bitmap.width, bitmap.height) <= 2 * SIDE_LIMIT;
    const isKept = file.type === "image/gif" ? file.size <= limit : isSmall && file.type !== "image/jpeg";
    const blob = isKept ? file : await shrink(bitmap, limit);
    return { type: blob.type, data: await blob.arrayBuffer() };
  } finally {
    bitmap.close();
  }
}

async function shrink(bitmap, limit) {
  let scale = Math.min(1, SIDE_LIMIT / Math.max(bitmap.width, bitmap.height));
  for (let round = 0; round < 6; round += 1, scale *= 0.7) {
    const canvas = draw(bitmap, scale);
    for (const quality of QUALITIES) {
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
      if (blob && blob.size <= limit) return blob;
    }
  }
  throw new Error("This picture cannot be made small enough.");
}

function draw(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  // JPEG has no transparency; without this it would turn black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The first picture among the files of a drop, a paste or a file picker, if any. */
export function firstPicture(files) {
  return [...(files ?? [])].find((file) => file.type.startsWith("image/"));
}

/** A URL that shows received bytes, or null where they are not of a type we show. */
export function pictureUrl({ type, data }) {
  const isBinary = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  return isBinary && PICTURE_TYPES.includes(type) ? URL.createObjectURL(new Blob([data], { type })) : null;
}
