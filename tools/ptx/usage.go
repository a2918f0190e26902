package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
)

// cards are the architectures a variant is assembled for.
var cards = map[string][]string{
	"sm_61":  {"sm_61", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90"},
	"sm_75":  {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90"},
	"sm_80":  {"sm_80", "sm_86", "sm_89", "sm_90"},
	"sm_90":  {"sm_90"},
	"sm_90a": {"sm_90a"},
}

// usage is what ptxas reports of one entry on one card.
type usage struct {
	file, entry, card        string
	registers, shared, spill int
}

var (
	entryLine    = regexp.MustCompile(`Compiling entry function '(\w+)' for '(\w+)'`)
	spillLine    = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
	registerLine = regexp.MustCompile(`Used (\d+) registers`)
	sharedLine   = regexp.MustCompile(`(\d+) bytes smem`)
)

// assemble runs ptxas for every card the variant may run on; where counts alone are asked for, for those that are counted.
func assemble(path, variant string, variants []string, counts *counter) ([]usage, error) {
	var rows []usage
	for _, card := range cards[variant] {
		code := os.DevNull
		wanted := counts.wants(card, variant, variants)
		if wanted {
			code = counts.code
			if known, err := counts.known(path, card); err != nil {
				return nil, err
			} else if known {
				continue
			}
		} else if counts != nil && !counts.check {
			continue
		}
		before := len(rows)
		out, err := exec.Command("ptxas", "-v", "-arch="+card, path, "-o", code).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("ptxas refuses %s for %s: %w\n%s", path, card, err, out)
		}
		var u *usage
		for line := range strings.Lines(string(out)) {
			if m := entryLine.FindStringSubmatch(line); m != nil {
				rows = append(rows, usage{file: filepath.Base(path), entry: m[1], card: m[2]})
				u = &rows[len(rows)-1]
			}
			if u == nil {
				continue
			}
			if m := spillLine.FindStringSubmatch(line); m != nil {
				u.spill = number(m[1]) + number(m[2])
			}
			if m := registerLine.FindStringSubmatch(line); m != nil {
				u.registers = number(m[1])
			}
			if m := sharedLine.FindStringSubmatch(line); m != nil {
				u.shared = number(m[1])
			}
		}
		if wanted {
			if err := counts.add(card, rows[before:]); err != nil {
				return nil, fmt.Errorf("%s for %s: %w", path, card, err)
			}
		}
	}
	if len(cards[variant]) == 0 {
		return nil, fmt.Errorf("%s: no card is listed for variant %s", path, variant)
	}
	return rows, nil
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// printTable prints one line per entry, the largest of its cards, and returns
// the number of entries that spill somewhere.
func printTable(rows []usage) int {
	type key struct{ file, entry string }
	var order []key
	worst := map[key]usage{}
	where := map[key][]string{}
	for _, u := range rows {
		k := key{u.file, u.entry}
		w, ok := worst[k]
		if !ok {
			order = append(order, k)
		}
		w.registers, w.shared, w.spill = max(w.registers, u.registers), max(w.shared, u.shared), max(w.spill, u.spill)
		worst[k] = w
		where[k] = append(where[k], strings.TrimPrefix(u.card, "sm_"))
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "file\tentry\tregisters\tshared bytes\tspilled bytes\tassembled for sm_\t")
	spills := 0
	for _, k := range order {
		w := worst[k]
		if w.spill > 0 {
			spills++
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t\n", k.file, k.entry, w.registers, w.shared, w.spill, strings.Join(where[k], " "))
	}
	t.Flush()
	return spills
}
