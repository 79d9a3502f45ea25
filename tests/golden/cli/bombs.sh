# SPDX-License-Identifier: Apache-2.0
# Small inputs that stand for gigabytes: one line each, in a moment.
head -c 300000000 /dev/zero | gzip -1 >zeros.gz
truncate -s 8G sparse
python3 - <<'END'
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
END
for file in zeros.gz sparse frames; do
    osprey pprof -top $file
    echo "$? $file"
done
