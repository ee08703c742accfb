// A store in IndexedDB for the page of a benchmark: what a page keeps its channels in. Every commit is one transaction that is
// on the disk when it resolves ("strict").

const RECORDS = "records";

const done = (target, event) =>
  new Promise((resolve, reject) => {
    target.addEventListener(event, () => resolve(target.result));
    target.addEventListener("error", () => reject(target.error));
    target.addEventListener("abort", () => reject(target.error));
  });

const there = ({ key, record }) => ({ key, version: record?.version ?? 0, bytes: record?.bytes });

/** @returns {Promise<import("millstream").Store>} */
export async function indexedDbStore(name) {
  const request = indexedDB.open(name);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore(RECORDS));
  const database = await done(request, "success");
  const begin = (mode) => database.transaction(RECORDS, mode, { durability: "strict" });
  const read = async (records, keys) => {
    const found = await Promise.all(keys.map((key) => done(records.get(key), "success")));
    return keys.map((key, at) => there({ key, record: found[at] }));
  };
  return {
    async load() {
      const records = begin("readonly").objectStore(RECORDS);
      return read(records, await done(records.getAllKeys(), "success"));
    },
    read: (keys) => read(begin("readonly").objectStore(RECORDS), keys),
    async commit(writes) {
      const transaction = begin("readwrite");
      const over = done(transaction, "complete");
      const records = transaction.objectStore(RECORDS);
      const before = await read(
        records,
        writes.map(({ key }) => key),
      );
      for (const [at, { key, expectedVersion, bytes }] of writes.entries()) {
        if (before[at].version !== expectedVersion) {
          transaction.abort();
          over.catch(() => {});
          throw Object.assign(new Error("another one wrote first"), { code: "STORE_CONFLICT" });
        }
        if (bytes === undefined) records.delete(key);
        else records.put({ version: expectedVersion + 1, bytes }, key);
      }
      await over;
    },
  };
}
