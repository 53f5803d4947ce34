package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/governance"
	"aksid/internal/plain"
	"aksid/internal/report"
)

func newPolicy(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Write the approved identity pattern as Azure Policy, and audit clusters by policies",
		Long: `Write the approved identity pattern as Azure Policy, and audit clusters by it, by Azure's built-in definitions or by others.

The pattern: a user-assigned identity from approved resource groups, no service principal, no local accounts, Entra ID and Azure
RBAC, workload identity and an OIDC issuer, no pod identity, no command invoke, no privileged roles on whole subscriptions.`,
		Example: `  aksid policy export -o policies --effect audit
  aksid policy audit
  aksid policy audit --from plan.json --builtin`,
	}
	return group(cmd, newPolicyExport(a), newPolicyAudit(a))
}

type policyExportOptions struct {
	Dir    string
	Effect string
	Groups []string
}

func newPolicyExport(a *App) *cobra.Command {
	var o policyExportOptions
	cmd := &cobra.Command{
		Use:   "export [-o DIR]",
		Short: "Write the approved identity pattern as definitions, an initiative and assignments",
		Long: `Write the approved identity pattern of AKS clusters as definitions of Azure Policy and an initiative, with what writes and
assigns them: a script for az, Bicep and Terraform.

Without -o, the definitions and the initiative are printed as one JSON array. Files that are there are written anew, others left.`,
		Example: `  aksid policy export -o policies
  aksid policy export -o policies --effect deny --identity-resource-group rg-identities
  cd policies && ./deploy.sh "$(az account show --query id -o tsv)" Audit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPolicyExport(a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.Dir, "output-dir", "o", "", "`folder` to write to; it is made if it is not there")
	f.StringVar(&o.Effect, "effect", "audit", "what the assignments do with what is not so: audit, deny or disabled")
	f.StringArrayVar(&o.Groups, "identity-resource-group", nil, "`name` of a resource group that clusters may have identities in (default: every one); can be repeated")
	return cmd
}

func runPolicyExport(a *App, o policyExportOptions) error {
	choices, err := policyChoices(o.Effect, o.Groups)
	if err != nil {
		return err
	}
	if o.Dir == "" {
		_, err := a.Out.Write(choices.Documents())
		return err
	}
	files := choices.Export()
	for _, f := range files {
		path := filepath.Join(o.Dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return usagef("%s cannot be made: %w", filepath.Dir(path), err)
		}
		mode := os.FileMode(0o666)
		if f.Program {
			mode = 0o777
		}
		if err := os.WriteFile(path, f.Text, mode); err != nil {
			return usagef("%s cannot be written: %w", path, err)
		}
	}
	fmt.Fprintf(a.Out, "%d definitions, an initiative and what assigns them are in %s; %s says how to use them\n",
		len(governance.Pattern()), o.Dir, filepath.Join(o.Dir, "README.md"))
	return nil
}

// policyChoices checks what the pattern is asked with.
func policyChoices(effect string, groups []string) (governance.Choices, error) {
	c := governance.Choices{IdentityGroups: groups}
	for _, known := range []string{"Audit", "Deny", "Disabled"} {
		if strings.EqualFold(known, effect) {
			c.Effect = known
		}
	}
	if c.Effect == "" {
		return c, usagef("there is no effect %q; choose one of audit, deny or disabled", effect)
	}
	for _, g := range groups {
		if !governance.IsGroupName(g) {
			return c, usagef("%q is no name of a resource group", g)
		}
	}
	return c, nil
}

type policyAuditOptions struct {
	sourceOptions
	Definitions []string
	BuiltIn     bool
	Parameters  []string
	Groups      []string
	Output      string
	FailOn      string
	Save        string
}

func newPolicyAudit(a *App) *cobra.Command {
	var o policyAuditOptions
	cmd := &cobra.Command{
		Use:   "audit [CLUSTER...]",
		Short: "Say how clusters stand with policies",
		Long: `Say how clusters stand with the approved identity pattern, with Azure's built-in definitions (--builtin) or with those of files
(--definition): for each which value decided, and what is expected in its place.

It reads what check reads: Azure, the local Azure, saved files, Terraform plans and templates. What a plan does not tell is
unknown, and never a violation. Where policies are assigned in Azure, it also says which of those would deny the next write.

Exit codes: 0 nothing found, 1 a cluster is not compliant, 2 wrong usage or input, 3 something could not be told.`,
		Example: `  aksid policy audit
  aksid policy audit aks1 --identity-resource-group rg-identities
  aksid policy audit --builtin -o markdown
  aksid policy audit --from plan.json --definition policies/definitions/aksid-no-local-accounts/azurepolicy.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runPolicyAudit(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	outputFlag(cmd, &o.Output, "table", "json", "markdown")
	f := cmd.Flags()
	f.StringArrayVar(&o.Definitions, "definition", nil, "`file` with a definition, several, or an initiative with its definitions; can be repeated")
	f.BoolVar(&o.BuiltIn, "builtin", false, "audit by Azure's built-in definitions")
	f.StringArrayVar(&o.Parameters, "param", nil, "`name=value` of a parameter of the definitions, the value as JSON or text; can be repeated")
	f.StringArrayVar(&o.Groups, "identity-resource-group", nil, "`name` of a resource group that clusters may have identities in, by the pattern; can be repeated")
	f.StringVar(&o.FailOn, "fail-on", string(governance.NonCompliant), "what makes the exit code 1: non-compliant, never")
	f.StringVar(&o.Save, "save", "", "keep what was read in a `file`, for --from FILE by someone without the rights")
	return cmd
}

func runPolicyAudit(ctx context.Context, a *App, o policyAuditOptions) error {
	if o.FailOn != never && o.FailOn != string(governance.NonCompliant) {
		return usagef("--fail-on is non-compliant or never, and not %q", o.FailOn)
	}
	definitions, err := o.definitions()
	if err != nil {
		return err
	}
	o.Keep = o.Save != ""
	e, err := a.load(ctx, o.sourceOptions)
	if err != nil {
		return err
	}
	if err := saveEstate(o.Save, e); err != nil {
		return err
	}
	now := cmp.Or(e.At, a.Now()) // exemptions end by Azure's clock
	r := report.NewPolicyAudit(e, now, governance.Audit(e, definitions, now), governance.Assigned(e, now))
	if err := r.Print(a.Out, o.Output, a.colour()); err != nil {
		return err
	}
	switch {
	case o.FailOn != never && r.Count(governance.NonCompliant) > 0:
		return errFindings
	case r.Count(governance.Unknown) > 0:
		return unreadf("not everything could be told; the output says what, and why")
	}
	return nil
}

// definitions are those to audit by, with the values that the command line gives their parameters.
func (o *policyAuditOptions) definitions() ([]governance.Definition, error) {
	choices, err := policyChoices("audit", o.Groups)
	if err != nil {
		return nil, err
	}
	var all []governance.Definition
	for _, path := range o.Definitions {
		read, err := readDefinitions(path)
		if err != nil {
			return nil, err
		}
		all = append(all, read...)
	}
	if o.BuiltIn {
		all = append(all, governance.BuiltIns()...)
	}
	if len(all) == 0 {
		all = choices.OfPattern()
	} else if len(o.Groups) > 0 {
		return nil, usagef("--identity-resource-group is a parameter of the pattern; with --definition or --builtin, use --param")
	}
	for _, p := range o.Parameters {
		if err := governance.Give(all, p); err != nil {
			return nil, usagef("--param %s: %w", p, err)
		}
	}
	return all, nil
}

func readDefinitions(path string) ([]governance.Definition, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("the definition cannot be read: %w", err)
	}
	defer f.Close()
	text, err := plain.Read(f, governance.MaxFile)
	if err != nil {
		return nil, usagef("the definition cannot be read: %w", err)
	}
	read, err := governance.Read(text)
	if bad, ok := errors.AsType[*azure.Error](err); ok {
		return nil, usagef("%s is no definition that Azure takes: %s (%s)", path, bad.Message, bad.Code)
	}
	if err != nil {
		return nil, usagef("%s: %w", path, err)
	}
	return read, nil
}
