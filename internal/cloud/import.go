package cloud

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/provider"
	"aksid/internal/cloud/store"
)

// collection is what was read of an Azure: the form that aksid check --save writes and --from reads.
type collection struct {
	Version   int                    `json:"aksidCollection"`
	From      string                 `json:"from"`
	Documents []collected            `json:"documents"` // of ARM
	Objects   []arm.Doc              `json:"objects"`   // of Microsoft Graph
	Answered  []azure.PrincipalID    `json:"answered"`
	Listed    []string               `json:"listed"` // subscriptions whose authorization is complete
	Members   [][2]azure.PrincipalID `json:"members"`
}

type collected struct {
	Subscription string  `json:"subscription,omitempty"` // that it was listed in: it inherits from where the document is
	Document     arm.Doc `json:"document"`
}

const collectionVersion = 1

// Imported is what became of a collection.
type Imported struct {
	Documents int      `json:"documents"`
	Skipped   []string `json:"skipped"` // types that are not served here
}

// Import writes what was collected as it is, in one transaction: resources with their groups and subscriptions, role
// assignments and definitions, deny assignments, principals and memberships. The operator is Owner of the subscriptions.
func (cl *Cloud) Import(ctx context.Context, r io.Reader) (Imported, error) {
	var in collection
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		return Imported{}, fmt.Errorf("not a collection: %w", err)
	}
	if in.Version != collectionVersion {
		return Imported{}, fmt.Errorf("not a collection of form %d, as aksid check --save writes it", collectionVersion)
	}
	var im *importing
	err := cl.arm.Provision(ctx, cl.operator(), func(call *arm.Call) error { // may run again
		im = &importing{Call: call, seed: seed(cl.Info()), out: Imported{Skipped: []string{}}}
		return im.all(&in)
	})
	if err != nil {
		return Imported{}, err
	}
	cl.mu.Lock()
	cl.info.Subscriptions = im.seed.Subscriptions
	cl.mu.Unlock()
	if cl.imported != nil {
		cl.imported(cl.Info())
	}
	return im.out, nil
}

// operator is who imports.
func (cl *Cloud) operator() directory.Caller {
	return directory.Caller{ID: cl.info.OperatorObjectID, AppID: cl.info.OperatorClientID, Tenant: cl.info.Tenant, Type: directory.ServicePrincipal}
}

func (cl *Cloud) importCollection(r *http.Request) (any, error) {
	return cl.Import(r.Context(), r.Body)
}

// importing is one import.
type importing struct {
	*arm.Call
	seed seed
	out  Imported
}

func (im *importing) all(in *collection) error {
	for _, o := range in.Objects {
		if err := im.object(o); err != nil {
			return err
		}
	}
	for _, m := range in.Members {
		if err := directory.AddMember(im.Tx, directory.Membership{Group: m[0], Member: m[1]}); err != nil {
			return err
		}
	}
	for _, i := range parentsFirst(in.Documents) {
		if err := im.document(in.Documents[i]); err != nil {
			return fmt.Errorf("document %d: %w", i, err)
		}
	}
	slices.Sort(im.out.Skipped)
	im.out.Skipped = slices.Compact(im.out.Skipped)
	return im.seed.put(im.Tx)
}

// parentsFirst are the places of documents, of those with short ids first: a network that comes after a subnet of its own that
// was read apart would replace it.
func parentsFirst(all []collected) []int {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(len(arm.Str(all[a].Document, "id")), len(arm.Str(all[b].Document, "id")))
	})
	return order
}

func (im *importing) document(c collected) error {
	id, err := azure.ParseID(arm.Str(c.Document, "id"))
	if err != nil {
		return err
	}
	if id.Type() == azure.TypeSubscription {
		return im.subscription(id, arm.Str(c.Document, "displayName"))
	}
	if err := im.around(id, c); err != nil {
		return err
	}
	written, err := provider.Restore(im.Call, id, c.Document)
	switch {
	case err != nil:
		return err
	case written:
		im.out.Documents++
	default:
		im.out.Skipped = append(im.out.Skipped, id.Type())
	}
	return nil
}

// around makes what a document lies in: its subscription, its resource group, and the management group that it was inherited from.
func (im *importing) around(id azure.ID, c collected) error {
	if sub := id.Subscription(); sub != "" {
		if _, err := azure.ParseGUID(sub); err != nil {
			return fmt.Errorf("%s: the subscription is no GUID", id)
		}
		if err := im.subscription(azure.SubscriptionID(sub), ""); err != nil {
			return err
		}
	}
	if group := id.GroupID(); !group.IsZero() && !group.Equal(id) {
		old, err := im.Load(group)
		if err != nil {
			return err
		}
		if old == nil {
			location := arm.Str(c.Document, "location")
			if location == "" {
				location = "westeurope"
			}
			if _, err := im.Restore(group, arm.Doc{"location": location, "properties": arm.Doc{"provisioningState": "Succeeded"}}); err != nil {
				return err
			}
		}
	}
	scope, _, _ := id.Split()
	if strings.EqualFold(scope.Type(), azure.TypeManagementGroup) {
		return im.managementGroup(scope, c.Subscription)
	}
	return nil
}

