package remedy

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/plain"
)

// Script is the plan as a script for a POSIX shell, of az commands that run as they are. What a person has to do is in it as
// comments. Between what gives rights and what takes them away it waits, with aksid wait, until the former count.
func (p Plan) Script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# %s\n", p.title())
	if len(p.Steps) == 0 {
		return b.String()
	}
	b.WriteString("set -eu\n")
	for i, s := range p.Steps {
		if s.Kind == Withdraw && (i == 0 || p.Steps[i-1].Kind != Withdraw) {
			b.WriteString("\n# What follows takes rights away. It is only for when what was given before counts.\n")
			for _, id := range p.clusters() {
				b.WriteString("aksid wait " + Quote(id.String()) + "\n")
			}
		}
		s.write(&b, i+1)
	}
	return b.String()
}

func (p Plan) title() string {
	var names []string
	for _, id := range p.clusters() {
		names = append(names, id.Name())
	}
	if len(p.Steps) == 0 {
		return "Nothing is to be mended."
	}
	return plain.Text(fmt.Sprintf("What mends %s: %s, in this order.", strings.Join(names, ", "), count(len(p.Steps), "step")))
}

// clusters are the clusters that the plan is for, each once.
func (p Plan) clusters() []azure.ID {
	var out []azure.ID
	seen := map[string]bool{}
	for _, s := range p.Steps {
		for _, c := range s.Clusters {
			if !seen[c.ID.Key()] {
				out = append(out, c.ID)
			}
			seen[c.ID.Key()] = true
		}
	}
	return out
}

func (s Step) write(b *strings.Builder, number int) {
	fmt.Fprintf(b, "\n# %d. %s\n", number, plain.Text(s.What))
	for i, why := range s.Why {
		fmt.Fprintf(b, "#    %-6s%s\n", map[bool]string{true: "why", false: ""}[i == 0], plain.Text(why))
	}
	for i, undo := range s.Undo {
		fmt.Fprintf(b, "#    %-6s%s\n", map[bool]string{true: "undo", false: ""}[i == 0], plain.Text(undo))
	}
	for _, r := range s.Refused {
		fmt.Fprintf(b, "#    refused by %s\n#    instead %s\n", plain.Text(r.Why), plain.Text(r.Instead))
	}
	if s.ByHand != "" {
		fmt.Fprintf(b, "#    by hand: %s\n", plain.Text(s.ByHand))
	}
	if s.Written != "" {
		for i, line := range strings.Split(s.Written, "\n") {
			fmt.Fprintf(b, "#    %-6s%s\n", map[bool]string{true: "write", false: ""}[i == 0], plain.Text(line))
		}
	}
	for _, line := range s.Az {
		if s.ByHand != "" {
			line = "# " + plain.Text(line)
		}
		b.WriteString(line + "\n")
	}
}
