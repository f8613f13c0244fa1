import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startBroker, stopBroker } from "../../tools/kafka/kafka.ts";
import { freePorts, isBrokerMissing } from "./broker.ts";

const TOOL = fileURLToPath(new URL("../../tools/kafka/kafka.ts", import.meta.url));
const ignore = await isBrokerMissing();

Deno.test("startBroker() names the port that is taken and says how to choose another", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [port] = freePorts(1);
  try {
    for (const ports of [[listener.addr.port, port], [port, listener.addr.port]]) {
      await assert.rejects(
        startBroker({ port: ports[0]!, controllerPort: ports[1]!, dir: "/nowhere" }),
        new RegExp(`Port ${listener.addr.port} on 127.0.0.1 is taken. Choose another with --port`),
      );
    }
  } finally {
    listener.close();
  }
});

Deno.test("stopBroker() ends only the broker of its folder, and not another program", {
  ignore,
}, async () => {
  const dir = await Deno.makeTempDir();
  const other = new Deno.Command("sleep", { args: ["60"] }).spawn();
  await Deno.writeTextFile(`${dir}/broker.pid`, `${other.pid}`);
  assert.equal(await stopBroker(dir), false);
  other.kill(); // throws if it has ended
  assert.equal((await other.status).signal, "SIGTERM");

  const [port, controllerPort] = freePorts(2);
  const steps: string[] = [];
  const onProgress = (step: string) => steps.push(step);
  const options = { port: port!, controllerPort: controllerPort!, dir, onProgress };
  await startBroker(options);
  assert.equal(await stopBroker(dir), true);
  assert.equal(await stopBroker(dir), false);
  assert.deepEqual(steps.slice(-2), ["formatting its storage", `starting on 127.0.0.1:${port}`]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the kafka task refuses what it does not know with its usage and exit code 2", async () => {
  for (const args of [[], ["sideways"], ["up", "--port"], ["up", "--port", "x"], ["down", "now"]]) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", TOOL, ...args],
    }).output();
    assert.equal(code, 2, args.join(" "));
    assert.match(new TextDecoder().decode(stderr), /Usage: deno task kafka up/);
  }
});
