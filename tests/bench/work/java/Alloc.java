import java.util.Map;
import java.util.TreeMap;

/**
 * Objects of a size are arrays of it: of references, where they have pointers, else of longs. Their head of 16 bytes counts, so those of 16
 * bytes are empty.
 */
final class Alloc {
    static final int WARM_UP = 3, RING = 1 << 16, RING_BYTES = 64 << 20, ROUND_BYTES = 128 << 20, HEAD = 16;

    static Object last; // keeps the objects from being optimised away

    static void withPointers(int bytes, int n, int entries) {
        int length = (bytes - HEAD) / 4; // compressed references
        if (entries == 0) {
            for (int i = 0; i < n; i++)
                last = new Object[length];
            return;
        }
        Object[] ring = new Object[entries];
        for (int i = 0; i < n; i++)
            ring[i & entries - 1] = new Object[length];
    }

    static void plain(int bytes, int n, int entries) {
        int length = (bytes - HEAD) / 8;
        if (entries == 0) {
            for (int i = 0; i < n; i++)
                last = new long[length];
            return;
        }
        Object[] ring = new Object[entries];
        for (int i = 0; i < n; i++)
            ring[i & entries - 1] = new long[length];
    }

    static Map<String, Object> alloc(String[] words) throws InterruptedException {
        boolean pointers = words[1].equals("pointers"), inRing = words[2].equals("ring");
        int threads = Work.number(words[3]), rounds = Work.number(words[4]);
        Map<String, Object> told = new TreeMap<>();
        long check = 0;
        for (String size : words[0].split(",")) {
            int bytes = Work.number(size), n = Math.min(2000000, ROUND_BYTES / bytes);
            int entries = inRing ? Math.min(RING, RING_BYTES / bytes) : 0;
            double[] ns = new double[rounds];
            for (int i = 0; i < WARM_UP + rounds; i++) { // as in alloc.c
                long start = System.nanoTime();
                Work.runThreads(threads, index -> {
                    if (pointers)
                        withPointers(bytes, n, entries);
                    else
                        plain(bytes, n, entries);
                });
                if (i >= WARM_UP)
                    ns[i - WARM_UP] = (double) (System.nanoTime() - start) / n;
                check += (long) n * threads;
            }
            told.put("ns_" + bytes, ns);
        }
        told.put("check", check);
        return told;
    }
}
