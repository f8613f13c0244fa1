/**
 * Loaded before the program (`deno run --preload`): kills it with SIGKILL at the moment of the effect that
 * `CRASH_AT` counts to, `CRASH_AT=17:half`, or of the first on a file that it names, and says so in the file `CRASH_LOG`; with `CRASH_HOW=hang` the effect
 * never ends instead. The names of all effects are written
 * to the file `EFFECTS_LOG` at the end.
 */
import { watchEffects } from "./effects.ts";

const [at, moment] = (Deno.env.get("CRASH_AT") ?? "0:before").split(":");
const log = Deno.env.get("CRASH_LOG")!;
const list = Deno.env.get("EFFECTS_LOG");
const names: string[] = [];

watchEffects(({ name, path }, now) => {
  if (now === "before") names.push(name);
  const isDue = /^\d+$/.test(at!) ? names.length === Number(at) : path.endsWith(at!);
  if (now !== moment || !isDue) return;
  Deno.writeTextFileSync(log, `${name} ${moment} ${path}\n`, { append: true });
  if (Deno.env.get("CRASH_HOW") === "hang") return new Promise(() => setInterval(() => {}, 1000));
  Deno.kill(Deno.pid, "SIGKILL");
});

if (list !== undefined) {
  addEventListener("unload", () => Deno.writeTextFileSync(list, names.join("\n")));
}
