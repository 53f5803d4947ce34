package entra

import (
	"errors"
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// signInAudience says that an application is for this tenant alone: there is no other.
const signInAudience = "AzureADMyOrg"

// graphKind is a kind of directory objects.
type graphKind struct {
	set, name string   // servicePrincipals, servicePrincipal
	principal string   // the principals' type, "" of applications
	filters   []string // the properties that a $filter may name
}

// graphKinds are the kinds that can be listed; directoryObjects are all of them, by id only.
var (
	graphKinds = []*graphKind{
		{"servicePrincipals", "servicePrincipal", directory.ServicePrincipal, []string{
			"id", "appId", "displayName", "accountEnabled", "servicePrincipalNames", "servicePrincipalType", "alternativeNames"}},
		{"applications", "application", "", []string{"id", "appId", "displayName", "identifierUris"}},
		{"users", "user", directory.User, []string{"id", "displayName", "userPrincipalName", "mailNickname", "mail", "accountEnabled"}},
		{"groups", "group", directory.Group, []string{"id", "displayName", "mailNickname", "mailEnabled", "securityEnabled"}},
	}
	federatedCredentials = &graphKind{set: "federatedIdentityCredentials", name: "federatedIdentityCredential"}
	directoryObjects     = &graphKind{set: "directoryObjects", name: "directoryObject"}
)

func graphKindOf(set string) *graphKind {
	for _, k := range append(graphKinds, directoryObjects) {
		if strings.EqualFold(k.set, set) {
			return k
		}
	}
	return nil
}

// kindOf is the kind of a principal.
func kindOf(p directory.Principal) *graphKind {
	i := slices.IndexFunc(graphKinds, func(k *graphKind) bool { return k.principal == p.Type })
	return graphKinds[i]
}

var applications = graphKinds[1]

// resource is the kind's name in error texts.
func (k *graphKind) resource() string { return strings.ToUpper(k.name[:1]) + k.name[1:] }

// entry is an application or a principal.
type entry struct {
	kind *graphKind
	p    directory.Principal
	app  directory.App
}

func (e entry) id() azure.GUID {
	if e.kind == applications {
		return e.app.ID
	}
	return e.p.ID
}

// all yields a kind's entries with a greater id, in order of id.
func (c *graphCall) all(k *graphKind, after azure.GUID) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		if k == applications {
			for a, err := range directory.AppsAfter(c.tx, after) {
				if !yield(entry{kind: k, app: a}, err) {
					return
				}
			}
			return
		}
		for p, err := range directory.After(c.tx, after) {
			if (err != nil || p.Type == k.principal) && !yield(entry{kind: k, p: p}, err) {
				return
			}
		}
	}
}

// lookup finds an object as a path names it: by object id, by (appId='…'), or a user by name.
func (c *graphCall) lookup(k *graphKind, name string) (entry, error) {
	key, value := "id", name
	if inner, ok := strings.CutPrefix(name, "("); ok {
		inner = strings.TrimSuffix(inner, ")")
		if alternate, v, ok := strings.Cut(inner, "="); ok {
			key, inner = alternate, v
		}
		value = strings.Trim(inner, "'")
	}
	if strings.EqualFold(key, "id") && k.principal == directory.User && strings.Contains(value, "@") {
		key = "userPrincipalName"
	}
	return c.byKey(k, key, value)
}

// byKey finds an object by a property that is unique.
func (c *graphCall) byKey(k *graphKind, key, value string) (entry, error) {
	id, err := azure.ParseGUID(value)
	switch key = strings.ToLower(key); {
	case key == "userprincipalname" && k.principal == directory.User:
		p, err := directory.ByUPN(c.tx, value)
		return entry{kind: k, p: p}, err
	case err != nil:
		return entry{}, store.ErrNotFound
	case key == "appid" && k == applications:
		a, err := directory.AppByAppID(c.tx, id)
		return entry{kind: k, app: a}, err
	case key == "appid" && k.principal == directory.ServicePrincipal:
		p, err := directory.ByAppID(c.tx, id)
		return entry{kind: k, p: p}, err
	case key == "id":
		return c.byID(k, id)
	}
	return entry{}, store.ErrNotFound
}

