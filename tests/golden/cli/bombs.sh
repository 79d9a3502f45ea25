# SPDX-License-Identifier: Apache-2.0
# Small inputs that stand for gigabytes: one line each, in a moment.
head -c 300000000 /dev/zero | gzip -1 >zeros.gz
truncate -s 8G sparse
python3 - <<'END'
import struct


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


# One location of 10 000 inlined lines, met two million times: 20 billion frames.
head = field(1, b"\x08\x01\x10\x02") + b"".join(field(6, s) for s in (b"", b"samples", b"count", b"f"))
table = field(5, b"\x08\x01\x10\x03") + field(4, b"\x08\x01" + field(4, b"\x08\x01") * 10000)
samples = b"".join(field(2, field(1, b"\x01" * n) + field(2, b"\x05")) for n in range(1, 2000))
open("frames", "wb").write(head + table + samples)

# A perf.data whose 400 000 mappings come from the top down: each moves all others.
def record(kind, body):
    return struct.pack("<IHH", kind, 2, len(body) + 8) + body


attr = struct.pack("<II5Q", 1, 112, 0, 1000, 1 | 2 | 4, 0, 1 << 18 | 1 << 10) + bytes(64)
data = b"".join(record(10, struct.pack("<II6QII8sIIQ", 7, 7, (400000 - n) << 13, 4096, 0, 0, 0, 0, 4, 2, b"/x", 7, 7, n + 1))
                for n in range(400000)) + record(9, struct.pack("<QIIQ", 5, 7, 7, 400001))
head = struct.pack("<8s8Q", b"PERFILE2", 104, 128, 104, 128, 232, len(data), 0, 0)
open("maps", "wb").write(head + bytes(32) + attr + bytes(16) + data)
END
for file in zeros.gz sparse frames maps; do
    osprey pprof -top $file
    echo "$? $file"
done
