package failure

import (
	"fmt"
	"strings"
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
	missing := briefly(f.Actions)
	switch {
	case f.Kind == LinkedScope && missing != "" && len(f.LinkedScopes) > 0:
		return fmt.Sprintf("%s %s %s on %s, which its request on %s refers to.", f.who(), f.lacks(), missing, names(f.LinkedScopes), orThe(names(f.Scopes), "another resource"))
	case f.Kind == LinkedScope && missing != "":
		return fmt.Sprintf("%s %s %s on a resource that its request on %s refers to.", f.who(), f.lacks(), missing, orThe(names(f.Scopes), "another resource"))
	case f.Kind == LinkedScope && len(f.Scopes) > 0:
		return fmt.Sprintf("%s may write %s, but lacks a right on another resource that it refers to. The text is cut off before it says which.", f.who(), names(f.Scopes))
	case f.Kind == MissingAction && missing != "" && len(f.Scopes) > 0:
		return fmt.Sprintf("%s %s %s on %s.", f.who(), f.lacks(), missing, names(f.Scopes))
	case f.Kind == MissingAction && missing != "":
		return fmt.Sprintf("%s %s %s.", f.who(), f.lacks(), missing)
	case f.Kind == DenyAssignment && f.Deny != nil && f.Deny.Name != "":
		return fmt.Sprintf("%s The deny assignment is %q.", f.row.Means, f.Deny.Name)
	case f.Kind == FederationMismatch && f.Federation != nil && f.Federation.Subject != "":
		return fmt.Sprintf("%s The token's subject is %s.", f.row.Means, f.Federation.Subject)
	case f.Kind == Unknown && malformed(f.Actions, f.Scopes):
		return "The request's path has an empty part, so that Azure names an action that does not exist: the client is misconfigured."
	}
	return f.row.Means
}

// lacks is the verb for what is missing, or was when it failed.
func (f *Failure) lacks() string {
	if f.Verdict != nil && f.Verdict.State == GrantedNow {
		return "lacked"
	}
	return "lacks"
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
	case f.stranger != "":
		return f.stranger
	case f.Identity != nil:
		return fmt.Sprintf("The %s identity %s of cluster %s", f.Identity.Role, f.Identity.Name, f.Identity.Cluster.Name())
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
		return fmt.Sprintf("%s %s (%s)", singular(parts[n-2]), parts[n-1], group)
	case group != "":
		return "resource group " + group
	case n == 2 && strings.EqualFold(parts[0], "subscriptions"):
		return "subscription " + parts[1]
	}
	return scope
}

// briefly are actions without their provider and all but the last of their types, as in subnets/join/action.
func briefly(actions []string) string {
	var out []string
	for _, a := range actions {
		parts := strings.Split(a, "/")
		verbs := 1
		if strings.EqualFold(parts[len(parts)-1], "action") {
			verbs = 2
		}
		out = append(out, strings.Join(parts[max(0, min(1, len(parts)-1), len(parts)-verbs-1):], "/"))
	}
	return strings.Join(out, ", ")
}

// singular is one of a type, as the subnet among the subnets.
func singular(types string) string {
	if s, ok := strings.CutSuffix(types, "ies"); ok {
		return s + "y"
	}
	if s, ok := strings.CutSuffix(types, "sses"); ok {
		return s + "ss"
	}
	return strings.TrimSuffix(types, "s")
}
