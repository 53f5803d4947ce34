package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/finding"
	"aksid/internal/report"
	"aksid/internal/whocan"
)

type whoCanOptions struct {
	sourceOptions
	Action   string
	Data     bool
	Scope    string
	Identity bool
	Billable bool
	Depth    int
	Output   string
	Save     string
}

func newWhoCan(a *App) *cobra.Command {
	var o whoCanOptions
	cmd := &cobra.Command{
		Use:   "who-can (ACTION --scope ID | --identity [CLUSTER...] | --billable [CLUSTER...])",
		Short: "Say who could do something, and by which path",
		Long: `Say who could do something, and by which path, shortest first: with a role of their own, through groups and management
groups, under a condition, with a role that they may take up (PIM), by giving themselves one, as owner of a group or
application, or by acting as an identity that can: through federated credentials, by attaching it to a machine, by running
commands on the nodes it is on or pods in the cluster.

--identity says who can change which identity a cluster uses, its roles and its credentials, or act through it.
--billable lists what each identity of a cluster could create that costs money, where, and whose scope that is.

It only reads. Exit codes: 0 answered, 2 wrong usage or input, 3 not everything that is needed could be read.`,
		Example: `  aksid who-can Microsoft.Network/virtualNetworks/subnets/join/action --scope /subscriptions/…/subnets/snet-aks
  aksid who-can Microsoft.Authorization/roleAssignments/write --scope /subscriptions/…/resourceGroups/rg-hub --depth 0
  aksid who-can --identity aks1 -o markdown
  aksid who-can --billable --all-subscriptions -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Identity || o.Billable {
				o.Clusters = args
			} else if len(args) > 0 {
				o.Action = args[0]
				if len(args) > 1 {
					return usagef("who-can asks about one action at a time, and there is %q as well", args[1])
				}
			}
			return runWhoCan(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	f := cmd.Flags()
	f.StringVar(&o.Scope, "scope", "", "`id` of the resource, resource group or subscription that it is about")
	f.BoolVar(&o.Data, "data-action", false, "ACTION is a data action (default: it is one if a role names it as such)")
	f.BoolVar(&o.Identity, "identity", false, "say who can change the clusters' identities, or act through them")
	f.BoolVar(&o.Billable, "billable", false, "list what the clusters' identities could create that costs money")
	f.IntVar(&o.Depth, "depth", 2, "`steps` that somebody may have to take first; 0: only who can as things are")
	f.StringVar(&o.Save, "save", "", "keep what was read in a `file`, for --from FILE by someone without the rights")
	return cmd
}

func runWhoCan(ctx context.Context, a *App, o whoCanOptions) error {
	q, err := o.question()
	if err != nil {
		return err
	}
	o.Keep, o.People = o.Save != "", !o.Billable
	if !q.Scope.IsZero() {
		o.Also = append(o.Also, q.Scope)
	}
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if err := saveEstate(o.Save, e); err != nil {
		return err
	}
	now := cmp.Or(e.At, a.Now()) // grants begin and end by Azure's clock
	r := report.NewWhoCan(e, q.Scope, now)
	switch {
	case o.Identity:
		r.Controls = []whocan.Control{}
		for _, c := range e.Clusters {
			r.Controls = append(r.Controls, whocan.NewAsker(e, c.ID, now, o.Depth).Control(c)...)
		}
	case o.Billable:
		r.Billable = []whocan.Billable{}
		for _, c := range e.Clusters {
			r.Billable = append(r.Billable, whocan.NewAsker(e, c.ID, now, o.Depth).Billable(c, finding.Billable)...)
		}
	default:
		asker := whocan.NewAsker(e, q.Scope, now, o.Depth)
		q.Data = o.Data || asker.IsData(q.Action)
		r.Action, r.Data, r.Scope, r.Principals = q.Action, q.Data, q.Scope, asker.Ask(q)
		a.doubt(q.Action)
	}
	if err := r.Print(a.Out, o.Output, a.colour()); err != nil {
		return err
	}
	if !r.Complete {
		return unreadf("not everything could be read; the output says what, and which right it takes")
	}
	return nil
}

// question is what is asked, or nothing with --identity and --billable.
func (o *whoCanOptions) question() (q whocan.Question, err error) {
	switch {
	case o.Depth < 0 || o.Depth > whocan.MaxDepth:
		return q, usagef("--depth is from 0 to %d", whocan.MaxDepth)
	case o.Identity && o.Billable:
		return q, usagef("--identity and --billable are different questions; ask one at a time")
	case o.Identity || o.Billable:
		if o.Scope != "" || o.Data {
			return q, usagef("--scope and --data-action go with an ACTION, not with --identity or --billable")
		}
		return q, nil
	case o.Action == "":
		return q, usagef("name an action, as in: aksid who-can Microsoft.Network/virtualNetworks/subnets/join/action --scope ID")
	case strings.Contains(o.Action, "*"):
		return q, usagef("%s is a pattern; ask about one action", o.Action)
	case strings.Count(o.Action, "/") < 2 || !strings.Contains(o.Action, "."):
		return q, usagef("%q is no action; they look as Microsoft.Network/virtualNetworks/subnets/join/action does", o.Action)
	case o.Scope == "":
		return q, usagef("--scope says where: the id of a resource, resource group or subscription")
	}
	q.Action = azure.Action(o.Action)
	if q.Scope, err = azure.ParseID(o.Scope); err != nil {
		return q, usagef("--scope %s: %w", o.Scope, err)
	}
	if sub := q.Scope.Subscription(); sub != "" {
		if _, err := azure.ParseGUID(sub); err != nil {
			return q, usagef("--scope %s: %s is no subscription's id", o.Scope, sub)
		}
	}
	if q.Scope.Subscription() == "" {
		return q, usagef("--scope %s is above all subscriptions; name a subscription or what is in it: who can there shows what is inherited from above", o.Scope)
	}
	return q, nil
}

// doubt says that an action is not among those that are known, which is most often a slip.
func (a *App) doubt(action azure.Action) {
	if !slices.ContainsFunc(azure.Operations(), action.Is) {
		a.note("%s is not among the operations of Azure that aksid knows; check its spelling: az provider operation show --namespace %s", action, strings.SplitN(string(action), "/", 2)[0])
	}
}
