// The works in Java, the same as in C: java Work NAME WORDS... prints one JSON object.
import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntConsumer;

final class Work {
    interface Run {
        /** What the work tells; "check" is the number that every program of this work has to give. */
        Map<String, Object> run(String[] words) throws Exception;
    }

    static final Map<String, Run> WORKS = new TreeMap<>(Map.of(
            "trees", Trees::trees,
            "gcbench", Trees::gcbench,
            "alloc", Alloc::alloc,
            "mark", Graphs::mark,
            "empty", Graphs::empty,
            "stops", Stops::stops,
            "lru", Lru::lru,
            "list", Lists::list,
            "spikes", Lists::spikes,
            "recording", Recording::recording));

    static int number(String word) { return Integer.parseInt(word); }

    static double seconds(long start) { return (System.nanoTime() - start) / 1e9; }

    /** run(0), run(1) ... in n threads at once. */
    static void runThreads(int n, IntConsumer run) throws InterruptedException {
        if (n == 1) {
            run.accept(0);
            return;
        }
        Thread[] threads = new Thread[n];
        for (int i = 0; i < n; i++) {
            int index = i;
            threads[i] = new Thread(() -> run.accept(index));
            threads[i].start();
        }
        for (Thread t : threads)
            t.join();
    }

    /** splitmix64, as in tests/bench/bench.h. */
    static final class Random {
        private long state;

        Random(long seed) { state = seed; }

        int below(int n) {
            long z = state += 0x9e3779b97f4a7c15L;
            z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
            z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
            z ^= z >>> 31;
            return (int) ((z >>> 32) * n >>> 32);
        }
    }

    static long peakBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith("VmHWM:"))
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
        throw new IOException("no VmHWM in /proc/self/status");
    }

    static String json(Object value) {
        return value instanceof double[] list ? java.util.Arrays.toString(list) : String.valueOf(value);
    }

    public static void main(String[] args) throws Exception {
        Run work = args.length > 0 ? WORKS.get(args[0]) : null;
        if (work == null) {
            System.err.println("usage: Work NAME WORDS...; the names: " + String.join(" ", WORKS.keySet()));
            System.exit(2);
        }
        Map<String, Object> told = work.run(java.util.Arrays.copyOfRange(args, 1, args.length));
        long collections = 0;
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans())
            collections += bean.getCollectionCount();
        told.put("collections", collections);
        told.put("peak_bytes", peakBytes());
        StringBuilder out = new StringBuilder();
        told.forEach((name, value) -> out.append(out.isEmpty() ? "{" : ", ")
                .append('"').append(name).append("\": ").append(json(value)));
        System.out.println(out.append("}"));
        System.exit(0);
    }
}
