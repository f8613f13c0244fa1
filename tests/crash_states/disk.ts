/** A disk with a page cache: what was done to it, what of that is durable, and what a power cut may leave. */
import { basename, dirname } from "node:path";
import { applied, type Change, type Content, contentsOf, type Level } from "./contents.ts";

/** One change, as a program asks for it; paths are relative to the disk. */
export type Op =
  | { op: "mkdir" | "create" | "remove" | "syncdir"; path: string }
  | { op: "fsync"; path: string; failed?: true }
  | { op: "truncate"; path: string; size: number }
  | { op: "write"; path: string; at: number; bytes: Uint8Array }
  | { op: "rename"; path: string; from: string };

/** What is on a disk, by path. */
export interface State {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly dirs: readonly string[];
  /** What is not as the program left it, in words. */
  readonly lost: readonly string[];
}

export const EMPTY: State = { files: new Map(), dirs: [], lost: [] };

class FileNode {
  durable: Uint8Array = new Uint8Array();
  /** What it reads as. */
  live: Uint8Array = new Uint8Array();
  /** What is durable once all that is pending is written: after a failed sync not what it reads as. */
  whole: Uint8Array = new Uint8Array();
  pending: Change[] = [];
  constructor(readonly path: string) {}
}

interface NameChange {
  readonly seq: number;
  readonly text: string;
  readonly names: readonly (readonly [name: string, node: FileNode | DirNode | null])[];
}

class DirNode {
  durable = new Map<string, FileNode | DirNode>();
  live = new Map<string, FileNode | DirNode>();
  pending: NameChange[] = [];
}

export function show(op: Op): string {
  return op.op === "rename" ? `rename ${op.from} -> ${op.path}` : `${op.op} ${op.path}`;
}

export class Disk {
  readonly #root = new DirNode();
  readonly #dirs = [this.#root];
  readonly #files: FileNode[] = [];
  #seq = 0;
  #journaled = 0;
  #begin = EMPTY;
  #done: Op[] = [];

