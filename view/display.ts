/** The name of the method by which Deno's Jupyter kernel shows the value of a cell. */
export const jupyterDisplay: unique symbol = Symbol.for("Jupyter.display") as never;

/** The same content for a page and for a terminal. */
export type Content = Readonly<Record<"text/html" | "text/plain", string>>;

/** What a cell shows: `shown[jupyterDisplay]()` is its content. */
export type Displayable = Readonly<Record<typeof jupyterDisplay, () => Content>>;

/** Makes a Displayable of HTML and its plain text. */
export function displayable(html: string, text: string): Displayable {
  return { [jupyterDisplay]: () => ({ "text/html": html, "text/plain": text }) };
}

/** Returns a value as one line; control and direction characters, which a terminal obeys, become "�". */
export function plain(value: unknown): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�");
}

/** Returns a value as text that HTML shows and never interprets, in an attribute too. */
export function html(value: unknown): string {
  return plain(value).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Returns a number with thousands separators and exactly `digits` decimals; "–" unless finite. */
export function count(value: number | bigint, digits: 0 | 1 | 2 | 4 = 0): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const isFinite = Number.isFinite(Number(value));
  return isFinite ? new Intl.NumberFormat("en-US", options).format(value) : "–";
}

/** Returns a share as a percentage, one below 1 % with two digits that count; never rounded to none or all. */
export function percent(share: number): string {
  if (Number.isNaN(share)) return "–";
  if (share > 0 && share < 0.00001) return "<0.001%";
  if (share > 0 && share < 0.00995) return `${Number((share * 100).toPrecision(2))}%`;
  return share < 1 && share >= 0.9995 ? ">99.9%" : `${count(share * 100, 1)}%`;
}

/** Returns the UTC time of day: `10:00`, with seconds if `length` is 8, with milliseconds if 12. */
export function clock(time: Date | number, length: 5 | 8 | 12 = 5): string {
  return new Date(time).toISOString().slice(11, 11 + length);
}

/** Returns a count with its noun: `1 window`, `2 windows`. */
export function many(number: number, noun: string, plural = `${noun}s`): string {
  return `${count(number)} ${number === 1 ? noun : plural}`;
}

/** Returns milliseconds as `67.3 s`. */
export function seconds(ms: number): string {
  return `${count(ms / 1000, 1)} s`;
}

/** Shows paragraphs of text in which **bold** and \`code\` are marked; everything else is escaped. */
export function paragraphs(texts: readonly string[]): Displayable {
  const marked = (text: string) =>
    html(text).replace(/\*\*(.+?)\*\*/g, "<b>$1</b>").replace(/`(.+?)`/g, "<code>$1</code>");
  const page = texts.map((text) => `<p>${marked(text)}</p>`).join("\n");
  return displayable(`<div style="max-width:44rem">${page}</div>`, texts.join("\n\n"));
}

/** Shows several things one below the other. */
export function stack(parts: readonly Displayable[]): Displayable {
  const contents = parts.map((part) => part[jupyterDisplay]());
  const of = (type: keyof Content) => contents.map((content) => content[type]);
  return displayable(of("text/html").join("\n"), of("text/plain").join("\n\n"));
}

/** Shows a heading above what a cell shows. */
export function heading(text: string): Displayable {
  return displayable(
    `<div style="font-size:18px;font-weight:600;margin:0.4em 0">${html(text)}</div>`,
    plain(text),
  );
}

/**
 * Returns what shows one content after the other in the same place of a notebook; `undefined` outside
 * of one, where `Deno.jupyter` throws: there is no other way to know.
 */
export function showInPlace(): ((content: Content) => Promise<void>) | undefined {
  try {
    const { display } = Deno.jupyter;
    const options = { raw: true, display_id: crypto.randomUUID(), update: false };
    return async (content) => {
      await display(content, options);
      options.update = true;
    };
  } catch {
    return undefined;
  }
}
