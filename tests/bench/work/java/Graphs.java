import java.util.Map;
import java.util.TreeMap;

final class Graphs {
    static Trees.Node root;
    static long live;

    static void random(int n) {
        Trees.Node[] all = new Trees.Node[n];
        for (int i = 0; i < n; i++)
            all[i] = new Trees.Node();
        Work.Random seed = new Work.Random(1);
        int[] links = new int[2 * n];
        for (int i = 0; i < n; i++) {
            all[i].left = all[links[2 * i] = seed.below(n)];
            all[i].right = all[links[2 * i + 1] = seed.below(n)];
        }
        root = all[0];
        live = reachable(links, n);
    }

    static long reachable(int[] links, int n) {
        boolean[] seen = new boolean[n];
        int[] todo = new int[n];
        int waiting = 1;
        long reached = 1;
        seen[0] = true;
        while (waiting > 0) {
            int at = todo[--waiting];
            for (int k = 0; k < 2; k++) {
                int to = links[2 * at + k];
                if (!seen[to]) {
                    seen[to] = true;
                    reached++;
                    todo[waiting++] = to;
                }
            }
        }
        return reached;
    }

    static void list(int n) {
        Trees.Node last = root = new Trees.Node();
        for (int i = 1; i < n; i++)
            last = last.left = new Trees.Node();
        live = n;
    }

    static void tree(int n) {
        int depth = 0;
        while ((4L << depth) - 1 <= n)
            depth++;
        root = Trees.build(depth);
        live = (2L << depth) - 1;
    }

    static Map<String, Object> mark(String[] words) {
        int n = Work.number(words[1]), rounds = Work.number(words[2]);
        switch (words[0]) {
            case "tree" -> tree(n);
            case "random" -> random(n);
            default -> list(n);
        }
        System.gc(); // warm-up; frees what cannot be reached
        double[] ns = new double[rounds];
        for (int i = 0; i < rounds; i++) {
            long start = System.nanoTime();
            System.gc();
            ns[i] = (double) (System.nanoTime() - start) / live;
        }
        return new TreeMap<>(Map.of("check", live, "ns_per_object", ns));
    }

    static Map<String, Object> empty(String[] words) {
        for (int i = 0; i < Work.number(words[0]); i++) {
            Thread parked = new Thread(java.util.concurrent.locks.LockSupport::park);
            parked.setDaemon(true);
            parked.start();
        }
        double[] us = new double[Work.number(words[1])];
        for (int i = 0; i < 20; i++)
            System.gc();
        for (int i = 0; i < us.length; i++) {
            long start = System.nanoTime();
            System.gc();
            us[i] = (System.nanoTime() - start) / 1e3;
        }
        return new TreeMap<>(Map.of("check", 0, "us", us));
    }
}