// byID finds an object of a kind, or of any kind for directoryObjects.
func (c *graphCall) byID(k *graphKind, id azure.GUID) (entry, error) {
	if k != applications {
		p, err := directory.Get(c.tx, id)
		switch {
		case err == nil && (k == directoryObjects || p.Type == k.principal):
			return entry{kind: kindOf(p), p: p}, nil
		case err == nil:
			return entry{}, store.ErrNotFound
		case k != directoryObjects || !errors.Is(err, store.ErrNotFound):
			return entry{}, err
		}
	}
	a, err := directory.GetApp(c.tx, id)
	return entry{kind: applications, app: a}, err
}

// show is an entry as Graph shows it.
func (c *graphCall) show(e entry) object {
	switch e.kind.name {
	case "application":
		return c.showApplication(e.app)
	case "servicePrincipal":
		return c.showServicePrincipal(e.p)
	case "user":
		return object{
			"id": e.p.ID.String(), "userPrincipalName": e.p.UPN, "displayName": e.p.DisplayName, "mailNickname": e.p.Nickname,
			"accountEnabled": !e.p.Disabled, "createdDateTime": timestamp(e.p.Created), "mail": nil, "givenName": nil, "surname": nil,
		}
	}
	return object{
		"id": e.p.ID.String(), "displayName": e.p.DisplayName, "description": nullable(e.p.Description), "mailNickname": e.p.Nickname,
		"mailEnabled": false, "securityEnabled": true, "groupTypes": []string{}, "mail": nil,
		"createdDateTime": timestamp(e.p.Created), "deletedDateTime": nil,
	}
}

func (c *graphCall) showApplication(a directory.App) object {
	return object{
		"id": a.ID.String(), "appId": a.AppID.String(), "displayName": a.DisplayName, "createdDateTime": timestamp(a.Created),
		"deletedDateTime": nil, "identifierUris": []string{}, "signInAudience": signInAudience, "tags": []string{},
		"passwordCredentials": showSecrets(a.Secrets), "keyCredentials": showCertificates(a.Certificates), "requiredResourceAccess": []string{},
	}
}

func (c *graphCall) showServicePrincipal(p directory.Principal) object {
	o := object{
		"id": p.ID.String(), "appId": p.AppID.String(), "displayName": p.DisplayName, "appDisplayName": p.DisplayName,
		"accountEnabled": !p.Disabled, "createdDateTime": timestamp(p.Created), "deletedDateTime": nil,
		"servicePrincipalType": p.Kind, "servicePrincipalNames": []string{p.AppID.String()}, "alternativeNames": []string{},
		"appOwnerOrganizationId": c.Tenant.String(), "appRoleAssignmentRequired": false, "signInAudience": signInAudience,
		"passwordCredentials": showSecrets(p.Secrets), "keyCredentials": showCertificates(p.Certificates), "tags": []string{},
	}
	if p.Kind == directory.ManagedIdentity {
		explicit := "isExplicit=False"
		if p.UserAssigned() {
			explicit = "isExplicit=True"
		}
		o["alternativeNames"] = []string{explicit, p.Resource.String()}
		o["appDisplayName"], o["appOwnerOrganizationId"], o["signInAudience"] = nil, nil, nil
	}
	return o
}

func showSecrets(all []directory.Secret) []object {
	shown := []object{}
	for _, s := range all {
		shown = append(shown, showSecret(s, ""))
	}
	return shown
}

// showSecret is a passwordCredential; its text is shown once, when it is made.
func showSecret(s directory.Secret, text string) object {
	return object{
		"customKeyIdentifier": nil, "displayName": nullable(s.Name), "startDateTime": timestamp(s.From), "endDateTime": timestamp(s.Until),
		"hint": s.Hint, "keyId": s.ID.String(), "secretText": nullable(text),
	}
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
