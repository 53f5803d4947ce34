package failure

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
)

// explain writes the cause and the remedy of a failure, as far as its text allows.
func (f *Failure) explain() {
	f.redact()
	f.Actions, f.Scopes, f.LinkedScopes = present(f.Actions), present(f.Scopes), present(f.LinkedScopes)
	f.Cause = f.cause()
	f.Remedy = f.remedy()
}

// present makes a list print as [] rather than null.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (f *Failure) cause() string {
	missing := strings.Join(f.Actions, ", ")
	switch {
	case f.Kind == LinkedScope && missing != "" && len(f.LinkedScopes) > 0:
		return fmt.Sprintf("%s lacks %s on %s, which its request on %s refers to.", f.who(), missing, names(f.LinkedScopes), orThe(names(f.Scopes), "another resource"))
	case f.Kind == LinkedScope && missing != "":
		return fmt.Sprintf("%s lacks %s on a resource that its request on %s refers to.", f.who(), missing, orThe(names(f.Scopes), "another resource"))
	case f.Kind == LinkedScope && len(f.Scopes) > 0:
		return fmt.Sprintf("%s may write %s, but lacks a right on another resource that it refers to. The text is cut off before it says which.", f.who(), names(f.Scopes))
	case f.Kind == MissingAction && missing != "" && len(f.Scopes) > 0:
		return fmt.Sprintf("%s lacks %s on %s.", f.who(), missing, names(f.Scopes))
	case f.Kind == MissingAction && missing != "":
		return fmt.Sprintf("%s lacks %s.", f.who(), missing)
	case f.Kind == DenyAssignment && f.Deny != nil && f.Deny.Name != "":
		return fmt.Sprintf("%s The deny assignment is %q.", f.row.Means, f.Deny.Name)
	case f.Kind == FederationMismatch && f.Federation != nil && f.Federation.Subject != "":
		return fmt.Sprintf("%s The token's subject is %s.", f.row.Means, f.Federation.Subject)
	case f.Kind == Unknown && malformed(f.Actions, f.Scopes):
		return "The request's path has an empty part, so that Azure names an action that does not exist: the client is misconfigured."
	}
	return f.row.Means
}

