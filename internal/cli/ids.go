package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"aksid/internal/azure"
	"aksid/internal/finding"
	"aksid/internal/plain"
	"aksid/internal/report"
)

// runIDs says of each id that a text holds what it stands for.
func runIDs(ctx context.Context, a *App, o checkOptions) error {
	if o.Output != "table" && o.Output != "json" {
		return usagef("--ids is printed as table or json, not as %s", o.Output)
	}
	text, err := a.readText(o.IDs)
	if err != nil {
		return err
	}
	mentions := finding.FindIDs(text)
	for _, m := range mentions {
		if g, err := azure.ParseGUID(m.ID); err == nil {
			o.Ask = append(o.Ask, g)
		} else if id, err := azure.ParseID(m.ID); err == nil {
			o.Also = append(o.Also, id)
		}
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	mentions = finding.Identify(e, mentions)
	if id, ok := report.RunbookOf([]byte(text)); ok {
		mentions = finding.Outdated(e, mentions, id)
	}
	if o.Output == "json" {
		err = report.JSON(a.Out, append([]finding.Mention{}, mentions...))
	} else {
		err = a.printIDs(mentions)
	}
	for _, m := range mentions {
		if err == nil && m.Is == finding.Former {
			err = errFindings
		}
	}
	return err
}

// readText reads a text of bounded size from a file, or from standard input for "-".
func (a *App) readText(path string) (string, error) {
	var from io.Reader = a.In
	if path != "-" {
		text, err := plain.ReadFile(path, finding.MaxText)
		if err != nil {
			return "", usagef("%s cannot be read: %w", path, err)
		}
		from = bytes.NewReader(text)
	} else {
		path = "standard input"
	}
	text, err := plain.Read(plain.Decode(from), finding.MaxText)
	if err != nil {
		return "", usagef("%s cannot be read: %w", path, err)
	}
	return string(text), nil
}

func (a *App) printIDs(mentions []finding.Mention) error {
	count := map[finding.Life]int{}
	for _, m := range mentions {
		count[m.Is]++
		times := ""
		if m.Times > 1 {
			times = fmt.Sprintf(", %d times", m.Times)
		}
		if _, err := fmt.Fprintf(a.Out, "%-7s  %s (line %d%s)\n", m.Is, plain.Text(m.ID), m.Line, times); err != nil {
			return err
		}
		if m.What != "" {
			fmt.Fprintf(a.Out, "         %s\n", plain.Text(m.What))
		}
	}
	_, err := fmt.Fprintf(a.Out, "%d ids: %d live, %d former, %d of something else, %d unknown.\n",
		len(mentions), count[finding.Live], count[finding.Former], count[finding.Other], count[finding.Unidentified])
	return err
}
