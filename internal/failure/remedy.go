package failure

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// remedy is what the catalogue advises, with the failure's own values.
func (f *Failure) remedy() Remedy {
	r := Remedy{Advice: f.row.Advice, Az: []string{}}
	switch {
	case f.Kind == Unknown && malformed(f.Actions, f.Scopes):
		r.Advice = "Correct the client's configuration: a resource group or name is empty. No role helps."
		return r
	case f.Kind.needsRole() && f.firstParty():
		r.Advice = "This is a principal of Microsoft's own service: never assign it a role. Read the activity log around that time, and try again."
		return r
	}
	if f.registers(&r) {
		return r
	}
	r.Next = f.next()
	if f.grants(&r); len(r.Changes)+len(r.Az) > 0 {
		return r
	}
	for _, command := range f.row.Az {
		r.Az = append(r.Az, f.fillIn(command))
	}
	return r
}

// registers advises to register the resource providers, where nothing else is missing: it is done once, and by somebody
// else. A group that does not exist yet cannot hold the role for its creation.
func (f *Failure) registers(r *Remedy) bool {
	if len(f.Actions) == 0 {
		return false
	}
	for _, action := range f.Actions {
		if strings.EqualFold(action, createsGroup) {
			r.Advice = "A resource group that does not exist cannot hold the role yet: assign it on the subscription, or better have somebody create the group and assign it there."
		}
		namespace, ok := strings.CutSuffix(action, "/register/action")
		if !ok || !plain(namespace) || strings.Contains(namespace, "/") {
			return false
		}
		r.Az = append(r.Az, "az provider register --namespace "+namespace)
	}
	r.Advice = "Have somebody register the resource provider, once for the subscription, who may write there. Or let the client not try: in Terraform resource_provider_registrations = \"none\" (before 4.0 skip_provider_registration = true)."
	return true
}

// firstPartyApps are applications of Microsoft that act in customers' subscriptions.
var firstPartyApps = map[string]string{
	"7319c514-987d-4e9b-ac3d-d38c4f427f4c": "Azure Kubernetes Service",
}

// FirstParty is the name of an application of Microsoft that acts in customers' subscriptions, by its client id; "" for others.
func FirstParty(client azure.GUID) string { return firstPartyApps[client.String()] }

func (f *Failure) firstParty() bool { return firstPartyApps[strings.ToLower(f.Client)] != "" }

// grants adds the role assignments that end the failure, as far as the text says which.
func (f *Failure) grants(r *Remedy) {
	if f.Kind == PullUnauthorized && plain(f.Target) {
		r.Az = append(r.Az, f.assignCommand("AcrPull", "$(az acr show -n "+f.Target+" --query id -o tsv)"))
		return
	}
	if !f.Kind.needsRole() {
		return
	}
	const most = 10 // commands; a longer list is of one resource group, and nobody copies it
	for _, n := range f.needs {
		if len(r.Az)+len(r.Changes) < most {
			f.grant(r, n.role(f.Actor), n.place())
		}
	}
}

// role is the role that ends a need of an actor. Who looks whether something is there before making it goes on to write.
func (n need) role(actor Actor) string {
	if n.absent {
		return suggested(n.action)
	}
	return roleFor(n.action, actor)
}

// place is where to assign a role for a need.
func (n need) place() string {
	if n.absent {
		return grantScope(n.action+"/write", n.scope)
	}
	return grantScope(n.action, n.scope)
}

// grant adds one assignment: as a change where principal and scope are known, else as a command to complete.
func (f *Failure) grant(r *Remedy, role, scope string) {
	principal, err := azure.ParseGUID(f.ObjectID)
	id, e := azure.ParseID(scope)
	if err == nil && e == nil {
		r.Changes = assign(r.Changes, estate.Assign{Role: role, Principal: principal, PrincipalType: f.principalType(), Scope: id})
		return
	}
	if c := f.assignCommand(role, shell(scope, "<scope>")); !slices.Contains(r.Az, c) {
		r.Az = append(r.Az, c)
	}
}

