import java.util.Map;
import java.util.TreeMap;

/** Busy threads over a live heap; the stops themselves are in what -Xlog:safepoint prints. */
final class Stops {
    static final int LEAVES = 7, ENTRY_BYTES = (1 + LEAVES) * 64, RENEW = 64;

    static final class Leaf { // 64 bytes with its head
        Leaf next;
        long a, b, c, d, e, f;
    }

    static final class Block {
        final Leaf[] leaves = new Leaf[LEAVES];
        final long number;

        Block(long number) {
            this.number = number;
            for (int i = 0; i < LEAVES; i++)
                leaves[i] = new Leaf();
        }
    }

    static long busy(int index, int entries, int steps) {
        Block[] table = new Block[entries];
        Work.Random seed = new Work.Random(index);
        long check = 0;
        for (int i = 0; i < entries; i++)
            table[i] = new Block(i);
        for (int i = 0; i < steps; i++) {
            int at = seed.below(entries);
            Block b = table[at];
            check += b.number;
            if (i % RENEW == 0)
                table[at] = new Block(i);
            else
                b.leaves[i % LEAVES] = new Leaf();
        }
        return check;
    }

    static Map<String, Object> stops(String[] words) throws InterruptedException {
        int threads = Work.number(words[1]);
        int entries = Work.number(words[0]) / ENTRY_BYTES / threads, steps = Work.number(words[2]) / threads;
        long start = System.nanoTime(), check = 0;
        long[] checks = new long[threads];
        Work.runThreads(threads, index -> checks[index] = busy(index, entries, steps));
        for (long c : checks)
            check += c;
        return new TreeMap<>(Map.of("check", check, "seconds", Work.seconds(start)));
    }
}
