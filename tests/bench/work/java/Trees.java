import java.util.Map;
import java.util.TreeMap;

final class Trees {
    static final int SHORTEST = 4;

    static final class Node {
        Node left, right;

        long count() { return left == null ? 1 : 1 + left.count() + right.count(); }
    }

    static Node build(int depth) {
        Node n = new Node();
        if (depth > 0) {
            n.left = build(depth - 1);
            n.right = build(depth - 1);
        }
        return n;
    }

    static Map<String, Object> trees(String[] words) throws InterruptedException {
        int depth = Work.number(words[0]), threads = Work.number(words[1]);
        long start = System.nanoTime();
        long check = build(depth + 1).count();
        Node longLived = build(depth);
        long[] checks = new long[threads];
        Work.runThreads(threads, index -> {
            long sum = 0;
            for (int d = SHORTEST; d <= depth; d += 2)
                for (long i = index; i < 1L << depth - d + SHORTEST; i += threads)
                    sum += d * build(d).count();
            checks[index] = sum;
        });
        for (long c : checks)
            check += c;
        check += longLived.count();
        return new TreeMap<>(Map.of("check", check, "seconds", Work.seconds(start)));
    }

    // The plan of Ellis, Kovac and Boehm's GCBench: see gcbench.c.

    static final int NUMBERS = 500000;

    static final class Wide {
        Wide left, right;
        int i, j;

        long count() { return left == null ? 1 : 1 + left.count() + right.count(); }
    }

    static void populate(int depth, Wide n) {
        if (depth == 0)
            return;
        n.left = new Wide();
        n.right = new Wide();
        populate(depth - 1, n.left);
        populate(depth - 1, n.right);
    }

    static Wide fromTheLeaves(int depth) {
        if (depth == 0)
            return new Wide();
        Wide left = fromTheLeaves(depth - 1), right = fromTheLeaves(depth - 1), n = new Wide();
        n.left = left;
        n.right = right;
        return n;
    }

    static long treeSize(int depth) { return (1L << depth + 1) - 1; }

    static Map<String, Object> gcbench(String[] words) {
        int longest = Work.number(words[0]);
        long start = System.nanoTime(), check = 0;
        Wide longLived = new Wide();
        populate(longest, longLived);
        long[] numbers = new long[NUMBERS];
        for (int i = 0; i < NUMBERS / 2; i++)
            numbers[i] = i;
        for (int d = SHORTEST; d <= longest; d += 2) {
            long trees = 2 * treeSize(longest + 2) / treeSize(d);
            for (long i = 0; i < trees; i++) {
                Wide n = new Wide();
                populate(d, n);
                check += n.count();
            }
            for (long i = 0; i < trees; i++)
                check += fromTheLeaves(d).count();
        }
        check += longLived.count() + numbers[1000];
        return new TreeMap<>(Map.of("check", check, "seconds", Work.seconds(start)));
    }
}
