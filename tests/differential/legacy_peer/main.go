// SPDX-License-Identifier: Apache-2.0

// The peer's own parser, asked about many files in one process: for every path on stdin, one line with the profile as
// -raw prints it, quoted, or with the reason why it is refused. legacy_forms.py puts the peer's package
// beside this file.
package main

import (
	"bufio"
	"fmt"
	"os"

	"peer/profile"
)

func ask(path string) (raw string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return "", err
	}
	// A number without text, value and unit is no label once it has been written as protobuf.
	for _, s := range p.Sample {
		for k, v := range s.NumLabel {
			if len(v) == 1 && v[0] == 0 {
				delete(s.NumLabel, k)
			}
		}
	}
	return p.String() + p.DropFrames + "\n" + p.KeepFrames, nil
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		if raw, err := ask(in.Text()); err != nil {
			fmt.Fprintf(out, "refused %q\n", err)
		} else {
			fmt.Fprintf(out, "ok %q\n", raw)
		}
	}
}
