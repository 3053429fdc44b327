import java.util.Map;
import java.util.TreeMap;

final class Lists {
    static final class Node {
        final Node next;
        final long value;

        Node(Node next, long value) {
            this.next = next;
            this.value = value;
        }
    }

    static volatile boolean stop;

    static Map<String, Object> list(String[] words) throws InterruptedException {
        int n = Work.number(words[0]);
        Thread collector = new Thread(() -> {
            while (!stop)
                System.gc();
        });
        long start = System.nanoTime(), count = 0;
        collector.start();
        Node head = null;
        for (int i = 0; i < n; i++)
            head = new Node(head, i);
        double ns = Work.seconds(start) * 1e9 / n;
        stop = true;
        collector.join();
        for (Node p = head; p != null; p = p.next)
            count += p.value;
        return new TreeMap<>(Map.of("check", count, "ns_per_insert", ns));
    }

    static final class Block {
        final Block next;
        final long[] words = new long[127];

        Block(Block next) { this.next = next; }
    }

    static final class Small {
        Small a, b;
        long c;
    }

    static Small last;

    static Map<String, Object> spikes(String[] words) {
        int blocks = Work.number(words[0]) / 1024, times = Work.number(words[1]);
        long start = System.nanoTime(), check = 0;
        Block kept = null, spike = null;
        for (int k = 0; k < times; k++) {
            kept = null;
            for (int i = 0; i < blocks; i++) {
                Block b = new Block(i % 16 == 0 ? kept : spike);
                b.words[i % 127] = i;
                check += b.words[7];
                if (i % 16 == 0)
                    kept = b;
                else
                    spike = b;
            }
            spike = null;
            for (int i = 0; i < 100000; i++)
                last = new Small();
        }
        java.lang.ref.Reference.reachabilityFence(kept);
        return new TreeMap<>(Map.of("check", check, "seconds", Work.seconds(start)));
    }
}
