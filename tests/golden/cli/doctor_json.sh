# SPDX-License-Identifier: Apache-2.0
osprey doctor --json | python3 -c "
import json, sys
d = json.load(sys.stdin)
print(sorted(d), len(d[\"abilities\"]), d[\"abilities\"][0])"
