/** A file that the page has made, as a download of the browser's. */

/** Offer such a file, of these parts, under a name. */
export function download(name, parts) {
  const link = Object.assign(document.createElement("a"), { download: name });
  link.href = URL.createObjectURL(new Blob(parts));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