func orThe(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

var whom = map[Actor]string{
	ControlPlane: "The cluster's control-plane identity", Kubelet: "The nodes' kubelet identity", AddOn: "The add-on's identity",
	Workload: "The workload's identity", Caller: "The caller", ServicePrincipal: "The service principal", Nobody: "The principal",
}

func (f *Failure) who() string {
	switch {
	case f.ObjectID != "":
		return fmt.Sprintf("%s (object id %s)", whom[f.Actor], f.ObjectID)
	case f.Client != "":
		return fmt.Sprintf("%s (client %s)", whom[f.Actor], f.Client)
	}
	return whom[f.Actor]
}

// names shortens scopes to what people call them.
func names(scopes []string) string {
	var out []string
	for i, s := range scopes {
		if i == 3 && len(scopes) > 4 {
			out = append(out, fmt.Sprintf("%d more", len(scopes)-3))
			break
		}
		out = append(out, name(s))
	}
	return strings.Join(out, ", ")
}

func name(scope string) string {
	parts := strings.Split(strings.Trim(scope, "/"), "/")
	group := ""
	for i, p := range parts {
		if strings.EqualFold(p, "resourceGroups") && i+1 < len(parts) {
			group = parts[i+1]
		}
	}
	switch n := len(parts); {
	case n >= 2 && strings.EqualFold(parts[n-2], "providers"):
		return "resource group " + group // a list in the group
	case n >= 4 && group != "" && parts[n-1] != group:
		return fmt.Sprintf("%s %s (resource group %s)", parts[n-2], parts[n-1], group)
	case group != "":
		return "resource group " + group
	case n == 2 && strings.EqualFold(parts[0], "subscriptions"):
		return "subscription " + parts[1]
	}
	return scope
}

// remedy is what the catalogue advises, with the failure's own values in the commands.
func (f *Failure) remedy() Remedy {
	r := Remedy{Advice: f.row.Advice, Az: []string{}}
	if f.Kind == Unknown && malformed(f.Actions, f.Scopes) {
		r.Advice = "Correct the client's configuration (an empty resource group or name). No role."
		return r
	}
	if f.Kind.needsRole() && f.firstParty() {
		r.Advice = "This is a principal of Microsoft's own service: never assign it a role. Read the activity log around that time, and try again."
		return r
	}
	if az := f.grants(); len(az) > 0 {
		r.Az = az
	} else {
		for _, command := range f.row.Az {
			r.Az = append(r.Az, f.fillIn(command))
		}
	}
	r.Next = f.next()
	return r
}

// firstPartyApps are service principals of Microsoft that act in customers' subscriptions.
var firstPartyApps = map[string]string{
	"7319c514-987d-4e9b-ac3d-d38c4f427f4c": "AKS",
}

func (f *Failure) firstParty() bool {
	return firstPartyApps[strings.ToLower(f.Client)] != ""
}

// fillIn puts values for {client}, {oid} and the like into a command, or says what belongs there.
func (f *Failure) fillIn(command string) string {
	fed := f.Federation
	if fed == nil {
		fed = &Federation{}
	}
	return strings.NewReplacer(
		"{client}", orThe(f.Client, "<client id>"), "{oid}", orThe(f.ObjectID, "<object id>"),
		"{issuer}", orThe(fed.Issuer, "<issuer URL>"), "{subject}", orThe(fed.Subject, "<subject>"), "{audience}", orThe(fed.Audience, "api://AzureADTokenExchange"),
		"<registry>", orThe(f.Target, "<registry>"), "<vault>", orThe(f.Target, "<vault>"), "<account>", orThe(f.Target, "<account>"),
	).Replace(command)
}

// grants are the role assignments that end the failure; none where the text does not say enough.
func (f *Failure) grants() []string {
	if f.Kind == PullUnauthorized && f.Target != "" {
		return []string{f.assign("AcrPull", fmt.Sprintf("$(az acr show -n %s --query id -o tsv)", f.Target))}
	}
	where := f.LinkedScopes
	if len(where) == 0 && f.Kind != LinkedScope {
		where = f.Scopes
	}
	if !f.Kind.needsRole() || len(f.Actions) == 0 || len(where) == 0 {
		return nil
	}
	var out []string
	for _, action := range f.Actions {
		for _, scope := range where {
			if c := f.assign(roleFor(action), grantScope(action, scope)); len(out) < 10 && !contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (f *Failure) assign(role, scope string) string {
	principal, typ := orThe(f.ObjectID, "<object id>"), "ServicePrincipal"
	if strings.Contains(f.Client, "@") {
		typ = "User"
	}
	if !strings.HasPrefix(scope, "$(") && strings.ContainsAny(scope, "<>* ") {
		scope = `"` + scope + `"`
	}
	return fmt.Sprintf("az role assignment create --assignee-object-id %s --assignee-principal-type %s --role %q --scope %s", principal, typ, role, scope)
}

// grantScope is where to assign a role for an action: what is to be created does not exist yet, so its group is taken;
// so is it for a list. A role assignment is an extension of its scope.
func grantScope(action, scope string) string {
	lower := strings.ToLower(scope)
	if i := strings.LastIndex(lower, "/providers/microsoft.authorization/"); i > 0 {
		return scope[:i]
	}
	if i := strings.LastIndex(lower, "/providers/"); i > 0 && (strings.HasSuffix(strings.ToLower(action), "/write") || strings.Count(lower[i:], "/") < 4) {
		return scope[:i]
	}
	return scope
}

// next are read-only commands that find out more.
func (f *Failure) next() []string {
	var out []string
	if _, err := azure.ParseGUID(f.ObjectID); err == nil {
		out = append(out, fmt.Sprintf("az role assignment list --assignee %s --all --include-inherited -o table", f.ObjectID))
	}
	switch f.Actor {
	case ControlPlane, Kubelet, AddOn:
		if f.IdentityRelated && f.ObjectID == "" {
			out = append(out, "az aks show -g <resource group> -n <cluster> --query \"{controlPlane:identity,kubelet:identityProfile.kubeletidentity}\"")
		}
	}
	return out
}