  /** A disk that holds a state, all of it durable: as after a start of the machine. */
  static from(state: State): Disk {
    const disk = new Disk();
    for (const path of state.dirs) disk.apply({ op: "mkdir", path });
    for (const [path, bytes] of state.files) {
      disk.apply({ op: "create", path });
      const file = disk.#find(path) as FileNode;
      file.live = file.whole = file.durable = bytes;
    }
    for (const dir of disk.#dirs) [dir.durable, dir.pending] = [new Map(dir.live), []];
    [disk.#begin, disk.#done] = [state, []];
    return disk;
  }

  /** The same disk, to go on with in another way. */
  copy(): Disk {
    const disk = Disk.from(this.#begin);
    for (const op of this.#done) disk.apply(op);
    return disk;
  }

  apply(op: Op): void {
    this.#done.push(op);
    const name = basename(op.path);
    const file = () => this.#find(op.path) as FileNode;
    switch (op.op) {
      case "mkdir":
        this.#dirs.push(new DirNode());
        return this.#rename(op, op.path, [[name, this.#dirs.at(-1)!]]);
      case "create":
        this.#files.push(new FileNode(op.path));
        return this.#rename(op, op.path, [[name, this.#files.at(-1)!]]);
      case "remove":
        return this.#rename(op, op.path, [[name, null]]);
      case "rename": {
        const [there, gone] = [[name, this.#find(op.from)], [basename(op.from), null]] as const;
        if (dirname(op.from) === dirname(op.path)) return this.#rename(op, op.path, [there, gone]);
        this.#rename(op, op.path, [there]);
        this.#seq--; // a journal takes both together
        return this.#rename(op, op.from, [gone]);
      }
      case "write":
        return change(file(), { at: op.at, bytes: op.bytes });
      case "truncate":
        return change(file(), { at: op.size });
      case "fsync": {
        const node = file();
        // Linux takes the pages of a failed sync for written: later syncs pass over them.
        if (op.failed) node.whole = node.durable;
        else [node.durable, this.#journaled] = [node.whole, this.#seq];
        node.pending = [];
        return;
      }
      case "syncdir": {
        const dir = this.#find(op.path) as DirNode;
        [dir.durable, dir.pending] = [new Map(dir.live), []];
        this.#journaled = this.#seq;
      }
    }
  }

  /** The changes of names that are not durable, in words. */
  pending(): string[] {
    return this.#dirs.flatMap(({ pending }) => pending.map(({ text }) => text));
  }

  /** The state that a killed process leaves: all that was done. */
  live(): State {
    return this.#state(() => true, (file) => file.live, []);
  }

  /** States that a power cut now may leave, at most `cap`; first those that lack, or have, one thing. */
  cuts(level: Level, { cap, random }: { cap: number; random: () => number }): State[] {
    const changes = this.#dirs.flatMap(({ pending }) => pending)
      .filter(({ seq }) => level !== "journal" || seq >= this.#journaled)
      .sort((a, b) => a.seq - b.seq);
    const files = this.#files.filter(({ pending }) => pending.length > 0)
      .map((file) => ({ file, contents: contentsOf(file, level, random) }));
    const states = new Map<string, State>();
    const add = (kept: readonly NameChange[], data: readonly [FileNode, Content][] = []) => {
      const lost = [
        ...changes.filter((each) => !kept.includes(each)).map(({ text }) => text),
        ...data.map(([{ path }, { what }]) => `${path}: ${what}`),
      ];
      if (states.size >= cap || states.has(lost.join())) return;
      const gone = new Set(changes.filter((each) => !kept.includes(each)));
      const torn = new Map(data);
      const bytesOf = (file: FileNode) => torn.get(file)?.bytes ?? file.whole;
      states.set(lost.join(), this.#state((each) => !gone.has(each), bytesOf, lost));
    };
    const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!;
    const prefix = <T>(list: readonly T[]) =>
      list.slice(0, Math.floor(random() * (list.length + 1)));
    add(changes);
    for (const { file, contents } of files) {
      for (const each of contents) add(changes, [[file, each]]);
    }
    add([]);
    for (const each of changes) {
      if (level === "journal") add(changes.filter(({ seq }) => seq < each.seq));
      else if (level === "any") add(changes.filter((other) => other !== each)), add([each]);
    }
    for (const { file, contents } of files) for (const each of contents) add([], [[file, each]]);
    for (let tries = 0; tries < cap && states.size < cap; tries++) {
      const kept = level === "journal"
        ? prefix(changes)
        : level === "any"
        ? changes.filter(() => random() < 0.5)
        : this.#dirs.flatMap(({ pending }) => prefix(pending));
      const torn = files.filter(() => random() < 0.5);
      add(kept, torn.map(({ file, contents }) => [file, pick(contents)]));
    }
    return [...states.values()];
  }

  #find(path: string): FileNode | DirNode {
    let node: FileNode | DirNode | undefined = this.#root;
    for (const part of path.split("/").filter((part) => part !== "" && part !== ".")) {
      node = (node as DirNode | undefined)?.live.get(part);
    }
    if (node === undefined) throw new Error(`The model has no ${path}`);
    return node;
  }

  #rename(op: Op, path: string, names: NameChange["names"]): void {
    const dir = this.#find(dirname(path)) as DirNode;
    dir.pending.push({ seq: this.#seq++, text: show(op), names });
    applyNames(dir.live, names);
  }

  #state(
    isKept: (each: NameChange) => boolean,
    bytesOf: (file: FileNode) => Uint8Array,
    lost: readonly string[],
  ): State {
    const files = new Map<string, Uint8Array>();
    const dirs: string[] = [];
    const walk = (dir: DirNode, path: string) => {
      const names = new Map(dir.durable);
      for (const each of dir.pending) if (isKept(each)) applyNames(names, each.names);
      for (const [name, node] of names) {
        const at = path + name;
        if (node instanceof FileNode) files.set(at, bytesOf(node));
        else dirs.push(at), walk(node, `${at}/`);
      }
    };
    walk(this.#root, "");
    return { files, dirs, lost };
  }
}

function applyNames(names: Map<string, FileNode | DirNode>, changes: NameChange["names"]): void {
  for (const [name, node] of changes) node === null ? names.delete(name) : names.set(name, node);
}

function change(file: FileNode, change: Change): void {
  file.pending.push(change);
  const isSame = file.whole === file.live;
  file.live = applied(file.live, [change]);
  file.whole = isSame ? file.live : applied(file.whole, [change]);
}
