# SPDX-License-Identifier: Apache-2.0
"""The rows of matrix.toml: which program shows what."""
import dataclasses
import pathlib
import tomllib

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Row:
    """matrix.toml explains the fields at its head."""
    name: str
    program: str = ""
    build: str = "go"
    flags: str = ""
    cflags: str = ""
    go: str = ""
    since: int = 18
    language: str = ""
    verdict: str = ""
    kind: str = ""
    instead: list = dataclasses.field(default_factory=list)
    also: list = dataclasses.field(default_factory=list)
    culprit: str = ""
    chain: list = dataclasses.field(default_factory=list)
    quiet: bool = False
    warm: float = 1.0
    seconds: float = 5.0
    needs: list = dataclasses.field(default_factory=list)
    params: dict = dataclasses.field(default_factory=dict)
    env: dict = dataclasses.field(default_factory=dict)
    truth: list = dataclasses.field(default_factory=list)
    rows: list = dataclasses.field(default_factory=list)
    dies: str = ""

    @property
    def sick(self):
        return bool(self.verdict)


def read():
    """All rows. A variant `case/word` takes what it does not say from the row `case`."""
    table = tomllib.loads((HERE / "matrix.toml").read_text(encoding="utf-8"))
    out = []
    for name, said in table.items():
        base = table.get(name.split("/")[0], {}) if "/" in name else {}
        fields = {"program": name.split("/")[0], **base, **said}
        fields["params"] = {**base.get("params", {}), **said.get("params", {})}
        out.append(Row(name=name, **fields))
    return out
