"""Records gcsim/data/go_packages.json.gz: what common packages of Go's standard library export, with escape tags.

By hand, with the Go that the data shall be of (its sources are needed, as they come with every Go)::

    python tests/escape_data/record.py                    # writes the file
    python tests/escape_data/record.py --print strings    # JSON of some packages on standard output

record.go says where types and tags come from. It uses the standard library's internal decoder of export data, so it is
built with ``-overlay`` as a command of the Go tree; nothing is written there.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "gcsim" / "data" / "go_packages.json.gz"

PACKAGES = [
    "bufio",
    "bytes",
    "cmp",
    "container/heap",
    "container/list",
    "container/ring",
    "context",
    "crypto/md5",
    "crypto/rand",
    "crypto/sha1",
    "crypto/sha256",
    "encoding/base64",
    "encoding/binary",
    "encoding/csv",
    "encoding/hex",
    "encoding/json",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "hash",
    "hash/crc32",
    "hash/fnv",
    "hash/maphash",
    "html",
    "io",
    "io/fs",
    "iter",
    "log",
    "log/slog",
    "maps",
    "math",
    "math/big",
    "math/bits",
    "math/cmplx",
    "math/rand",
    "math/rand/v2",
    "net",
    "net/http",
    "net/http/pprof",
    "net/url",
    "os",
    "os/exec",
    "os/signal",
    "path",
    "path/filepath",
    "reflect",
    "regexp",
    "runtime",
    "runtime/debug",
    "runtime/metrics",
    "runtime/pprof",
    "runtime/trace",
    "slices",
    "sort",
    "strconv",
    "strings",
    "sync",
    "sync/atomic",
    "syscall",
    "testing",
    "text/tabwriter",
    "text/template",
    "time",
    "unicode",
    "unicode/utf16",
    "unicode/utf8",
    "unique",
    "unsafe",
    "weak",
]


def record(packages: list[str]) -> str:
    """The JSON of record.go for packages, of the installed Go; CalledProcessError where that fails."""
    root = subprocess.run(
        ["go", "env", "GOROOT"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "overlay.json"
        inside = f"{root}/src/cmd/gcsimrecord/main.go"
        overlay.write_text(json.dumps({"Replace": {inside: str(HERE / "record.go")}}))
        binary = Path(folder) / "record"
        subprocess.run(
            ["go", "build", "-overlay", overlay, "-o", binary, "cmd/gcsimrecord"],
            cwd=folder,
            check=True,
        )
        done = subprocess.run(
            [binary, *packages], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    return done.stdout


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--print"]:
        print(record(arguments[1:] or PACKAGES), end="")
        return 0
    text = record(PACKAGES).encode()
    OUT.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{OUT}: {len(text):,} bytes, {OUT.stat().st_size:,} compressed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
