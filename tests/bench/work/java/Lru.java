import java.util.Map;
import java.util.TreeMap;

final class Lru {
    static final class Entry {
        Entry chain, before, after;
        long[] value;
        long key;
    }

    final Entry[] table;
    final Entry ends = new Entry(); // its `after` is the list's front, its `before` the end

    Lru(int chains) {
        table = new Entry[chains];
        ends.before = ends.after = ends;
    }

    int chain(long key) { return (int) (key * 0x9e3779b97f4a7c15L >>> 32) & table.length - 1; }

    Entry find(long key) {
        Entry e = table[chain(key)];
        while (e != null && e.key != key)
            e = e.chain;
        return e;
    }

    static void unlink(Entry e) {
        e.before.after = e.after;
        e.after.before = e.before;
    }

    void toFront(Entry e) {
        e.before = ends;
        e.after = ends.after;
        ends.after.before = e;
        ends.after = e;
    }

    void evict() {
        Entry e = ends.before;
        unlink(e);
        int at = chain(e.key);
        if (table[at] == e) {
            table[at] = e.chain;
            return;
        }
        Entry before = table[at];
        while (before.chain != e)
            before = before.chain;
        before.chain = e.chain;
    }

    void insert(long key) {
        Entry e = new Entry();
        e.value = new long[6]; // 64 bytes with its head
        e.key = e.value[0] = key;
        int at = chain(key);
        e.chain = table[at];
        table[at] = e;
        toFront(e);
    }

    static Map<String, Object> lru(String[] words) {
        int capacity = Work.number(words[0]), steps = Work.number(words[1]), chains = 1, used = 0;
        while (chains < capacity)
            chains *= 2;
        long start = System.nanoTime(), hits = 0;
        int wide = capacity * 4;
        Work.Random seed = new Work.Random(3);
        Lru c = new Lru(chains);
        for (int i = 0; i < steps; i++) { // small keys are asked for more often
            long a = seed.below(wide), key = a * seed.below(wide) / wide;
            Entry e = c.find(key);
            if (e != null) {
                hits += e.value[0] == key ? 1 : 0;
                unlink(e);
                c.toFront(e);
                continue;
            }
            if (used == capacity)
                c.evict();
            else
                used++;
            c.insert(key);
        }
        double seconds = Work.seconds(start);
        return new TreeMap<>(Map.of("check", hits, "seconds", seconds, "ns_per_step", seconds * 1e9 / steps));
    }
}
