import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "../jupyter/env.ts";

/** Returns docs/reference.md: what `deno doc` says of the names that notebooks import from "lib". */
export async function reference(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "lib/mod.ts"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno doc failed: ${decoder.decode(stderr).trim()}`);
  const root = pathToFileURL(join(ROOT, "/")).href;
  const entries = decoder.decode(stdout).split(/^Defined in /m).slice(1).map((block) => {
    const [place = "", , signature = "", ...about] = block.trimEnd().split("\n");
    const name = /(?:function\*?|class|interface|type|const|enum) (\w+)/.exec(signature)?.[1] ??
      signature;
    const file = place.slice(root.length).replace(/:\d+:\d+$/, "");
    return { name, file, text: entry(signature, about) };
  }).sort((a, b) => a.name.localeCompare(b.name, "en"));
  const names = [...new Set(entries.map(({ name }) => name))];
  // Two headings that differ in case only: the second one's anchor has a number.
  const anchors = names.map((name, i) => {
    const twins = names.slice(0, i).filter((other) => other.toLowerCase() === name.toLowerCase());
    return name.toLowerCase() + (twins.length > 0 ? `-${twins.length}` : "");
  });
  return [
    '# Reference: the names of "lib"\n',
    "Made by `deno task commands` of the docstrings. What a notebook needs first:",
    "`readStream`, `writeStream` of a `ResultStream`, the `StreamingQuery` that it returns.\n",
    names.map((name, i) => `[${name}](#${anchors[i]})`).join(" · ") + "\n",
    ...entries.map(({ name, file, text }) => `## ${name}\n\n${text}\nIn [${file}](../${file}).\n`),
  ].join("\n");
}

/** A function is told in prose with its examples; what has members as `deno doc` prints it. */
function entry(signature: string, about: readonly string[]): string {
  const isFunction = /^(?:async )?function/.test(signature);
  const fence = (lines: readonly string[]) => `\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\`\n`;
  if (!isFunction) return fence([signature, ...about]);
  const prose = about.filter((line) => !/^\s*(?:@example|Usage$)/.test(line))
    .map((line) => line.replace(/^ {6}|^ {2}/, ""));
  return `${fence([signature])}\n${prose.join("\n").trim()}\n`;
}