// subscription makes a subscription, which the operator owns, or gives the one that is there its name.
func (im *importing) subscription(id azure.ID, name string) error {
	old, err := im.Load(id)
	if err != nil || old != nil && (name == "" || arm.Str(old, "displayName") == name) {
		return err
	}
	guid, err := azure.ParseGUID(id.Name())
	if err != nil {
		return fmt.Errorf("%s: the subscription is no GUID", id)
	}
	if old != nil {
		old["displayName"] = name
		im.seed.name(guid.String(), name)
		return im.Seed(id, old)
	}
	if name == "" {
		name = guid.String()
	}
	im.seed.name(guid.String(), name)
	if err := im.PutParent(id, provider.RootGroup(im.Tenant())); err != nil {
		return err
	}
	if err := im.Seed(id, provider.NewSubscription(guid, im.Tenant(), name, len(im.seed.Subscriptions))); err != nil {
		return err
	}
	scope := id.Resource("Microsoft.Authorization/roleAssignments", azure.NewGUID().String())
	_, err = provider.Restore(im.Call, scope, arm.Doc{"id": scope.String(), "properties": arm.Doc{"scope": id.String(),
		"principalId": im.Caller.ID.String(), "principalType": im.Caller.Type, "roleDefinitionId": id.Resource("Microsoft.Authorization/roleDefinitions", owner).String()}})
	return err
}

// managementGroup makes a management group, and puts the subscription that inherits from it under it.
func (im *importing) managementGroup(group azure.ID, sub string) error {
	root := provider.RootGroup(im.Tenant())
	old, err := im.Load(group)
	if err != nil {
		return err
	}
	if old == nil {
		if _, err := im.Restore(group, arm.Doc{"properties": arm.Doc{"tenantId": im.Tenant().String(), "displayName": group.Name(), "details": arm.Doc{"version": 1}}}); err != nil {
			return err
		}
		if err := im.PutParent(group, root); err != nil {
			return err
		}
	}
	if _, err := azure.ParseGUID(sub); err != nil {
		return nil
	}
	if err := im.subscription(azure.SubscriptionID(sub), ""); err != nil {
		return err
	}
	return im.PutParent(azure.SubscriptionID(sub), group)
}

// object makes a principal of what Microsoft Graph said of it, unless it is there.
func (im *importing) object(o arm.Doc) error {
	id, err := azure.ParseGUID(arm.Str(o, "id"))
	if err != nil {
		return err
	}
	p := directory.Principal{ID: id, DisplayName: arm.Str(o, "displayName"), Created: im.Now}
	switch kind, _ := o["@odata.type"].(string); strings.ToLower(kind) {
	case "#microsoft.graph.user":
		p.Type, p.UPN = directory.User, arm.Str(o, "userPrincipalName")
	case "#microsoft.graph.group":
		p.Type = directory.Group
	case "#microsoft.graph.serviceprincipal":
		p.Type, p.Kind = directory.ServicePrincipal, arm.Str(o, "servicePrincipalType")
		p.AppID, _ = azure.ParseGUID(arm.Str(o, "appId"))
	default:
		return nil
	}
	if old, err := directory.Get(im.Tx, id); err == nil { // with its secrets
		old.DisplayName = p.DisplayName
		return directory.Put(im.Tx, old)
	}
	return directory.Put(im.Tx, p)
}

// exportCollection is all that the local Azure holds, as an import takes it. Secrets and keys are not in it.
func (cl *Cloud) exportCollection(r *http.Request) (any, error) {
	out := collection{Version: collectionVersion, From: "local", Documents: []collected{}, Objects: []arm.Doc{}, Listed: []string{}, Members: [][2]azure.PrincipalID{}}
	err := cl.arm.Look(r.Context(), func(call *arm.Call) error {
		root := provider.RootGroup(call.Tenant())
		roles := map[string]bool{}
		for d, err := range call.Stored() {
			if err != nil {
				return err
			}
			id := azure.MustID(arm.Str(d, "id"))
			if id.Type() == azure.TypeSubscription {
				out.Listed = append(out.Listed, id.Name())
			}
			if role, ok := provider.BuiltIn(call, d); ok && !roles[arm.Str(role, "id")] { // its readers may not have it
				roles[arm.Str(role, "id")] = true
				out.Documents = append(out.Documents, collected{Document: role})
			}
			if !id.Equal(root) {
				out.Documents = append(out.Documents, below(call, id, d)...)
			}
		}
		return out.directory(call.Tx)
	})
	return out, err
}

// below is a document, once for each subscription that inherits it.
func below(call *arm.Call, id azure.ID, d arm.Doc) []collected {
	scope, _, _ := id.Split()
	if !strings.EqualFold(scope.Type(), azure.TypeManagementGroup) {
		return []collected{{Document: d}}
	}
	var out []collected
	for child, err := range call.Children(scope) {
		if err == nil && child.Type() == azure.TypeSubscription {
			out = append(out, collected{child.Name(), d})
		}
	}
	if out == nil {
		out = []collected{{Document: d}}
	}
	return out
}

// directory adds the principals, as Microsoft Graph shows them, and who is in which group.
func (c *collection) directory(tx store.Tx) error {
	for p, err := range directory.All(tx) {
		if err != nil {
			return err
		}
		o := arm.Doc{"id": p.ID.String(), "displayName": p.DisplayName, "@odata.type": "#microsoft.graph." + strings.ToLower(p.Type[:1]) + p.Type[1:]}
		if !p.AppID.IsZero() {
			o["appId"], o["servicePrincipalType"] = p.AppID.String(), p.Kind
		}
		if p.UPN != "" {
			o["userPrincipalName"] = p.UPN
		}
		c.Objects, c.Answered = append(c.Objects, o), append(c.Answered, p.ID)
	}
	for d, err := range tx.Scan(directory.KindMember, "", "") {
		if err != nil {
			return err
		}
		group, member, err := directory.ParseMemberKey(d.Key)
		if err != nil {
			return err
		}
		c.Members = append(c.Members, [2]azure.PrincipalID{group, member})
	}
	return nil
}
