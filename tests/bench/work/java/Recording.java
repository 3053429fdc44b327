import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** A recorded program's allocations and frees, again; the file is as recording.c has it. */
final class Recording {
    static final int HEAD = 16;

    static Object make(int bytes, boolean noscan) {
        int body = Math.max(bytes - HEAD, 0);
        return noscan ? new long[body / 8] : new Object[body / 4];
    }

    static long replay(IntBuffer words) {
        Object[] table = new Object[words.get(0)];
        long made = 0;
        for (int row = 0; row < words.get(1); row++) {
            int id = words.get(2 + 2 * row), size = words.get(3 + 2 * row), slot = id & Integer.MAX_VALUE;
            if (id < 0) {
                table[slot] = null;
                continue;
            }
            int bytes = (size & Integer.MAX_VALUE) + 7 & ~7;
            table[slot] = make(bytes, size < 0);
            made += bytes;
        }
        return made;
    }

    static Map<String, Object> recording(String[] args) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(Path.of(args[0])));
        IntBuffer words = file.order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
        long check = 0, start = System.nanoTime();
        for (int i = 0; i < Work.number(args[1]); i++)
            check += replay(words);
        return new TreeMap<>(Map.of("check", check, "seconds", Work.seconds(start)));
    }
}