// assign adds an assignment once, however its scope is spelled.
func assign(changes []estate.Change, a estate.Assign) []estate.Change {
	for _, c := range changes {
		if o, ok := c.(estate.Assign); ok && o.Role == a.Role && o.Principal == a.Principal && o.Scope.Equal(a.Scope) {
			return changes
		}
	}
	return append(changes, a)
}

func (f *Failure) principalType() string {
	if strings.Contains(f.Client, "@") {
		return "User"
	}
	return "ServicePrincipal"
}

func (f *Failure) assignCommand(role, scope string) string {
	return fmt.Sprintf("az role assignment create --assignee-object-id %s --assignee-principal-type %s --role %q --scope %s",
		shell(f.ObjectID, "<object id>"), f.principalType(), role, scope)
}

// grantScope is where to assign a role for an action: what is to be created does not exist yet, so its group is taken,
// or for a group the subscription; so is it for a list. A role assignment is an extension of its scope. What belongs to
// no subscription or management group is decided at the root.
func grantScope(action, scope string) string {
	lower, verb := strings.ToLower(scope), strings.ToLower(action)
	if i := strings.LastIndex(lower, "/providers/microsoft.authorization/"); i > 0 {
		return scope[:i]
	}
	if i := strings.LastIndex(lower, "/providers/microsoft.resources/"); i >= 0 {
		return cmp.Or(scope[:i], "/")
	}
	if verb == createsGroup {
		return beforeGroup(scope)
	}
	i := strings.LastIndex(lower, "/providers/")
	if i > 0 && (strings.HasSuffix(verb, "/write") || strings.Count(lower[i:], "/") < 4) {
		return scope[:i]
	}
	return scope
}

const createsGroup = "microsoft.resources/subscriptions/resourcegroups/write"

// beforeGroup is the subscription of a resource group.
func beforeGroup(scope string) string {
	if i := strings.Index(strings.ToLower(scope), "/resourcegroups/"); i > 0 {
		return scope[:i]
	}
	return scope
}

// fillIn puts values for {client}, {oid} and the like into a command, or says what belongs there.
func (f *Failure) fillIn(command string) string {
	fed := Federation{}
	if f.Federation != nil {
		fed = *f.Federation
	}
	target := func(what string) string {
		if plain(f.Target) {
			return f.Target
		}
		return what
	}
	return strings.NewReplacer(
		"{client}", shell(f.Client, "<client id>"), "{oid}", shell(f.ObjectID, "<object id>"),
		"{issuer}", shell(fed.Issuer, "<issuer URL>"), "{subject}", shell(fed.Subject, "<subject>"), "{audience}", shell(fed.Audience, "api://AzureADTokenExchange"),
		"<registry>", target("<registry>"), "<vault>", target("<vault>"), "<account>", target("<account>"),
	).Replace(command)
}

// plain reports whether a text is a name, which no shell takes for anything else.
func plain(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+") == ""
}

// shell makes one word of a value, which may be hostile, or says what belongs there.
func shell(s, instead string) string {
	switch {
	case s == "" || strings.ContainsAny(s, "'\n"):
		return instead
	case plain(s):
		return s
	}
	return "'" + s + "'"
}

// next are read-only commands that find out more.
func (f *Failure) next() []string {
	if !f.IdentityRelated {
		return nil
	}
	var out []string
	principal, err := azure.ParseGUID(f.ObjectID)
	if f.Identity != nil {
		principal, err = f.Identity.PrincipalID, nil
	}
	if err == nil {
		out = append(out, "az role assignment list --assignee "+principal.String()+" --all --include-inherited -o table")
	} else if f.Actor == ControlPlane || f.Actor == Kubelet || f.Actor == AddOn {
		out = append(out, `az aks show -g <resource group> -n <cluster> --query "{controlPlane:identity,kubelet:identityProfile,addons:addonProfiles}"`)
	}
	if f.Kind == PullUnauthorized && plain(f.Target) {
		out = append(out, "az acr show -n "+f.Target+" --query roleAssignmentMode -o tsv")
	}
	return out
}
