#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's profiles against the official Python classes of the protocol.

    otlp.py OSPREY

Real Go profiles are written as OTLP and read by those classes: every index must be in its table, entry 0 of each table must be
empty, and the stacks must have the sums that osprey's folded stacks of the original have. The classes write them again, with
a resource and with timestamps, and osprey reads that. Skipped where the module opentelemetry-proto is absent. TAP on stdout.
"""
import collections
import os
import subprocess
import sys
import tempfile

try:
    from opentelemetry.proto.profiles.v1development import profiles_pb2 as proto
except ImportError:
    print("1..0 # SKIP the Python module opentelemetry-proto is not here")
    sys.exit(0)

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "go-profiles")
NAMES = ("compress.flate.cpu", "encoding.json.mem", "net.http.mutex", "server.cpu.labels", "server.goroutine")


def run(*command):
    got = subprocess.run(command, capture_output=True, text=True)
    if got.returncode:
        raise AssertionError(f"{' '.join(command)}: {got.stderr}")
    return got.stdout


def folded(osprey, path, index):
    """{stack: sum} as osprey writes it."""
    text = run(osprey, "convert", "-f", "folded", "-i", str(index), path, "-")
    return {k: int(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines())}


def check_tables(data):
    d = data.dictionary
    assert d.string_table[0] == "", "string 0 is not empty"
    for name in ("mapping", "location", "function", "link", "attribute", "stack"):
        table = getattr(d, name + "_table")
        assert table and table[0].ByteSize() == 0, f"{name} 0 is not empty"
    for a in d.attribute_table:
        assert a.key_strindex < len(d.string_table) and a.unit_strindex < len(d.string_table)
    for loc in d.location_table:
        assert loc.mapping_index < len(d.mapping_table)
        assert all(line.function_index < len(d.function_table) for line in loc.lines)
    assert all(i < len(d.location_table) for s in d.stack_table for i in s.location_indices)


def stacks(data, profile):
    """{stack: sum} of one profile."""
    d, sums = data.dictionary, collections.Counter()
    for s in profile.samples:
        frames = []
        for i in d.stack_table[s.stack_index].location_indices:
            frames += [d.string_table[d.function_table[line.function_index].name_strindex] for line in d.location_table[i].lines]
        sums[";".join(f.replace(";", ":") for f in reversed(frames))] += sum(s.values)
    return {k: v for k, v in sums.items() if v}


def profiles_of(data):
    return [p for r in data.resource_profiles for s in r.scope_profiles for p in s.profiles]


def check(osprey, folder, name):
    source, out = os.path.join(DATA, name + ".pb.gz"), os.path.join(folder, name + ".otlp")
    run(osprey, "convert", source, out)
    data = proto.ProfilesData()
    data.ParseFromString(open(out, "rb").read())
    check_tables(data)
    for i, p in enumerate(profiles_of(data)):
        assert stacks(data, p) == folded(osprey, source, i), f"type {i}: the stacks differ"
        assert folded(osprey, out, i) == folded(osprey, source, i), f"type {i}: read again, the stacks differ"
    run(osprey, "convert", out, out + ".pb")
    for i in range(len(profiles_of(data))):
        tags = [run(osprey, "pprof", "-tags", f"-sample_index={i}", path) for path in (source, out + ".pb")]
        assert tags[0] == tags[1], f"type {i}: labels differ:\n{tags[0]}\n{tags[1]}"
    resource = data.resource_profiles[0].resource.attributes.add()
    resource.key, resource.value.string_value = "service.name", "shop"
    profiles_of(data)[0].profile_id = b"0123456789abcdef"
    again = os.path.join(folder, "again.otlp")
    open(again, "wb").write(data.SerializeToString())
    for i in range(len(profiles_of(data))):
        assert folded(osprey, again, i) == folded(osprey, source, i), f"type {i}: written by the classes, the stacks differ"
    assert "shop" in run(osprey, "pprof", "-tags", "-sample_index=0", again), "the resource is no label"


def times(osprey, folder):
    """Samples that have only times count 1 each."""
    data = proto.ProfilesData()
    d = data.dictionary
    for table in (d.mapping_table, d.location_table, d.function_table, d.link_table, d.attribute_table, d.stack_table):
        table.add()
    d.string_table.extend(["", "samples", "count", "work"])
    d.function_table.add(name_strindex=3)
    d.location_table.add().lines.add(function_index=1)
    d.stack_table.add().location_indices.append(1)
    p = data.resource_profiles.add().scope_profiles.add().profiles.add()
    p.sample_type.type_strindex, p.sample_type.unit_strindex = 1, 2
    p.samples.add(stack_index=1).timestamps_unix_nano.extend([1000, 2000, 3000])
    p.samples.add(stack_index=1).values.append(4)
    path = os.path.join(folder, "times.otlp")
    open(path, "wb").write(data.SerializeToString())
    assert folded(osprey, path, 0) == {"work": 7}, folded(osprey, path, 0)


def main(osprey):
    failed, tests = 0, [(n, lambda f, n=n: check(osprey, f, n)) for n in NAMES] + [("times", lambda f: times(osprey, f))]
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, test) in enumerate(tests, 1):
            why = ""
            try:
                test(folder)
            except AssertionError as e:
                why = str(e) or "an index is out of its table"
            failed += bool(why)
            print(f"{'not ok' if why else 'ok'} {i} - {name}" + ("\n# " + why.replace("\n", "\n# ") if why else ""))
    print(f"1..{len(tests)}")
    return failed > 0


sys.exit(main(os.path.abspath(sys.argv[1])))
