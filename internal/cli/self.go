package cli

import (
	"context"
	"fmt"

	"aksid/internal/estate"
	"aksid/internal/report"
)

// selfRight is a right of the caller, as -o json has it.
type selfRight struct {
	What    string `json:"what"`
	Action  string `json:"action"`
	Scope   string `json:"scope"`
	Held    bool   `json:"held"`
	Without string `json:"without"`
}

// runSelf says whether the caller may read what check reads.
func runSelf(ctx context.Context, a *App, o checkOptions) error {
	source, err := a.source(ctx, o.sourceOptions, func(string) {})
	if err != nil {
		return err
	}
	live, ok := source.(estate.Live)
	if !ok {
		return usagef("--self asks Azure or the local Azure what you may read; files can be read as they are")
	}
	rights, err := live.Self(ctx)
	if err != nil {
		return unreadError{err}
	}
	var rows []selfRight
	lacking := 0
	for _, r := range rights {
		rows = append(rows, selfRight{r.What, string(r.Action), r.Scope.String(), r.Held, r.Without})
		if !r.Held && r.Vital {
			lacking++
		}
	}
	if err := a.printSelf(o.Output, rows); err != nil {
		return err
	}
	if lacking > 0 {
		return unreadf("%d rights are lacking without which there is no answer; the role Reader has them", lacking)
	}
	return nil
}

func (a *App) printSelf(output string, rows []selfRight) error {
	switch output {
	case "json":
		return report.JSON(a.Out, rows)
	case "table":
	default:
		return usagef("--self is printed as table or json, not as %s", output)
	}
	scope := "-"
	for _, r := range rows {
		if r.Scope != scope {
			scope = r.Scope
			heading := scope
			if scope == "" {
				heading = "Microsoft Graph"
			}
			fmt.Fprintf(a.Out, "%s\n", heading)
		}
		switch {
		case r.Held:
			fmt.Fprintf(a.Out, "  ✓ %s\n", r.What)
		case r.Action == "":
			fmt.Fprintf(a.Out, "  ✗ %s\n    it takes Application.Read.All or the role Directory Readers; without: %s\n", r.What, r.Without)
		default:
			fmt.Fprintf(a.Out, "  ✗ %s\n    it takes %s; without: %s\n", r.What, r.Action, r.Without)
		}
	}
	return nil
}
